"""The strengths of a recipe that was found: what the runs at other strengths say, and which to run next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bakeoff.runs.store import Store
from bakeoff.stats import level_sweep as strengths
from bakeoff.stats import thompson as search
from bakeoff.stats.noise import ENOUGH_DF
from bakeoff.stats.outcomes import Ints
from bakeoff.stats.surrogate import CENTRE, Surface
from bakeoff.study import search as derive
from bakeoff.study.search import Look, Search
from bakeoff.study.spec import Dose, Knob, Row

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
    asked: Search, store: Store, now: Look, rows: Sequence[Row], knobs: Sequence[Knob], doses: Sequence[Dose]
) -> Doses:
    """What `doses`, all of which have come to an end, and the recipe's own runs in the search say of its strengths."""
    training = now.reference[: len(now.standing.best)]
    usual = np.array([knob.usual for knob in knobs], np.int64)
    own = [row for row in (*rows, *asked.prior) if row.levels == training]
    coded = {row.block: usual for row in own} | {dose.row.block: np.array(dose.coded) for dose in doses}
    tried = [dose.row for dose in doses]
    spec = replace(asked.opening, rows=(*own, *tried))
    runs = spec.collect(spec.records(store, derive.SPLIT), store, asked.k, derive.SPLIT)
    y = runs.acc @ runs.view_at(now.setting)
    scales, scale = now.surface.scales, now.surface.scale
    y = y if scale is None else scale.of(y)
    coded_runs = np.array([coded[block] for block in runs.block.tolist()])
    unit = max(1.0, scales.main / CENTRE[0])
    fitted = strengths.fit(coded_runs, y, runs.block, sigma=scales.sigma, df=ENOUGH_DF, unit=unit)
    surface = replace(fitted, scale=scale)
    draw = np.random.default_rng([*b"doses", asked.opening.design_seed, len(doses)])
    *_, regret = search.highest(surface, strengths.features(strengths.combinations(len(knobs))), draw)
    spent = derive.spent_on(asked, replace(asked.opening, rows=(*rows, *tried)).records(store, derive.SPLIT))
    return Doses(strengths.settle(surface, usual, now.eps), surface, regret, spent)


def more(asked: Search, seen: Doses, doses: Sequence[Dose]) -> Ints:
    """(4, m) strengths to run next."""
    draw = np.random.default_rng([*b"more", asked.opening.design_seed, len(doses)])
    every = strengths.combinations(len(seen.best))
    return np.asarray(every[search.best_in_draws(seen.surface, strengths.features(every), draw)], np.int64)


def enough(asked: Search, now: Look, seen: Doses, doses: Sequence[Dose]) -> bool:
    """Whether the strengths are settled, or the budget for them is used up."""
    batch = search.BATCH * derive.cost(asked, now, now.standing.best[None]).sum()
    return bool(
        derive.OPTIMISM * seen.regret <= now.eps
        or len(doses) >= _MOST_DOSES
        or seen.spent + batch + derive.proof_cost(asked, now, derive.LEAST, 1) > asked.budget
    )
