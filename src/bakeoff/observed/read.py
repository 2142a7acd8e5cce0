"""Tables of runs, read from files: CSV, TSV, JSON lines, JSON, Parquet; or from a tracker."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bakeoff import reader
from bakeoff.errors import BakeoffError, RequestError, unknown
from bakeoff.observed.table import RunTable, from_rows
from bakeoff.observed.trackers import TRACKERS


def read(source: Path | str) -> RunTable:
    """A table of runs from a file, by its ending, or from a tracker: "mlflow:URI", "tensorboard:DIR", "optuna:FILE".

    Raises RequestError for what can't be read, and where it holds no runs.
    """
    kind, colon, rest = str(source).partition(":")
    if colon and kind in TRACKERS:
        return TRACKERS[kind](rest)
    path = reader.path(source, "the table of runs", text=False)
    found = _READERS.get(path.suffix.lower())
    if found is None:
        if path.is_dir():
            raise RequestError(f"{path} is a folder; of TensorBoard's files it would be tensorboard:{path}")
        if not path.exists() and colon and kind.isalpha() and len(kind) > 1:
            raise unknown("tracker", kind, TRACKERS)
        raise RequestError(f"{path} is no table that is known here; there are: {', '.join(_READERS)}")
    try:
        rows = found(path)
    except OSError as error:
        raise RequestError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise RequestError(f"{path} isn't text in UTF-8") from None
    except (csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise RequestError(f"{path} can't be read: {error}") from None
    return from_rows(str(path), rows)


def _separated(path: Path) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        head = [name.strip() for name in next(rows, [])]
        if twice := next((name for name in head if name and head.count(name) > 1), None):
            raise RequestError(f"{path} has two columns called '{twice}'")
        found = []
        for cells in rows:
            if not any(cells):
                continue
            if len(cells) != len(head):
                raise RequestError(f"{path} has {len(cells)} cells in line {rows.line_num} and {len(head)} columns")
            found.append({name: cell for name, cell in zip(head, cells, strict=True) if name})
        return found


def _lines(path: Path) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8-sig") as file:
        return _objects(path, [json.loads(line) for line in file if line.strip()])


def _json(path: Path) -> list[dict[str, Any]]:
    return _objects(path, json.loads(path.read_text("utf-8-sig")))


def _objects(path: Path, found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise RequestError(f'{path} isn\'t a list of runs: each is an object such as {{"lr": 0.1, "acc1": 91.2}}')
    return found


def _parquet(path: Path) -> list[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise RequestError("reading Parquet needs pyarrow: pip install 'bakeoff[parquet]'") from None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except ArrowException as error:
        raise BakeoffError(f"{path} can't be read: {' '.join(str(error).split())}") from None
    return rows


_READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    ".csv": _separated,
    ".tsv": _separated,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _json,
    ".parquet": _parquet,
}
