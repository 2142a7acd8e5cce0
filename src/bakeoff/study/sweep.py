"""The strengths of a recipe that was found: what the runs at other strengths say, and which to run next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bakeoff.runs.record import RunRecord
from bakeoff.stats import level_sweep as strengths
from bakeoff.stats import thompson as search
from bakeoff.stats.noise import ENOUGH_DF
from bakeoff.stats.outcomes import Ints
from bakeoff.stats.surrogate import PRIORS, Surface
from bakeoff.study import decide
from bakeoff.study.decide import SearchState
from bakeoff.study.gather import Searched, outcomes
from bakeoff.study.search import SPLIT, SearchSpec
from bakeoff.study.spec import SweepPoint, SweptKnob

_MOST_DOSES = 60  # runs at other strengths


@dataclass(frozen=True, eq=False)
class SweepState:
    """What the runs at other strengths say, on the select split.

    best: (m,) the strengths to take, -1, 0 or 1. surface: the model. regret: expected, in points. spent: of the budget.
    """

    best: Ints
    surface: Surface
    regret: float
    spent: float


def update(
    asked: SearchSpec,
    seen: Searched,
    now: SearchState,
    knobs: Sequence[SweptKnob],
    sweep_points: Sequence[SweepPoint],
    swept: Sequence[RunRecord | None],
) -> SweepState:
    """What the runs at other strengths and the recipe's own runs in the search say of its strengths.

    sweep_points: the runs at other strengths, all of which have come to an end; swept: what stands for each.
    """
    training = now.reference[: len(now.incumbent.best)]
    usual = np.array([knob.usual for knob in knobs], np.int64)
    before = zip((*seen.rows, *asked.warm_start), seen.records, strict=False)
    own = [(row, record) for row, record in before if row.configuration == training]
    tried = [point.row for point in sweep_points]
    coded = {row.block: usual for row, _ in own} | {point.row.block: np.array(point.coded) for point in sweep_points}
    rows, records = [*(row for row, _ in own), *tried], [*(record for _, record in own), *swept]
    runs = outcomes(asked.initial, rows, records, asked.k, SPLIT)
    y = runs.acc @ runs.view_at(now.setting)
    scales, scale = now.surface.scales, now.surface.scale
    y = y if scale is None else scale.of(y)
    coded_runs = np.array([coded[block] for block in runs.block.tolist()])
    unit = max(1.0, scales.main / PRIORS.centre[0])
    fitted = strengths.fit(coded_runs, y, runs.block, sigma=scales.sigma, df=ENOUGH_DF, unit=unit)
    surface = replace(fitted, scale=scale)
    draw = np.random.default_rng([*b"doses", asked.initial.design_seed, len(sweep_points)])
    *_, regret = search.highest(surface, strengths.features(strengths.combinations(len(knobs))), draw)
    spent = decide.spent_on(asked, [*seen.records[: len(seen.rows)], *swept])
    return SweepState(strengths.settle(surface, usual, now.eps), surface, regret, spent)


def more(asked: SearchSpec, seen: SweepState, sweep_points: Sequence[SweepPoint]) -> Ints:
    """(4, m) strengths to run next."""
    draw = np.random.default_rng([*b"more", asked.initial.design_seed, len(sweep_points)])
    every = strengths.combinations(len(seen.best))
    return np.asarray(every[search.best_in_draws(seen.surface, strengths.features(every), draw)], np.int64)


def enough(asked: SearchSpec, now: SearchState, seen: SweepState, sweep_points: Sequence[SweepPoint]) -> bool:
    """Whether the strengths are settled, or the budget for them is used up."""
    batch = search.BATCH * decide.cost(asked, now, now.incumbent.best[None]).sum()
    return bool(
        decide.OPTIMISM * seen.regret <= now.eps
        or len(sweep_points) >= _MOST_DOSES
        or seen.spent + batch + decide.kept_for_proof(asked, now) > asked.budget
    )
