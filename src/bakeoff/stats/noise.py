"""Run-to-run noise: how large, what it is made of, and what would make the intervals shrink.

sigma^2 = sigma_IE^2 + sigma_D^2: independent errors of the images in a finite evaluation set, and genuine differences
of quality between runs (Jordan, https://arxiv.org/abs/2304.01910, whose Theorem 2 is the second estimator here).
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from bakeoff.stats.linear import CHUNK_VALUES, PER_CENT, Combination, Fit, fit, in_order
from bakeoff.stats.outcomes import Floats, Hits, Ints, Runs

T = TypeVar("T")
ENOUGH_DF = 4  # below, a variance is too uncertain to stand without the churn beside it


@dataclass(frozen=True)
class Variance:
    """An estimate of the variance of one run, in points^2, with its degrees of freedom; 0 means there's none."""

    value: float = math.nan
    df: float = 0.0


@dataclass(frozen=True)
class Noise:
    """Run-to-run noise of one configuration, sds in points; NaN or None where the runs can't tell.

    sigma, df: the sd for planning. source: where it comes from. replicate: from runs that differ in the seed only.
    residual: what the factorial leaves unexplained between fold pairs, seeds shared. churn: sigma_IE; from replicates,
    else from that residual, else an upper bound from all runs. distribution: sigma_D. rho: correlation of runs that
    share a seed. images: size of the evaluation set.
    """

    sigma: float
    df: float
    source: Literal["replicates", "design residual", "churn", "none"]
    replicate: Variance
    residual: Variance
    churn: float
    distribution: float
    rho: float | None
    images: int | None

    def width_with_images(self, factor: float) -> float:
        """Width of the intervals, relative to now, with `factor` times as many evaluation images."""
        independent = self.churn**2
        return math.sqrt((independent / factor + self.distribution**2) / (independent + self.distribution**2))

    def width_with_runs(self, factor: float) -> float:
        """Width of the intervals, relative to now, with `factor` times as many runs."""
        return 1 / math.sqrt(factor)

    @property
    def shrinks_most(self) -> Literal["evaluation images", "seeds"] | None:
        """What pays: images cost no training, and are almost worth as many seeds while sigma_D^2 < 0.3 sigma^2."""
        total = self.churn**2 + self.distribution**2
        if math.isnan(total) or total == 0:
            return None
        return "evaluation images" if self.distribution**2 < 0.3 * total else "seeds"


def _once(of_runs: Callable[[Runs, Floats], T]) -> Callable[[Runs, Floats], T]:
    """The same function, which passes over the images of a `Runs` only once for the same views."""
    known: WeakKeyDictionary[Runs, dict[bytes, T]] = WeakKeyDictionary()

    def remembered(runs: Runs, views: Floats) -> T:
        found = known.setdefault(runs, {})
        key = np.ascontiguousarray(views, np.float64).tobytes()
        if key not in found:
            found[key] = of_runs(runs, views)
        return found[key]

    return remembered


def measure(runs: Runs, views: Floats | None = None) -> Noise:
    """The noise of the accuracies that `views` (V,) picks; without, of their mean over the evaluation techniques."""
    return _measure(runs, runs.view_average() if views is None else views)


@_once
def _measure(runs: Runs, views: Floats) -> Noise:
    replicate, churn_replicate = _replicates(runs, views)
    odd = odd_space(runs, views)
    residual, churn, distribution = Variance(), churn_replicate, math.nan
    if odd is not None and odd.df:
        residual = Variance(2 * odd.s2, odd.df)  # a pair's half difference has half the variance of a run
        if odd.examples is not None:
            churn = churn if replicate.df else 2 * odd.examples.independent
            distribution = 2 * odd.examples.common
    if replicate.df >= residual.df and not math.isnan(churn_replicate):
        assert runs.hits is not None
        distribution = distribution_variance(replicate.value, churn_replicate, runs.hits.n)
    if math.isnan(churn) and runs.hits is not None and len(runs) > 1:
        churn = _churn(runs.hits, np.arange(len(runs)), np.array([len(runs)]), views)  # too large by what techniques do
    best = max(replicate, residual, key=lambda variance: variance.df)
    chosen = with_churn(best, churn)
    source: Literal["replicates", "design residual", "churn", "none"] = "none"
    if best.df and chosen.value == best.value:
        source = "replicates" if best is replicate else "design residual"
    elif not math.isnan(chosen.value):
        source = "churn"
    return Noise(
        sigma=math.sqrt(chosen.value),
        df=chosen.df,
        source=source,
        replicate=replicate,
        residual=residual,
        churn=math.sqrt(churn),
        distribution=math.sqrt(max(distribution, 0.0)) if not math.isnan(distribution) else math.nan,
        rho=_seed_correlation(runs, views, replicate, residual),
        images=None if runs.hits is None else runs.hits.n,
    )


def distribution_variance(variance: float, churn_variance: float, n: int) -> float:
    """sigma_D^2 = n / (n - 1) (var(acc) - sigma_IE^2), unbiased and so at times negative (Jordan, Theorem 2)."""
    return n / (n - 1) * (variance - churn_variance)


def with_churn(variance: Variance, churn: float) -> Variance:
    """A variance on few degrees of freedom, held up by the churn sigma_IE^2, which is known almost exactly.

    The larger of the two, with Satterthwaite's degrees of freedom: the fewer the less churn there is in it.
    """
    if variance.df >= ENOUGH_DF or math.isnan(churn) or churn <= 0:
        return variance
    if variance.df == 0:
        return Variance(churn, math.inf)
    value = max(variance.value, churn)
    return Variance(value, variance.df * (value / variance.value) ** 2 if variance.value else math.inf)


@_once
def odd_space(runs: Runs, views: Floats) -> Fit | None:
    """Fit of the fold pairs' half differences d_i = (y(x_i) - y(-x_i)) / 2 = sum_j x_ij M_j / 2 (STATISTICS 4.1).

    Effects of the seed and of all interactions of two cancel in d. None without pairs enough to tell the k effects
    apart.
    """
    first, second = runs.fold_pairs
    x = np.where(runs.levels[first], 0.5, -0.5)
    return fit(Combination(runs, ((first, 0.5 * views), (second, -0.5 * views))), x)


def _replicates(runs: Runs, views: Floats) -> tuple[Variance, float]:
    """Pooled variance within configurations, and the churn part of it: sum_i var_r(z_ir) / n^2."""
    counts = np.bincount(runs.cell)
    rows = np.flatnonzero(counts[runs.cell] > 1)
    if not len(rows):
        return Variance(), math.nan
    _, cell, size = np.unique(runs.cell[rows], return_inverse=True, return_counts=True)
    y = (runs.acc[rows] * views).sum(axis=1)
    mean = np.bincount(cell, y) / size
    df = len(rows) - len(size)
    variance = Variance(float(np.square(y - mean[cell]).sum() / df), df)
    return variance, math.nan if runs.hits is None else _churn(runs.hits, rows, size, views)


def _churn(hits: Hits, rows: Ints, size: Ints, views: Floats) -> float:
    """Pooled sum_i var_r(z_ir) / n^2 in points^2 over groups of consecutive `rows`, so many of each.

    views: (V,) weights of one size.
    """
    most = 255 // max(1, int(np.count_nonzero(views)))  # runs that can be added up in a byte

    def within(group: Ints) -> float:
        counts = hits.counts([(rows[group[0] : group[-1]], views)])
        assert counts is not None
        z = counts.lanes.astype(np.float32)
        starts = [np.arange(first, last, most) for first, last in itertools.pairwise(group - group[0])]
        sums = np.add.reduceat(counts.words, np.concatenate(starts), axis=0).view(np.uint8)[:, : hits.n]
        set_by = np.cumsum([0, *map(len, starts[:-1])])
        whole = np.add.reduceat(sums, set_by, axis=0, dtype=np.float64)
        squares = np.einsum("ij,ij->i", z, z).sum(dtype=np.float64)
        return counts.unit**2 * float(squares - (np.square(whole).sum(axis=1) / np.diff(group)).sum())

    total = sum(in_order(within, _groups(size, max(1, CHUNK_VALUES // hits.n))))
    return PER_CENT**2 * total / ((len(rows) - len(size)) * hits.n**2)


def _groups(size: Ints, limit: int) -> list[Ints]:
    """Bounds of consecutive configurations, in parts of about `limit` runs."""
    bounds = np.concatenate([[0], np.cumsum(size)])
    cuts = np.unique([*np.searchsorted(bounds, np.arange(0, bounds[-1], limit)), len(size)])
    return [bounds[start : end + 1] for start, end in itertools.pairwise(cuts)]


def _seed_correlation(runs: Runs, views: Floats, replicate: Variance, residual: Variance) -> float | None:
    """rho of runs that share a seed: from a complete layout of configurations and seeds, or from the two variances."""
    if complete_blocks(runs.cell, runs.block):
        y = (runs.acc * views).sum(axis=1)
        table = y[np.lexsort([runs.block, runs.cell])].reshape(len(np.unique(runs.cell)), -1)
        table = table - table.mean(axis=1, keepdims=True)
        between = table.shape[0] * np.square(table.mean(axis=0)).sum() / (table.shape[1] - 1)
        rest = np.square(table - table.mean(axis=0)).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1))
        total = between + (table.shape[0] - 1) * rest
        return float((between - rest) / total) if total else None
    if min(replicate.df, residual.df) < ENOUGH_DF or not 0 < residual.value <= replicate.value:
        return None  # a residual above the replicates' variance holds lack of fit, and says nothing of seeds
    return 1 - residual.value / replicate.value


def complete_blocks(cell: Ints, block: Ints) -> bool:
    """Whether at least 2 configurations were all run exactly once with each of the same seeds, at least 2."""
    cells, seeds = len(np.unique(cell)), len(np.unique(block))
    pairs = np.unique(np.stack([cell, block]), axis=1).shape[1]
    return min(cells, seeds) > 1 and pairs == len(cell) == cells * seeds
