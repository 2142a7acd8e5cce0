"""The strengths of a recipe that was found: what the runs at other strengths say, and which to run next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bakeoff.runs.record import RunRecord
from bakeoff.stats import level_sweep as strengths
from bakeoff.stats import thompson as search
from bakeoff.stats.noise import ENOUGH_DF
from bakeoff.stats.outcomes import Ints
from bakeoff.stats.surrogate import CENTRE, Surface
from bakeoff.study import decide
from bakeoff.study.decide import Look
from bakeoff.study.gather import Searched, outcomes
from bakeoff.study.search import SPLIT, Search
from bakeoff.study.spec import Dose, Knob

_MOST_DOSES = 60  # runs at other strengths


@dataclass(frozen=True, eq=False)
class Doses:
    """What the runs at other strengths say, on the select split.

    best: (m,) the strengths to take, -1, 0 or 1. surface: the model. regret: expected, in points. spent: of the budget.
    """

    best: Ints
    surface: Surface
    regret: float
    spent: float


def look(
    asked: Search,
    seen: Searched,
    now: Look,
    knobs: Sequence[Knob],
    doses: Sequence[Dose],
    swept: Sequence[RunRecord | None],
) -> Doses:
    """What the runs at other strengths and the recipe's own runs in the search say of its strengths.

    doses: the runs at other strengths, all of which have come to an end; swept: what stands for each.
    """
    training = now.reference[: len(now.standing.best)]
    usual = np.array([knob.usual for knob in knobs], np.int64)
    before = zip((*seen.rows, *asked.prior), seen.records, strict=False)
    own = [(row, record) for row, record in before if row.levels == training]
    tried = [dose.row for dose in doses]
    coded = {row.block: usual for row, _ in own} | {dose.row.block: np.array(dose.coded) for dose in doses}
    rows, records = [*(row for row, _ in own), *tried], [*(record for _, record in own), *swept]
    runs = outcomes(asked.opening, rows, records, asked.k, SPLIT)
    y = runs.acc @ runs.view_at(now.setting)
    scales, scale = now.surface.scales, now.surface.scale
    y = y if scale is None else scale.of(y)
    coded_runs = np.array([coded[block] for block in runs.block.tolist()])
    unit = max(1.0, scales.main / CENTRE[0])
    fitted = strengths.fit(coded_runs, y, runs.block, sigma=scales.sigma, df=ENOUGH_DF, unit=unit)
    surface = replace(fitted, scale=scale)
    draw = np.random.default_rng([*b"doses", asked.opening.design_seed, len(doses)])
    *_, regret = search.highest(surface, strengths.features(strengths.combinations(len(knobs))), draw)
    spent = decide.spent_on(asked, [*seen.records[: len(seen.rows)], *swept])
    return Doses(strengths.settle(surface, usual, now.eps), surface, regret, spent)


def more(asked: Search, seen: Doses, doses: Sequence[Dose]) -> Ints:
    """(4, m) strengths to run next."""
    draw = np.random.default_rng([*b"more", asked.opening.design_seed, len(doses)])
    every = strengths.combinations(len(seen.best))
    return np.asarray(every[search.best_in_draws(seen.surface, strengths.features(every), draw)], np.int64)


def enough(asked: Search, now: Look, seen: Doses, doses: Sequence[Dose]) -> bool:
    """Whether the strengths are settled, or the budget for them is used up."""
    batch = search.BATCH * decide.cost(asked, now, now.standing.best[None]).sum()
    return bool(
        decide.OPTIMISM * seen.regret <= now.eps
        or len(doses) >= _MOST_DOSES
        or seen.spent + batch + decide.proof_cost(asked, now, decide.LEAST, 1) > asked.budget
    )
