"""What a derivation is, and what its runs say so far (STATISTICS 6): everything but the running.

Whatever is decided is a function of the request and of the runs that were made before the decision. So a derivation
that was stopped goes on by deciding everything again, and ends in the same recipe.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Literal, Self

import numpy as np

from bakeoff.runs.record import RunRecord
from bakeoff.runs.store import Store
from bakeoff.stats import thompson as search
from bakeoff.stats.noise import Noise, measure
from bakeoff.stats.outcomes import Bools, Floats, Runs
from bakeoff.stats.surrogate import Surface
from bakeoff.study.preview import seconds_of, training_time
from bakeoff.study.spec import Row, Spec, rows_from

SPLIT = "select"  # all that is chosen is chosen here
LEAST = 4  # runs of each recipe that a proof takes
MOST_PROOF = 32  # runs of each recipe, beyond which a proof needs no more
MOST_TRIED = 120  # configurations after the opening
WANTED = 0.15  # points: half-width of the interval of the total gain
OPTIMISM = 2.5  # the realised regret is up to so many times the expected one (STATISTICS 6.2)
SHORTER = 10_000_000  # added to the seeds of runs of another length: they share none with others
DOSES = 25  # runs that are kept for strengths

Objective = Literal["acc1", "acc5"]
OBJECTIVES: tuple[Objective, ...] = ("acc1", "acc5")


@dataclass(frozen=True)
class Search:
    """What was asked; written once, before the first run.

    opening: the factorial that it begins with, with all candidates. budget: in seconds that pass, or in runs. always:
    candidates that stay on. slowest: seconds that one training may take. prior: runs that earlier studies left;
    shorter: such that trained for less, all for the same. least: of the budget, what the opening and the smallest proof
    take. strengths: whether to try those of the recipe's techniques.
    """

    opening: Spec
    objective: Objective
    budget: float
    unit: Literal["seconds", "runs"]
    always: tuple[str, ...]
    slowest: float | None
    prior: tuple[Row, ...]
    least: float
    strengths: bool = False
    shorter: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        """The study's."""
        return self.opening.name

    @property
    def k(self) -> int:
        """Of Acc@k, which is to be high."""
        return 1 if self.objective == "acc1" else self.opening.top_k

    def save(self, store: Store) -> Self:
        """Keep the request, or take the one that is there: what earlier studies left was looked up then."""
        if self.name in store.study_names("search"):
            return self.load(store, self.name)
        store.write_study(self.name, asdict(self), "search")
        return self

    @classmethod
    def load(cls, store: Store, name: str) -> Self:
        """The request behind a derivation. Raises RequestError if there is none of that name."""
        data = store.read_study(name, "search")
        rows = {name: rows_from(data[name]) for name in ("prior", "shorter")}
        return cls(**{**data, **rows, "opening": Spec.from_json(data["opening"]), "always": tuple(data["always"])})

    def made(self, proof: Spec) -> tuple[Row, ...]:
        """The rows that the search of a proved recipe made itself."""
        return proof.search[: len(proof.search) - len(self.prior)]

    @cached_property
    def allowed(self) -> Bools:
        """(P, k) configurations with the techniques that stay on."""
        every = search.configurations(len(self.opening.training))
        on = [self.opening.training.index(name) for name in self.always if name in self.opening.training]
        return every[every[:, on].all(axis=1)]

    @cached_property
    def settings(self) -> Bools:
        """(V, E) settings of the evaluation techniques, with those that stay on."""
        names = self.opening.evaluation
        every = np.array(list(itertools.product((False, True), repeat=len(names))), bool).reshape(-1, len(names))
        return every[every[:, [index for index, name in enumerate(names) if name in self.always]].all(axis=1)]


@dataclass(frozen=True, eq=False)
class Look:
    """What the runs so far say, on the select split.

    standing: of the training techniques. setting: (E,) of the evaluation techniques, the best with it. surface: the
    model of all runs at that setting. allowed: (P, k) what may be chosen. noise: from run to run. spent: of the budget.
    runs: how many results there are. ours: how many of them this derivation made. time: log-linear model of training
    seconds, (k + 1,), None while unknown. evaluation: seconds that evaluating a run takes, in the mean.
    """

    standing: search.Standing
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
        return (*self.standing.best.tolist(), *self.setting.tolist())

    @property
    def eps(self) -> float:
        """Points that are worth searching for."""
        return 0.05 if self.noise.sigma <= 0.15 else 0.1


def look(asked: Search, store: Store, rows: Sequence[Row], reference: Bools | None = None) -> Look:
    """What `rows`, all of which have come to an end, and the runs of earlier studies say.

    reference: (k + E,) of this recipe instead of the best, as was decided once.
    """
    spec = replace(asked.opening, rows=(*rows, *asked.prior, *asked.shorter))
    records = spec.records(store, SPLIT)
    runs = spec.collect(records, store, asked.k, SPLIT)
    short = runs.block >= SHORTER
    usual = len(rows) + len(asked.prior)
    time = training_time(spec.matrix[:usual], records[:usual])
    evaluated = [seconds for record in records[: len(rows)] if record and (seconds := _evaluation(asked, record))]
    evaluation = float(np.mean(evaluated)) if evaluated else 0.0
    allowed = asked.allowed
    if asked.slowest is not None and time is not None:
        allowed = allowed[seconds_of(time, allowed) <= asked.slowest]
    for levels in runs.lost:
        allowed = allowed[(allowed != levels).any(axis=1)]  # what failed twice can't be chosen
    best: Look | None = None
    settings, k = asked.settings, allowed.shape[1]
    if reference is not None:
        settings, allowed = reference[None, k:], reference[None, :k]
    for setting in settings:
        views = runs.view_at(setting)
        noise = measure(runs[np.flatnonzero(~short)], views)
        surface = search.believe(runs, views, short if short.any() else None)
        draw = np.random.default_rng([*b"look", asked.opening.design_seed, len(rows)])
        standing = search.stand(surface, allowed, draw)
        if best is None or standing.value > best.standing.value:
            spent = spent_on(asked, records[: len(rows)])
            best = Look(standing, setting, surface, allowed, noise, spent, runs, len(rows), time, evaluation)
    assert best is not None
    return best


def proposals(asked: Search, now: Look) -> Bools:
    """(4, k) configurations to run next."""
    draw = np.random.default_rng([*b"propose", asked.opening.design_seed, now.ours])
    return search.propose(now.surface, now.allowed, draw)


def enough(asked: Search, now: Look) -> str | None:
    """Why the search should end now; None if it should go on."""
    if OPTIMISM * now.standing.regret <= now.eps:
        return f"no other recipe is expected to be better by more than {now.eps:g} points"
    tried = now.ours - len(asked.opening.rows)
    if tried >= MOST_TRIED:
        return f"{tried} configurations were tried"
    batch = search.BATCH * cost(asked, now, now.standing.best[None]).sum()
    if now.spent + batch + proof_cost(asked, now, LEAST, 1) + strengths_cost(asked, now) > asked.budget:
        return f"the rest of the budget is for {'the strengths and ' if asked.strengths else ''}the proof"
    return None


def strengths_cost(asked: Search, now: Look) -> float:
    """Of the budget, what the first look at strengths takes, as many of them as there could be."""
    if not asked.strengths:
        return 0.0
    return float(DOSES * cost(asked, now, now.standing.best[None]).sum())


def proof(asked: Search, now: Look, spent: float) -> tuple[int, int]:
    """Runs of the recipe, and of the recipe with each technique switched over, that the rest of the budget allows.

    spent: of the budget, so far. Never fewer than four and one, and no more than show the total gain to within 0.15
    points.
    """
    sigma = now.noise.sigma if math.isfinite(now.noise.sigma) else 1.0
    wanted = min(MOST_PROOF, max(LEAST, math.ceil(2 * (1.96 * sigma / WANTED) ** 2)))
    each = 1 if sigma <= 0.12 else 2 if sigma <= 0.2 else 4
    chosen = (LEAST, 1)
    for runs in range(LEAST, wanted + 1):
        size = (runs, max(1, round(each * runs / wanted)))
        if spent + proof_cost(asked, now, *size) <= asked.budget:
            chosen = size
    return chosen


def proof_cost(asked: Search, now: Look, runs: int, each: int) -> float:
    """Of the budget: the recipe, the baseline and the published recipe `runs` times, every toggle `each` times."""
    best, k = now.standing.best, len(now.standing.best)
    corners = np.stack([best, np.zeros(k, bool), np.ones(k, bool)])
    toggled = best ^ np.eye(k, dtype=bool)
    return float(runs * cost(asked, now, corners).sum() + each * cost(asked, now, toggled).sum())


def touched(asked: Search, store: Store) -> int:
    """How many other recipes were proved on the same data: each looked at the report split."""
    others = (Spec.load(store, name) for name in store.study_names() if name != asked.name)
    return sum(spec.design == "proof" and spec.data_fingerprint == asked.opening.data_fingerprint for spec in others)


def cost(asked: Search, now: Look, levels: Bools) -> Floats:
    """(P,) of the budget, for one run of each."""
    if asked.unit == "runs" or now.time is None:
        return np.ones(len(levels))
    return (seconds_of(now.time, levels) + now.evaluation) / asked.opening.jobs


def spent_on(asked: Search, records: Sequence[RunRecord | None]) -> float:
    """Of the budget, on these runs; those that earlier studies made are free, where it is time."""
    if asked.unit == "runs":
        return float(len(records))
    made = (record for record in records if record and record.finished >= asked.opening.created)
    return float(sum(record.seconds + _evaluation(asked, record) for record in made)) / asked.opening.jobs


def _evaluation(asked: Search, record: RunRecord) -> float:
    """Seconds that evaluating a run took on both splits, from its views on the select split."""
    splits = asked.opening.splits
    both = (splits["select"] + splits["report"]) / splits["select"]
    return both * sum(view.seconds for view in record.views if view.split == SPLIT)
