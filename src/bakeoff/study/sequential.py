"""How far a study that ends as soon as it is settled has come: a function of its runs, so that resuming is the same."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TypeVar

import numpy as np

from bakeoff.stats import effects, sequential
from bakeoff.stats.outcomes import Bools, Ints, Runs
from bakeoff.stats.table import AnalysisOptions, worth_having
from bakeoff.study.gather import Gathered, Records, outcomes
from bakeoff.study.spec import StudySpec

T = TypeVar("T")
_WORTH = 0.02  # share of a metric that is no accuracy below which a change isn't worth having


@dataclass(frozen=True)
class Reached:
    """rows: those of the study that are to be made, as far as is known. look: how many looks led there.

    open: the techniques that weren't settled then.
    """

    rows: tuple[int, ...]
    look: int
    open: tuple[str, ...]


def reached(spec: StudySpec, records: Records) -> Reached:
    """Which rows a study needs; all of them, unless it ends as soon as it is settled.

    records: what stands for each of its rows. A run that crashed has come to an end, until somebody tries it again.
    """
    if not spec.looks:
        return Reached(tuple(range(len(spec.rows))), 0, ())

    def read(rows: Ints, look: int) -> Bools | None:
        there = [records[row] for row in rows]
        if any(record is None or record.status == "interrupted" for record in there):
            return None
        runs = outcomes(spec, [spec.rows[row] for row in rows], there)
        within = _tolerance(spec, runs)
        options = AnalysisOptions(delta=within, share=sequential.share(look, len(spec.looks)))
        table = effects.switched(runs, spec.names, spec.recipe_levels, options=options)
        return sequential.unsettled(table, within)

    block = np.array([row.block for row in spec.rows])
    recipe = spec.recipe_levels[: len(spec.training)]
    due = sequential.due(spec.matrix, block, recipe, spec.looks, read)
    return Reached(tuple(due.rows.tolist()), due.look, tuple(compress(spec.names, due.open)))


def _tolerance(spec: StudySpec, runs: Runs) -> float:
    """As asked for, or by the errors of the recipe's runs so far."""
    if spec.tolerance is not None:
        return spec.tolerance
    k, recipe = len(spec.training), spec.recipe_levels
    acc = runs.acc[runs.rows(recipe[:k])] @ runs.view_at(recipe[k:])
    return tolerance(spec, runs, [float(acc.mean())] if len(acc) else [])


def tolerance(spec: StudySpec, runs: Runs, measured: Sequence[float]) -> float:
    """What is worth having, where nobody says it: 2 % of the errors and one image at least; of another metric 2 %.

    measured: of the recipe, or else of the baseline, the first that there is.
    """
    if not spec.percent:
        size = abs(measured[0]) if measured else 0.0
        return float(f"{_WORTH * size:.2g}") or AnalysisOptions().tolerance
    images = spec.splits.get("report") or (runs.hits.n if spec.program and runs.hits else None)
    return worth_having(100 - measured[0] if measured else math.nan, images)


def as_far_as_it_went(gathered: Gathered, options: AnalysisOptions) -> tuple[Gathered, AnalysisOptions]:
    """A study with the rows that it needs alone, and how its table is read at the look that it ended with."""
    spec = gathered.spec
    if not spec.looks:
        return gathered, options
    found = reached(spec, gathered.records)

    def needed(values: Sequence[T]) -> tuple[T, ...]:
        return tuple(values[row] for row in found.rows)

    return (
        replace(
            gathered,
            spec=replace(spec, rows=needed(spec.rows)),
            records=list(needed(gathered.records)),
            diverged=needed(gathered.diverged),
        ),
        replace(options, share=sequential.share(max(1, found.look), len(spec.looks))),
    )
