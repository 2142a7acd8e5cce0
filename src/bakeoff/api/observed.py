"""Read runs that were made by whatever made them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff import reader
from bakeoff.stats.table import DEFAULT, AnalysisOptions

if TYPE_CHECKING:
    from bakeoff.observed.analyse import Findings
    from bakeoff.runs.store import Store


def analyse_runs(
    runs: Path | str | Sequence[Mapping[str, Any]],
    *,
    metric: str | None = None,
    lower: bool | None = None,
    factors: Sequence[str] = (),
    seed: str | None = None,
    run: str | None = None,
    more: int | None = None,
    options: AnalysisOptions = DEFAULT,
) -> "Findings":
    """What runs that exist say of what was set in them, what they can't tell apart, and what to run next.

    runs: a file (.csv, .tsv, .jsonl, .json, .parquet), "mlflow:URI", "tensorboard:DIR" or "optuna:FILE", or rows.
    metric, factors, seed, run: columns (None, none: by their names and values); run is the same in rows that are one
    training, evaluated in several ways. lower: a smaller metric is better. more: how many runs to suggest (None: as
    many as it takes to tell everything apart). options: level of the intervals, and what gain isn't worth having.
    """
    from bakeoff.observed.analyse import analyse
    from bakeoff.observed.read import read
    from bakeoff.observed.table import from_rows

    table = read(runs) if isinstance(runs, (str, Path)) else from_rows("the runs", runs)
    if more is not None:
        reader.whole(more, "--more", 1, 1024)
    return analyse(table, metric=metric, lower=lower, factors=factors, seed=seed, run=run, options=options, more=more)


def write_next(found: "Findings", path: Path | str) -> Path:
    """Write the runs that are suggested as CSV, a column for each factor. Returns the file."""
    from bakeoff.observed.table import written

    return written(reader.path(path, "--next", text=False), found.next)


def export_runs(study: str = "", output: Path | str = "runs.csv", *, store: "Store | Path | str | None" = None) -> Path:
    """Write the runs of a study as CSV: a row for each evaluation, a column for each technique. Returns the file.

    study: by name; may be left out for the only one.
    """
    from bakeoff.observed.table import written
    from bakeoff.runs.store import open_store
    from bakeoff.study.gather import read
    from bakeoff.study.runs import as_rows
    from bakeoff.study.spec import StudySpec

    kept = open_store(store)
    spec = StudySpec.load(kept, study)
    return written(reader.path(output, "--output", text=False), as_rows(spec, read(kept, spec, spec.rows)))
