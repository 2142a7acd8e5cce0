"""Estimates from least squares, before a verdict: their standard errors, for these images and for others too."""

import math
from dataclasses import replace

import numpy as np

from bakeoff.stats.linear import Combination, Fit, fit
from bakeoff.stats.noise import Variance
from bakeoff.stats.outcomes import Bools, Floats, Ints, Runs
from bakeoff.stats.table import Estimate

FEW = "too few runs are left to show how much they scatter: no interval"


def from_fit(found: Fit, variance: Variance, unit: float, runs: Runs, used: Ints, rows: Floats) -> list[Estimate]:
    """Effects `rows` (c, q) of a fit whose observations have `unit` times a run's variance."""
    estimates = []
    for row in rows:
        estimate = Estimate(
            gain=float(row @ found.beta),
            se=math.sqrt(variance.value * unit * float(row @ found.cov @ row)),
            df=variance.df,
            sigma=math.sqrt(variance.value),
            method="design",
            runs=len(used),
            seeds=len(np.unique(runs.block[used])),
            study_runs=len(used),
            df_per_run=unit,
            step=8,
            note="" if variance.df else FEW,
        )
        estimates.append(_population(estimate, found, row))
    return estimates


def paired_mean(means: Fit, runs: Runs, used: Ints) -> Estimate:
    """A mean of differences, all of one variance: within runs, or between runs that share their seed.

    means: fit of the differences to a constant, and to whatever else; the constant is the mean. used: rows of the runs
    in it.
    """
    count, mean = 1 / float(means.cov[0, 0]), np.eye(len(means.beta))[0]
    estimate = Estimate(
        gain=float(means.beta[0]),
        se=math.sqrt(means.s2 / count),
        df=means.df,
        sigma=math.sqrt(means.s2),
        method="paired",
        runs=len(used),
        seeds=len(np.unique(runs.block[used])),
        direct_runs=len(used),
        study_runs=len(runs),
        df_per_run=means.df / len(runs),
        own=True,
        note="" if means.df else FEW,
    )
    return _population(estimate, means, mean)


def difference_within(runs: Runs, levels: Bools, views: Floats) -> Estimate:
    """Mean over the runs of one configuration (k,) of a difference within the run, that `views` (V,) takes."""
    rows = runs.rows(levels)
    means = fit(Combination(runs, ((rows, views),)), np.ones((len(rows), 1)))
    if means is None:
        return Estimate(method="paired", note="its runs were lost" if len(runs.lost) else "no runs")
    return paired_mean(means, runs, rows)


def difference(runs: Runs, on: Bools, off: Bools, on_views: Floats, off_views: Floats) -> Estimate:
    """Mean of the configuration `on` (k,) minus that of `off`, each evaluated as its views (V,) say.

    Over the seeds that both had, as a mean of differences; where they share none, of each its own runs, with a variance
    of its own (Welch 1947, https://doi.org/10.1093/biomet/34.1-2.28): that of other configurations may be many times as
    large or as small.
    """
    first, second = runs.rows(on), runs.rows(off)
    if not (len(first) and len(second)):
        return Estimate(note="its runs were lost" if len(runs.lost) else "no runs")
    _, of_first, of_second = np.intersect1d(runs.block[first], runs.block[second], return_indices=True)
    if len(of_first):
        first, second = first[of_first], second[of_second]
        means = fit(Combination(runs, ((first, on_views), (second, -off_views))), np.ones((len(first), 1)))
        assert means is not None
        return replace(paired_mean(means, runs, np.concatenate([first, second])), method="direct")
    rows = np.concatenate([first, second])
    at = np.repeat([0, 1], [len(first), len(second)])
    found = fit(Combination(runs, ((rows, np.stack([on_views, off_views])[at]),)), np.eye(2)[at])
    assert found is not None
    y = (runs.acc[rows] * np.stack([on_views, off_views])[at]).sum(axis=1)
    parts = [_of_mean(y[at == side]) for side in (0, 1)]
    se2 = sum(part.value for part in parts)
    df = se2**2 / sum(part.value**2 / part.df for part in parts) if all(part.df for part in parts) and se2 else 0.0
    estimate = Estimate(
        gain=float(found.beta[0] - found.beta[1]),
        se=math.sqrt(se2),
        df=df if se2 else min(part.df for part in parts),
        sigma=math.sqrt(se2 / (1 / len(first) + 1 / len(second))),
        method="direct",
        runs=len(rows),
        seeds=len(np.unique(runs.block[rows])),
        direct_runs=len(rows),
        study_runs=len(runs),
        df_per_run=found.df / len(runs),
        own=True,
        note="" if math.isfinite(se2) else FEW,
    )
    return _population(estimate, found, np.array([1.0, -1.0]))


def _of_mean(values: Floats) -> Variance:
    """The variance of the mean of so many runs."""
    if len(values) < 2:
        return Variance()
    return Variance(float(values.var(ddof=1)) / len(values), len(values) - 1)


def _population(estimate: Estimate, found: Fit, row: Floats) -> Estimate:
    """Add the variance that other evaluation images bring (STATISTICS 4.4): crossed runs x examples.

    Var = s_d^2 / n + max(0, se^2 - v_e), s_d^2 the variance of the effect over the images, v_e the part of se^2 that is
    the images' independent errors and already in s_d^2 / n; degrees of freedom after Satterthwaite.
    """
    examples = found.examples
    if examples is None or not math.isfinite(estimate.se):
        return estimate
    n, se2 = examples.n, estimate.se**2
    per_image = float((row @ examples.beta).var(ddof=1)) / n
    independent = examples.residual / n * float(row @ found.cov @ row)
    variance = per_image + max(0.0, se2 - independent)
    if variance == 0:
        return replace(estimate, population_se=0.0)
    df = variance**2 / (se2**2 / estimate.df + per_image**2 / (n - 1))
    return replace(estimate, population_se=math.sqrt(variance), population_df=df)
