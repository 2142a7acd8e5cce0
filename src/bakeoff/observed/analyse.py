"""What runs that exist say of what was set in them: effects with intervals, and what can't be told apart."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from bakeoff.errors import RequestError
from bakeoff.observed.notes import Note, notes_of
from bakeoff.observed.pile import Pile, label, together
from bakeoff.observed.roles import Roles, roles, shown
from bakeoff.observed.table import RunTable, Value
from bakeoff.stats import effects
from bakeoff.stats.confounding import confounding
from bakeoff.stats.estimates import FEW, paired_mean
from bakeoff.stats.linear import Combination, fit
from bakeoff.stats.log_error import LogError
from bakeoff.stats.noise import ENOUGH_DF, measure, odd_space
from bakeoff.stats.outcomes import Bools, Floats, Runs
from bakeoff.stats.surrogate import features
from bakeoff.stats.table import DEFAULT, AnalysisOptions, Effect, Estimate, OnErrors, table

Kind = Literal["factorial", "toggles", "ladder", "least squares"]


@dataclass(frozen=True)
class Told:
    """What is said of a factor, or of one of its levels. label: in words. runs: with each of its levels."""

    factor: str
    label: str
    runs: dict[str, int]
    effect: Effect


@dataclass(frozen=True, eq=False)
class Findings:
    """What a table of runs says.

    gains: how much better a run is, in percentage points of an accuracy, else in the metric's unit, so that more is
    better also where a smaller metric is. kind: what of: averaged over the other factors (factorial), beside one
    configuration (toggles), added one after the other (ladder), or what least squares make of it, as if no factor
    changed what another does. reference: the configuration of toggles. noise: sd from run to run; NaN where the runs
    can't tell. next: runs that would tell apart what these don't, as values of the factors.
    """

    source: str
    roles: Roles
    kind: Kind
    reference: dict[str, str]
    told: tuple[Told, ...]
    notes: tuple[Note, ...]
    runs: int
    lost: int
    noise: float
    tolerance: float
    next: tuple[dict[str, Value], ...]

    @property
    def unit(self) -> str:
        """Of the gains."""
        return "points" if self.roles.percent else self.roles.metric

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `bakeoff analyse --json` prints it."""
        return {
            "source": self.source,
            "metric": self.roles.metric,
            "better": "lower" if self.roles.lower else "higher",
            "unit": self.unit,
            "design": self.kind,
            "reference": self.reference,
            "runs": self.runs,
            "lost": self.lost,
            "noise": None if math.isnan(self.noise) else self.noise,
            "tolerance": self.tolerance,
            "effects": [
                {"factor": each.factor, "label": each.label, "level_runs": each.runs, **each.effect.as_json()}
                for each in self.told
            ],
            "notes": [asdict(note) for note in self.notes],
            "ignored": self.roles.ignored,
            "next": list(self.next),
        }


def analyse(
    runs: RunTable,
    *,
    metric: str | None = None,
    lower: bool | None = None,
    factors: Sequence[str] = (),
    seed: str | None = None,
    run: str | None = None,
    options: AnalysisOptions = DEFAULT,
    more: int | None = None,
) -> Findings:
    """What the runs of a table say.

    metric, lower, factors, seed, run: as for `roles`. more: how many runs to suggest (None: as many as it takes to
    tell everything apart, none where these do).

    Raises RequestError as `roles` does, and where too few runs have a result.
    """
    found = roles(runs, metric=metric, lower=lower, factors=factors, seed=seed, run=run)
    pile = Pile.collect(runs, found)
    if len(pile.done) < 2:
        raise RequestError(
            f"{len(pile.done)} of the {runs.rows} runs of {runs.source} have a result: nothing to compare"
        )
    kind, reference, estimate = _how(pile)
    scaled = replace(options, delta=pile.tolerance) if options.delta is None else options
    told = estimate(scaled)
    noisy = any(math.isfinite(each.effect.se) for each in told)
    return Findings(
        source=runs.source,
        roles=found,
        kind=kind,
        reference=reference,
        told=tuple(told),
        notes=tuple(notes_of(runs, pile, alone=kind == "least squares", noisy=noisy)),
        runs=len(pile.done),
        lost=len(pile.runs.lost),
        noise=measure(pile.runs).sigma if pile.switches else pile.residual,
        tolerance=scaled.tolerance,
        next=tuple(pile.next(more)),
    )


def _how(pile: Pile) -> tuple[Kind, dict[str, str], Callable[[AnalysisOptions], list[Told]]]:
    """What the runs are a design for."""
    names = [*(factor.name for factor in pile.factors), *(factor.name for factor in pile.within)]

    def tell(found: Sequence[Effect]) -> list[Told]:
        of = {factor.name: factor for factor in (*pile.factors, *pile.within)}
        return [Told(each.technique, label(of[each.technique]), pile.count(of[each.technique]), each) for each in found]

    if pile.switches and not pile.constant.any() and len(pile.factors) > 1:
        runs = pile.runs
        configurations = np.unique(runs.levels, axis=0)
        reference = _reference(configurations)
        if reference is not None:
            whole = np.concatenate([reference, np.full(len(pile.within), reference.mean() > 0.5)])
            at = {
                factor.name: shown(factor.levels[int(on)])
                for factor, on in zip((*pile.factors, *pile.within), whole, strict=True)
            }
            estimand: Literal["leave_one_out", "add_one"] = "leave_one_out" if reference.mean() > 0.5 else "add_one"
            return "toggles", at, lambda options: tell(effects.switched(runs, names, whole, estimand, options))
        order = _ladder(configurations)
        if order is not None:
            every = [*order, *range(len(pile.factors), len(names))]
            return "ladder", {}, lambda options: tell(effects.stacked(runs, names, every, options))
        if _factorial(runs):
            percent = bool(pile.roles.percent)
            return "factorial", {}, lambda options: tell(effects.averaged(runs, names, options, percent=percent))
    return "least squares", {}, lambda options: _by_least_squares(pile, options)


def _reference(configurations: Bools) -> Bools | None:
    """The configuration that each other one differs from in one factor, each of them in another; at least two do."""
    if len(configurations) != configurations.shape[1] + 1:
        return None
    for each in configurations:
        apart = (configurations != each).sum(axis=1)
        if sorted(apart) == [0] + [1] * (len(configurations) - 1):
            return np.asarray(each)
    return None


def _ladder(configurations: Bools) -> list[int] | None:
    """The order in which factors were added one after the other, from all off to all on."""
    steps = configurations[np.argsort(configurations.sum(axis=1))]
    if len(steps) != steps.shape[1] + 1 or (np.diff(steps.astype(int), axis=0) < 0).any():
        return None
    order: list[int] = np.diff(steps.astype(int), axis=0).argmax(axis=1).tolist()
    return order


def _factorial(runs: Runs) -> bool:
    """Whether averages can be had that no interaction of two is mixed into, and the noise beside them."""
    views = runs.view_average()
    odd = odd_space(runs, views)
    if odd is not None and odd.df >= ENOUGH_DF:
        return True
    every = np.arange(len(runs))
    second = fit(Combination(runs, ((every, views),)), features(runs.levels, order=2))
    return second is not None and second.df >= ENOUGH_DF


def _by_least_squares(pile: Pile, options: AnalysisOptions) -> list[Told]:
    """Main effects, as if no factor changed what another does."""
    groups, done = pile.same, pile.done
    kept = [group[0] for group in groups]
    x = np.column_stack([np.ones(len(done)), pile.x[:, kept]])
    told = confounding(pile.x[:, kept]).told if kept else np.zeros(0, bool)
    labels = [" and ".join(together(pile, group)) for group in groups]

    def estimates(y: Floats) -> list[Estimate]:
        df = len(x) - int(np.linalg.matrix_rank(x))
        beta, cov = np.linalg.pinv(x) @ y, np.linalg.pinv(x.T @ x)
        s2 = float(np.square(y - x @ beta).sum()) / df if df else math.nan
        found = []
        for index in range(len(kept)):
            if not told[index]:
                found.append(Estimate(note="can't be told apart from others"))
                continue
            found.append(
                Estimate(
                    gain=float(beta[index + 1]),
                    se=math.sqrt(s2 * float(cov[index + 1, index + 1])),
                    df=df,
                    sigma=math.sqrt(s2),
                    method="design",
                    runs=len(done),
                    seeds=len(np.unique(pile.block[done])),
                    study_runs=len(done),
                    note="" if df else FEW,
                )
            )
        return found

    def within(runs: Runs) -> list[Estimate]:
        every, one = np.arange(len(runs)), np.ones((len(runs), 1))
        means = [fit(Combination(runs, ((every, runs.view_effect(index)),)), one) for index in range(len(pile.within))]
        return [Estimate() if mean is None else paired_mean(mean, runs, every) for mean in means]

    scale = LogError.near_the_best(pile.mean) if pile.roles.percent else None
    on_errors = None
    if scale is not None:
        on_errors = OnErrors(scale, [*estimates(scale.of(pile.mean)), *within(scale.runs(pile.runs))])
    names = [*labels, *(factor.name for factor in pile.within)]
    found = table([*estimates(pile.mean), *within(pile.runs)], names, "average", options, on_errors)
    owners = [*(pile.columns[column][0] for column in kept), *pile.within]
    return [
        Told(owner.name, effect.technique, pile.count(owner), effect)
        for owner, effect in zip(owners, found, strict=True)
    ]
