"""The effects of a study as rows of plain numbers, for programs: a column has one type and one unit, in its name."""

import csv
import io
import math
from typing import Any, BinaryIO

from bakeoff.errors import RequestError
from bakeoff.files import printable
from bakeoff.report import words
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import Results

COLUMNS: dict[str, type] = {
    "study": str,
    "task": str,
    "design": str,
    "technique": str,
    "title": str,
    "estimand": str,  # average, leave_one_out, add_one, stacked, total; not_applicable
    "gain_pp": float,
    "low": float,
    "high": float,
    "level": float,
    "simultaneous_low": float,
    "simultaneous_high": float,
    "population_low": float,
    "population_high": float,
    "se": float,
    "df": float,
    "p": float,
    "p_adjusted": float,
    "runs": int,
    "seeds": int,
    "method": str,
    "any_look": bool,  # whether the intervals hold however often one looks
    "errors_removed": float,  # a share
    "errors_low": float,
    "errors_high": float,
    "action": str,
    "p_sign": float,
    "expected_loss_pp": float,
    "established": bool,
    "cost_ratio": float,
    "worth_length": float,
    "note": str,
}

Row = dict[str, Any]


def rows(results: Results) -> list[Row]:
    """Every effect: of the design, inside the recipe where that is known, and of the recipe over the baseline.

    What isn't known is None.
    """
    spec = results.spec
    head = {"study": spec.name, "task": words.dataset(spec.task), "design": spec.design}
    found = [{**head, **_row(results, effect)} for effect in (*results.main, *results.in_recipe, results.total)]
    found += [
        {**head, "technique": name, "title": words.title(name), "estimand": "not_applicable", "note": reason}
        for name, reason in spec.not_applicable.items()
    ]
    return [{name: _known(row.get(name)) for name in COLUMNS} for row in found]


def _row(results: Results, effect: Effect) -> Row:
    total = effect is results.total
    decision = effect.decision if results.judged else None
    errors = effect.errors
    return {
        "technique": "" if total else effect.technique,
        "title": "Recipe over baseline" if total else words.title(effect.technique),
        **{name: getattr(effect, name) for name in COLUMNS if hasattr(effect, name) and name != "technique"},
        "simultaneous_low": effect.sim_low,
        "simultaneous_high": effect.sim_high,
        "any_look": effect.unplanned,
        **({"errors_removed": errors.removed, "errors_low": errors.low, "errors_high": errors.high} if errors else {}),
        **({"action": decision.action, "p_sign": decision.p_sign} if decision else {}),
        **({"expected_loss_pp": decision.loss_pp, "established": decision.established} if decision else {}),
        "cost_ratio": results.cost.get(effect.technique),
        "worth_length": results.worth.get(effect.technique) if effect in results.main else None,
    }


def _known(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_csv(results: Results) -> str:
    """A heading and a line for each effect; cells are empty where nothing is known."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(results))
    return text.getvalue()


def write_parquet(results: Results, file: BinaryIO) -> None:
    """The same as Parquet, which needs the extra `parquet`."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise RequestError("writing Parquet takes pyarrow: pip install 'bakeoff[parquet]'") from None
    types = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    parquet.write_table(pa.Table.from_pylist(rows(results), schema), file)
