"""Least squares on combinations of runs, for their accuracies and likewise for every evaluation image."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from bakeoff.study.runs import Floats, Ints, Runs

_CHUNK = 256  # observations whose correctness is unpacked at a time: 10 MB for 10,000 images
PER_CENT = 100.0  # hits are counted in fractions, accuracies in points


@dataclass(frozen=True, eq=False)
class Combination:
    """One number per observation out of two runs: sum over both of signs x (accuracies, weighted over the evaluations).

    first, second: (m,) rows. views: (V,) or (m, V) weights, see `Runs.view_at`. A run alone is `single`.
    """

    runs: Runs
    first: Ints
    second: Ints
    signs: tuple[float, float]
    views: Floats

    @classmethod
    def single(cls, runs: Runs, rows: Ints, views: Floats) -> Self:
        """Every run for itself."""
        return cls(runs, rows, rows, (0.5, 0.5), views)

    @cached_property
    def values(self) -> Floats:
        """(m,) points."""
        first, second = ((self.runs.acc[rows] * self.views).sum(axis=1) for rows in (self.first, self.second))
        values: Floats = self.signs[0] * first + self.signs[1] * second
        return values

    def examples(self) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Parts of the observations with (part, n) the same number for every evaluation image, as a fraction."""
        hits = self.runs.hits
        if hits is None:
            return
        for start in range(0, len(self.first), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(self.first)))
            views = self.views[part] if self.views.ndim == 2 else self.views
            first = hits.mean(self.first[part], views)
            if self.first is self.second:
                yield part, first
            else:
                second = hits.mean(self.second[part], views)
                yield part, np.float32(self.signs[0]) * first + np.float32(self.signs[1]) * second


@dataclass(frozen=True, eq=False)
class Fit:
    """y = x beta + error, by least squares.

    beta: (q,) points. cov: (q, q) their covariance in units of the error variance. s2: that variance in points^2,
    NaN with df = 0. examples: what the images say, if correctness was kept.
    """

    beta: Floats
    cov: Floats
    s2: float
    df: int
    examples: "Examples | None"


@dataclass(frozen=True, eq=False)
class Examples:
    """The same fit for every one of n images.

    beta: (q, n) points. independent: part of s2 that comes from the images' independent errors, in points^2, and
    shrinks as 1 / n. residual: the same after the run's own mean, times n: the residual mean square of the two-way
    layout of observations and images. common: part of s2 that two halves of the images have in common.
    All three NaN with df = 0.
    """

    n: int
    beta: Floats
    independent: float
    residual: float
    common: float


def fit(observations: Combination, x: Floats) -> Fit | None:
    """Fit (m, q) x; None if x has fewer independent rows than columns: the effects can't be told apart."""
    if len(x) < x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    q, r = np.linalg.qr(x)
    y = observations.values
    inverse = np.linalg.inv(r)
    beta, df = inverse @ (q.T @ y), len(x) - x.shape[1]
    s2 = float(np.square(y - x @ beta).sum() / df) if df else math.nan
    examples = None if observations.runs.hits is None else _fit_examples(observations, q, inverse, df)
    return Fit(beta, inverse @ inverse.T, s2, df, examples)


def _fit_examples(observations: Combination, q: Floats, inverse: Floats, df: int) -> Examples:
    hits = observations.runs.hits
    assert hits is not None
    n = hits.n
    projected, squares, halves = np.zeros((q.shape[1], n)), 0.0, np.zeros((len(q), 2))
    for part, values in observations.examples():
        projected += q[part].T.astype(np.float32) @ values
        squares += float(np.vdot(values, values))
        halves[part, 0], halves[part, 1] = values[:, ::2].sum(axis=1), values[:, 1::2].sum(axis=1)
    scale = PER_CENT**2
    total = scale * (squares - float(np.vdot(projected, projected)))
    residuals = halves - q @ (q.T @ halves)
    of_means = scale * float(np.square(residuals.sum(axis=1)).sum()) / n
    common = scale * float(residuals[:, 0] @ residuals[:, 1]) / ((n - n // 2) * (n // 2))
    beta = PER_CENT * (inverse @ projected)
    if not df:
        return Examples(n, beta, math.nan, math.nan, math.nan)
    return Examples(n, beta, total / (df * n**2), (total - of_means) / (df * (n - 1)), common / df)
