"""From estimates to a table: intervals that hold alone and together, p-values, verdicts, decisions."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from bakeoff.errors import RequestError
from bakeoff.stats.decision import Decision, Known, decide
from bakeoff.stats.intervals import Family, t_quantile
from bakeoff.stats.log_error import LogError

Estimand = Literal["average", "leave_one_out", "add_one", "stacked", "total"]
Verdict = Literal["helps", "hurts", "no_effect", "undecided"]
Method = Literal["design", "direct", "paired", "model"]

_MOST_RUNS = 1_000_000  # more than that decides nothing in practice


@dataclass(frozen=True)
class ErrorChange:
    """The share of the errors that a technique removes, negative where it adds to them.

    removed: the mean of the logarithm of the error, with and without it, as a share. low, high: the interval of the
    whole table. gain_pp: the same in points, at the error `at`, in percent: the recipe's.
    """

    removed: float
    low: float
    high: float
    gain_pp: float
    at: float


@dataclass(frozen=True)
class Effect:
    """What one technique buys, in points of Acc@1. NaN: the runs can't tell.

    technique, estimand: whose effect, and of which kind. gain_pp: the estimate; se, df: its standard error and degrees
    of freedom. p, p_adjusted: p-values, alone and for the whole table. verdict: what follows from it. low, high:
    interval at `level`, conditional on the evaluation set: what other runs on the same images would give. sim_low,
    sim_high: the intervals of the whole table, which hold together at that level. population_low, population_high: for
    other images too. runs, seeds: behind the number; direct_runs: those that differ in this technique alone. shrunk_pp:
    pulled towards the mean of the table, for rankings. runs_to_decide: runs in all after which the verdict would be
    settled, if the gain stays what it is. method: `design`, `direct`, `paired` (both levels from the same runs),
    `model`. unplanned: the intervals hold however often one looks. note: what a reader must know. errors: of an
    average, the same on the scale of the error. decision: what to do, by `errors` where they are known, else by the
    gain in points; None where the runs can't tell.
    """

    technique: str
    estimand: Estimand
    gain_pp: float
    low: float
    high: float
    sim_low: float
    sim_high: float
    level: float
    seeds: int
    runs: int
    p: float
    p_adjusted: float
    verdict: Verdict
    runs_to_decide: int | None
    se: float
    df: float
    population_low: float
    population_high: float
    shrunk_pp: float
    direct_runs: int
    method: Method
    unplanned: bool
    note: str
    errors: ErrorChange | None
    decision: Decision | None

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON, with None for what isn't known or not finite."""
        return _finite(asdict(self))


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _finite(value)
        if isinstance(value, dict)
        else None
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in data.items()
    }


@dataclass(frozen=True)
class Estimate:
    """A gain before its verdict.

    sigma: sd of one observation, for the always-valid intervals. study_runs: runs that would have to be multiplied to
    shrink se; each adds df_per_run, and they come `step` at a time. own: its variance is its own, and not one that the
    whole table shares.
    """

    gain: float = math.nan
    se: float = math.nan
    df: float = math.inf
    sigma: float = math.nan
    method: Method = "direct"
    runs: int = 0
    seeds: int = 0
    direct_runs: int = 0
    study_runs: int = 0
    df_per_run: float = 1.0
    step: int = 1
    own: bool = False
    population_se: float = math.nan
    population_df: float = math.inf
    note: str = ""


@dataclass(frozen=True)
class AnalysisOptions:
    """How a table is read.

    level: of the intervals. delta: effects inside +-delta, in points, aren't worth having; None for what a study's
    errors and images make of that (`worth_having`). unplanned: the runs were looked at whenever, so the intervals must
    hold at any time. share: of the error, 1 - level, that this look at the runs may spend, where others were planned as
    well.
    """

    level: float = 0.95
    delta: float | None = None
    unplanned: bool = False
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise RequestError(f"the level of intervals is between 0 and 1, not {self.level!r}")
        if self.delta is not None and not 0 <= self.delta < math.inf:
            raise RequestError(f"--delta is a number of points from 0 on, not {self.delta!r}")

    @property
    def tolerance(self) -> float:
        """delta; 0.1 points where nothing is known of a study."""
        return 0.1 if self.delta is None else self.delta


_SHARE = 0.02  # of the errors


def worth_having(error: float, images: int | None) -> float:
    """The points that a technique should be worth: 2 % of the recipe's errors, and at least one image.

    error: of the recipe, in percent; NaN where it isn't known. images: in the evaluation set.
    """
    known = [_SHARE * error] if error > 0 else []
    known += [100 / images] if images else []
    return float(f"{max(known):.2g}") if known else AnalysisOptions().tolerance


DEFAULT = AnalysisOptions()


@dataclass(frozen=True)
class OnErrors:
    """The estimates of a table once more, on the scale of the error."""

    scale: LogError
    estimates: Sequence[Estimate]


def table(
    estimates: Sequence[Estimate],
    names: Sequence[str],
    estimand: Estimand,
    options: AnalysisOptions = DEFAULT,
    on_errors: OnErrors | None = None,
) -> list[Effect]:
    """One effect per estimate; their simultaneous intervals hold together.

    on_errors: what decisions go by, instead of the gains in points.
    """
    own = sum(estimate.own for estimate in estimates)
    level = 1 - (1 - options.level) * options.share
    family = Family(level, len(estimates) - own, own, options.unplanned)
    shrunk = _shrunk(estimates)
    errors: list[ErrorChange | None] = [None] * len(estimates)
    if on_errors is not None:
        errors = [_error_change(estimate, on_errors.scale, family) for estimate in on_errors.estimates]
    decisions = _decisions(estimates if on_errors is None else on_errors.estimates, family, options)
    return [
        replace(_effect(estimate, name, estimand, options, family, towards), errors=change, decision=decision)
        for estimate, name, towards, change, decision in zip(estimates, names, shrunk, errors, decisions, strict=True)
    ]


def _error_change(estimate: Estimate, scale: LogError, family: Family) -> ErrorChange | None:
    if not math.isfinite(estimate.gain):
        return None
    together = _half_widths(estimate, family)[1]
    removed, low, high = scale.removed(estimate.gain + np.array([0.0, -together, together])).tolist()
    return ErrorChange(removed, low, high, estimate.gain, scale.reference)


def _decisions(estimates: Sequence[Estimate], family: Family, options: AnalysisOptions) -> list[Decision | None]:
    """By what a model believes where that is what there is, and then nothing is beyond doubt."""
    known, intervals = [], []
    for estimate in estimates:
        believed = estimate.method == "model"
        together = math.nan if believed else _half_widths(estimate, family)[1]
        known.append(Known(estimate.gain, estimate.se, estimate.df, believed))
        intervals.append((estimate.gain - together, estimate.gain + together))
    return [
        replace(found, runs_to_establish=_runs_to_decide(estimate, family, options.tolerance))
        if found and not found.established and estimate.method != "model"
        else found
        for found, estimate in zip(decide(known, intervals, options.tolerance), estimates, strict=True)
    ]


def _effect(
    estimate: Estimate, name: str, estimand: Estimand, options: AnalysisOptions, family: Family, shrunk: float
) -> Effect:
    gain, se = estimate.gain, estimate.se
    single, together = _half_widths(estimate, family)
    p, adjusted = math.nan, math.nan
    if se > 0:
        t, n_e = gain / se, (estimate.sigma / se) ** 2
        p, adjusted = (
            min(1.0, value / options.share)
            for value in family.p_values(t, estimate.df, n_e, estimate.sigma, own=estimate.own)
        )
    elif se == 0:
        p = adjusted = 0.0 if gain else 1.0
    wide = t_quantile(options.level, estimate.population_df) * estimate.population_se
    verdict = _verdict(gain, together, options.tolerance)
    return Effect(
        technique=name,
        estimand=estimand,
        gain_pp=gain,
        low=gain - single,
        high=gain + single,
        sim_low=gain - together,
        sim_high=gain + together,
        level=options.level,
        seeds=estimate.seeds,
        runs=estimate.runs,
        p=p,
        p_adjusted=adjusted,
        verdict=verdict,
        runs_to_decide=_runs_to_decide(estimate, family, options.tolerance) if verdict == "undecided" else None,
        se=se,
        df=estimate.df,
        population_low=gain - wide,
        population_high=gain + wide,
        shrunk_pp=shrunk,
        direct_runs=estimate.direct_runs,
        method=estimate.method,
        unplanned=options.unplanned,
        note=estimate.note,
        errors=None,
        decision=None,
    )


def _verdict(gain: float, together: float, delta: float) -> Verdict:
    """By the interval of the whole table. Inside +-delta nothing is worth having, even what is certainly not zero."""
    if abs(gain) + together <= delta:
        return "no_effect"
    if abs(gain) > together:
        return "helps" if gain > 0 else "hurts"
    return "undecided"


def _half_widths(estimate: Estimate, family: Family) -> tuple[float, float]:
    if not estimate.se > 0:
        return estimate.se, estimate.se
    n_e = (estimate.sigma / estimate.se) ** 2
    single, together = family.quantiles(estimate.df, n_e, estimate.sigma, own=estimate.own)
    return single * estimate.se, together * estimate.se


def _runs_to_decide(estimate: Estimate, family: Family, delta: float) -> int | None:
    """The fewest runs for a simultaneous interval off zero, or inside +-delta, at the gain as it is."""
    if not (estimate.se > 0 and estimate.study_runs):
        return None
    answers = []
    for target in (abs(estimate.gain), delta - abs(estimate.gain)):
        runs = float(estimate.study_runs)
        if target <= 0:
            continue
        for _ in range(6):  # the quantile changes little with the runs
            df = _coarse(estimate.df + max(0.0, runs - estimate.study_runs) * estimate.df_per_run)
            shrink = math.sqrt(estimate.study_runs / runs)
            n_e = (estimate.sigma / (estimate.se * shrink)) ** 2
            half = family.quantiles(df, n_e, estimate.sigma, own=estimate.own)[1] * estimate.se
            runs = min(estimate.study_runs * (half / target) ** 2, 10.0 * _MOST_RUNS)
        answers.append(runs)
    least = max(min(answers, default=math.inf), estimate.study_runs + 1)
    return estimate.step * math.ceil(least / estimate.step) if least <= _MOST_RUNS else None


def _coarse(df: float) -> float:
    """Two digits, which is all that a quantile notices; and few different ones to compute."""
    return math.inf if df > 500 else float(f"{df:.1e}")


def _shrunk(estimates: Sequence[Estimate]) -> list[float]:
    """Empirical Bayes: each gain pulled towards the mean by the share of noise in its spread (STATISTICS 4.5)."""
    gains, errors = np.array([e.gain for e in estimates]), np.square([e.se for e in estimates])
    known = np.isfinite(gains) & np.isfinite(errors)
    if known.sum() < 3:
        return [float(gain) for gain in gains]
    mean = gains[known].mean()
    spread = max(0.0, float(gains[known].var(ddof=1) - errors[known].mean()))
    total = spread + errors
    keep = np.divide(spread, total, out=np.ones_like(total), where=total > 0)
    return [float(value) for value in mean + keep * (gains - mean)]
