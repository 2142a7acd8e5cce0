"""Estimates from least squares, before a verdict: their standard errors, for these images and for others too."""

import math
from dataclasses import dataclass, replace

import numpy as np

from bakeoff.stats.linear import Combination, Fit, fit
from bakeoff.stats.noise import ENOUGH_DF, Noise, Variance, complete_blocks, with_churn
from bakeoff.stats.outcomes import Bools, Floats, Ints, Runs
from bakeoff.stats.table import Estimate


def odd_variance(odd: Fit, noise: Noise) -> Variance:
    """Variance of one run for the fold pairs' effects: their own residual where it can stand alone, else the best.

    Saturated and with nothing else known, Lenth's pseudo standard error: most effects being small, the median says how
    large noise is (Lenth 1989, https://doi.org/10.1080/00401706.1989.10488595).
    """
    residual = Variance(2 * odd.s2, odd.df) if odd.df else Variance()
    if residual.df >= ENOUGH_DF:
        return residual
    best = with_churn(max(residual, noise.replicate, key=lambda variance: variance.df), noise.churn**2)
    if best.df or len(odd.beta) < 3:
        return best
    size = np.abs(odd.beta)
    kept = size[size < 2.5 * 1.5 * np.median(size)]
    pseudo = 1.5 * float(np.median(kept)) if len(kept) else 0.0
    return Variance(2 * pseudo**2 / float(np.diag(odd.cov).mean()), len(size) / 3)


def from_fit(
    found: Fit, variance: Variance, noise: Noise, unit: float, runs: Runs, used: Ints, rows: Floats
) -> list[Estimate]:
    """Effects `rows` (c, q) of a fit whose observations have `unit` times a run's variance."""
    estimates = []
    for row in rows:
        se = math.sqrt(variance.value * unit * float(row @ found.cov @ row))
        estimate = Estimate(
            gain=float(row @ found.beta),
            se=se,
            df=variance.df,
            sigma=math.sqrt(variance.value),
            method="design",
            runs=len(used),
            seeds=len(np.unique(runs.block[used])),
            study_runs=len(used),
            df_per_run=unit,
            step=8,
        )
        estimates.append(_population(estimate, found, row, noise.churn**2 / variance.value if variance.value else 1.0))
    return estimates


def paired_mean(means: Fit | None, row: Floats, runs: Runs, used: Ints, all_used: Ints) -> Estimate:
    """An evaluation technique: a mean of differences within runs."""
    if means is None:
        return Estimate(method="paired", note="no runs")
    sigma = math.sqrt(means.s2)
    estimate = Estimate(
        gain=float(row @ means.beta),
        se=sigma * math.sqrt(float(row @ means.cov @ row)),
        df=max(means.df, 1),
        sigma=sigma,
        method="paired",
        runs=len(used),
        seeds=len(np.unique(runs.block[used])),
        direct_runs=len(used),
        study_runs=len(all_used),
        df_per_run=means.df / len(all_used),
        note="" if means.df else "one run: no interval",
    )
    return _population(estimate, means, row, 1.0)


def _population(estimate: Estimate, found: Fit, row: Floats, churn_share: float) -> Estimate:
    """Add the variance that other evaluation images bring (STATISTICS 4.4): crossed runs x examples.

    Var = s_d^2 / n + max(0, se^2 - v_e), s_d^2 the variance of the effect over the images, v_e the part of se^2 that is
    the images' independent errors and already in s_d^2 / n; degrees of freedom after Satterthwaite.
    """
    examples = found.examples
    if examples is None or not math.isfinite(estimate.se):
        return estimate
    n, se2 = examples.n, estimate.se**2
    per_image = float((row @ examples.beta).var(ddof=1)) / n
    if found.df:
        independent = examples.residual / n * float(row @ found.cov @ row)
    else:
        independent = churn_share * se2 if math.isfinite(churn_share) else 0.0
    variance = per_image + max(0.0, se2 - independent)
    if variance == 0:
        return replace(estimate, population_se=0.0)
    df = variance**2 / (se2**2 / estimate.df + per_image**2 / (n - 1))
    return replace(estimate, population_se=math.sqrt(variance), population_df=df)


@dataclass(frozen=True, eq=False)
class Cells:
    """Configurations with their runs, and the least-squares fit of their means, free of seeds that all share."""

    runs: Runs
    rows: Ints
    cell: Ints
    column: dict[int, int]
    paired: bool
    found: Fit | None

    @classmethod
    def of(cls, runs: Runs, levels: Bools, views: Floats) -> "Cells":
        """levels: (c, k), views: (V,), or (c, V) where every configuration is evaluated in its own way."""
        rows = [runs.rows(level) for level in levels]
        where = np.concatenate(rows)
        cell = np.repeat(np.arange(len(levels)), [len(part) for part in rows])
        column = {int(number): index for index, number in enumerate(np.unique(cell))}
        paired = complete_blocks(cell, runs.block[where])
        x = np.eye(len(column))[[column[int(number)] for number in cell]].reshape(len(cell), len(column))
        if paired:
            _, seed = np.unique(runs.block[where], return_inverse=True)
            x = np.column_stack([x, np.eye(seed.max() + 1)[seed][:, 1:]])
        weights = views[cell] if views.ndim == 2 else views
        found = fit(Combination.single(runs, where, weights), x) if len(x) else None
        return cls(runs, where, cell, column, paired, found)

    def difference(self, on: int, off: int, noise: Noise) -> Estimate:
        """Mean of one configuration minus the mean of another."""
        if on not in self.column or off not in self.column or self.found is None:
            lost = len(self.runs.lost) > 0
            return Estimate(note="its runs were lost" if lost else "no runs")
        row = np.zeros(len(self.found.beta))
        row[self.column[on]], row[self.column[off]] = 1, -1
        variance = Variance(self.found.s2, self.found.df) if self.found.df else Variance()
        if not self.paired and noise.replicate.df > variance.df:
            variance = noise.replicate
        variance = with_churn(variance, noise.churn**2)
        if not variance.df:
            variance = noise.residual
        used = self.rows[(self.cell == on) | (self.cell == off)]
        counts = np.bincount(self.cell, minlength=max(on, off) + 1)
        estimate = Estimate(
            gain=float(row @ self.found.beta),
            se=math.sqrt(variance.value * float(row @ self.found.cov @ row)),
            df=variance.df or 1,
            sigma=math.sqrt(variance.value),
            method="direct",
            runs=len(used),
            seeds=len(np.unique(self.runs.block[used])),
            direct_runs=len(used),
            study_runs=len(self.rows),
            loading=math.sqrt(counts[max(on, off)] / (counts[on] + counts[off])),
            note="" if variance.df else "one run each: no interval",
        )
        return _population(estimate, self.found, row, noise.churn**2 / variance.value if variance.value else 1.0)

    def within(self, cell: int, views: Floats) -> Estimate:
        """Mean over the runs of one configuration of a difference within the run; its variance from all of them."""
        if cell not in self.column:
            return Estimate(method="paired", note="its runs were lost" if len(self.runs.lost) else "no runs")
        x = np.eye(len(self.column))[[self.column[int(number)] for number in self.cell]]
        means = fit(Combination.single(self.runs, self.rows, views), x)
        row = np.eye(len(self.column))[self.column[cell]]
        return paired_mean(means, row, self.runs, self.rows[self.cell == cell], self.rows)
