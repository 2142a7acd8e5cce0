"""A table of runs: columns, as files and trackers give them."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.errors import RequestError
from bakeoff.files import write_text

Value = str | float | bool | None  # None: an empty cell

_EMPTY = {"", "nan", "na", "n/a", "none", "null", "-"}


@dataclass(frozen=True)
class RunTable:
    """Runs, one per row; every column has as many values.

    source: where it came from, for people. factors, metrics: columns that are known to be what was set and what was
    measured, as of a tracker; none where a table doesn't tell them apart. adaptive: each run was chosen by the results
    of those before it.
    """

    source: str
    columns: Mapping[str, list[Value]]
    factors: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    adaptive: bool = False
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", len(next(iter(self.columns.values()), ())))
        if not self.rows:
            raise RequestError(f"{self.source} has no runs")


def from_rows(
    source: str,
    rows: Iterable[Mapping[str, Any]],
    *,
    factors: Iterable[str] = (),
    metrics: Iterable[str] = (),
    adaptive: bool = False,
) -> RunTable:
    """A table from rows that may lack cells; what is nested becomes columns such as "optimizer.lr"."""
    flat = [dict(_flat(row)) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    columns = {name: [_value(row.get(name)) for row in flat] for name in names}
    known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    return RunTable(
        source,
        known,
        tuple(name for name in factors if name in known),
        tuple(name for name in metrics if name in known),
        adaptive,
    )


def written(path: Path, rows: Sequence[Mapping[str, Value]]) -> Path:
    """Write rows as CSV, with a column for each of the first row's names. Returns the file."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())
    return path


def _cell(value: Value) -> Value | int:
    """Numbers are read as floats; whole ones are written as they were."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _flat(row: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _value(cell: Any) -> Value:
    """A cell as a number where it reads as one, a truth, else as text."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, (int, float)):
        return float(cell) if not math.isnan(cell) else None
    text = str(cell).strip()
    if text.lower() in _EMPTY:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    return None if math.isnan(number) else number
