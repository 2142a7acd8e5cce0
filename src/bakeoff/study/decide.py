"""What the runs of a derivation say, and what follows from it (STATISTICS 6): everything but the running.

Whatever is decided is a function of the request and of the runs that were made before the decision. So a derivation
that was stopped goes on by deciding everything again, and ends in the same recipe.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.runs.record import RunRecord
from bakeoff.stats import thompson
from bakeoff.stats.noise import Noise, measure
from bakeoff.stats.outcomes import Bools, Floats, Runs
from bakeoff.stats.surrogate import Surface
from bakeoff.study.gather import Searched, outcomes
from bakeoff.study.preview import seconds_of, training_time
from bakeoff.study.search import SPLIT, SearchSpec
from bakeoff.study.seeds import SHORTER

LEAST = 4  # runs of each recipe that a proof takes
MOST_PROOF = 32  # runs of each recipe, beyond which a proof needs no more
MOST_TRIED = 120  # runs after the opening
WANTED = 0.15  # points: half-width of the interval of the total gain
OPTIMISM = 2.5  # the realised regret is up to so many times the expected one (STATISTICS 6.2)
ROOM = 4  # batches of search that there must be room for before a proof takes techniques one by one
DOSES = 25  # runs that are kept for strengths


@dataclass(frozen=True, eq=False)
class SearchState:
    """What the runs so far say, on the select split.

    incumbent: of the training techniques. setting: (E,) of the evaluation techniques, the best with it. surface: the
    model of all runs at that setting. allowed: (P, k) what may be chosen. noise: from run to run. spent: of the budget.
    runs: how many results there are. ours: how many of them this derivation made. time: log-linear model of training
    seconds, (k + 1,), None while unknown. evaluation: seconds that evaluating a run takes, in the mean.
    """

    incumbent: thompson.Incumbent
    setting: Bools
    surface: Surface
    allowed: Bools
    noise: Noise
    spent: float
    runs: Runs
    ours: int
    time: Floats | None
    evaluation: float

    @property
    def reference(self) -> tuple[bool, ...]:
        """(k + E,) levels of the best recipe so far."""
        return (*self.incumbent.best.tolist(), *self.setting.tolist())

    @property
    def eps(self) -> float:
        """Points that are worth searching for."""
        return 0.05 if self.noise.sigma <= 0.15 else 0.1


def update(asked: SearchSpec, seen: Searched, reference: Bools | None = None) -> SearchState:
    """What the runs of a search and those of earlier studies say.

    reference: (k + E,) of this recipe instead of the best, as was decided once.
    """
    own, records = seen.rows, seen.records
    rows = (*own, *asked.warm_start, *asked.low_fidelity)
    runs = outcomes(asked.initial, rows, records, asked.k, SPLIT)
    short = runs.block >= SHORTER
    usual = len(own) + len(asked.warm_start)
    time = training_time(np.array([row.configuration for row in rows[:usual]], bool), records[:usual])
    evaluated = [seconds for record in records[: len(own)] if record and (seconds := _evaluation(asked, record))]
    evaluation = float(np.mean(evaluated)) if evaluated else 0.0
    allowed = asked.allowed
    if asked.slowest is not None and time is not None:
        allowed = allowed[seconds_of(time, allowed) <= asked.slowest]
    for levels in runs.lost:
        allowed = allowed[(allowed != levels).any(axis=1)]  # what failed twice can't be chosen
    best: SearchState | None = None
    settings, k = asked.settings, allowed.shape[1]
    if reference is not None:
        settings, allowed = reference[None, k:], reference[None, :k]
    for setting in settings:
        views = runs.view_at(setting)
        noise = measure(runs[np.flatnonzero(~short)], views)
        surface = thompson.fit_surrogate(runs, views, short if short.any() else None)
        draw = np.random.default_rng([*b"look", asked.initial.design_seed, len(own)])
        incumbent = thompson.incumbent(surface, allowed, draw)
        if best is None or incumbent.value > best.incumbent.value:
            spent = spent_on(asked, records[: len(own)])
            best = SearchState(incumbent, setting, surface, allowed, noise, spent, runs, len(own), time, evaluation)
    assert best is not None
    return best


def suggestions(asked: SearchSpec, now: SearchState) -> Bools:
    """(4, k) configurations to run next."""
    draw = np.random.default_rng([*b"propose", asked.initial.design_seed, now.ours])
    return thompson.suggest(now.surface, now.allowed, draw)


def enough(asked: SearchSpec, now: SearchState) -> str | None:
    """Why the search should end now; None if it should go on."""
    if OPTIMISM * now.incumbent.regret <= now.eps:
        return f"no other recipe is expected to be better by more than {now.eps:g} points"
    tried = now.ours - len(asked.initial.rows)
    if tried >= MOST_TRIED:
        return f"{tried} runs were made after the opening, the most that a search makes"
    batch = thompson.BATCH * cost(asked, now, now.incumbent.best[None]).sum()
    if now.spent + batch + kept_for_proof(asked, now) + strengths_cost(asked, now) > asked.budget:
        return f"the rest of the budget is for {'the strengths and ' if asked.strengths else ''}the proof"
    return None


def strengths_cost(asked: SearchSpec, now: SearchState) -> float:
    """Of the budget, what the first look at strengths takes, as many of them as there could be."""
    if not asked.strengths:
        return 0.0
    return float(DOSES * cost(asked, now, now.incumbent.best[None]).sum())


def kept_for_proof(asked: SearchSpec, now: SearchState) -> float:
    """Of the budget, what the search leaves to the smallest proof: with its techniques one by one, if there is room."""
    opening = cost(asked, now, np.array([row.configuration for row in asked.initial.rows], bool)).sum()
    search = ROOM * thompson.BATCH * cost(asked, now, now.incumbent.best[None]).sum()
    whole = proof_cost(asked, now, LEAST, LEAST)
    if opening + search + strengths_cost(asked, now) + whole <= asked.budget:
        return whole
    return proof_cost(asked, now, LEAST, 0)


def proof(asked: SearchSpec, now: SearchState, spent: float) -> tuple[int, int]:
    """Runs of the recipe, and of the recipe with each technique switched over, that the rest of the budget allows.

    spent: of the budget, so far. Never fewer than four of the recipe, and no more than show the total gain to within
    0.15 points; what is left goes to the techniques. Each has four or more as well, or none: with fewer nobody knows
    how much its runs scatter.
    """
    sigma = now.noise.sigma if math.isfinite(now.noise.sigma) else 1.0
    wanted = min(MOST_PROOF, max(LEAST, math.ceil(2 * (1.96 * sigma / WANTED) ** 2)))

    def affords(runs: int, each: int) -> bool:
        return spent + proof_cost(asked, now, runs, each) <= asked.budget

    each = LEAST if affords(LEAST, LEAST) else 0
    runs = max((runs for runs in range(LEAST, wanted + 1) if affords(runs, each)), default=LEAST)
    return runs, max((more for more in range(LEAST, runs + 1) if affords(runs, more)), default=0) if each else 0


def proof_cost(asked: SearchSpec, now: SearchState, runs: int, each: int) -> float:
    """Of the budget: the recipe, the baseline and the published recipe `runs` times, every toggle `each` times."""
    best, k = now.incumbent.best, len(now.incumbent.best)
    corners = np.stack([best, np.zeros(k, bool), np.ones(k, bool)])
    toggled = best ^ np.eye(k, dtype=bool)
    return float(runs * cost(asked, now, corners).sum() + each * cost(asked, now, toggled).sum())


def cost(asked: SearchSpec, now: SearchState, levels: Bools) -> Floats:
    """(P,) of the budget, for one run of each."""
    if asked.unit == "runs" or now.time is None:
        return np.ones(len(levels))
    return (seconds_of(now.time, levels) + now.evaluation) / asked.initial.jobs


def spent_on(asked: SearchSpec, records: Sequence[RunRecord | None]) -> float:
    """Of the budget, on these runs; those that earlier studies made are free, where it is time."""
    if asked.unit == "runs":
        return float(len(records))
    made = (record for record in records if record and record.finished >= asked.initial.created)
    return float(sum(record.seconds + _evaluation(asked, record) for record in made)) / asked.initial.jobs


def _evaluation(asked: SearchSpec, record: RunRecord) -> float:
    """Seconds that evaluating a run took on both splits, from its views on the select split."""
    splits = asked.initial.splits
    both = (splits["select"] + splits["report"]) / splits["select"]
    return both * sum(view.seconds for view in record.views if view.split == SPLIT)
