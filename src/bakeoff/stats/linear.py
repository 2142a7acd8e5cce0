"""Least squares on combinations of runs, for their accuracies and likewise for every evaluation image."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bakeoff.stats.outcomes import Floats, Runs, Term

CHUNK_VALUES = 2**21  # whole numbers that are made of bits at a time, so that they stay in a cache
S = TypeVar("S")
T = TypeVar("T")
PER_CENT = 100.0  # hits are counted in fractions, accuracies in points


@dataclass(frozen=True, eq=False)
class Combination:
    """One number per observation: the sum over a few terms of a run's accuracies, weighted over its evaluations.

    terms: (m,) rows and (V,) or (m, V) weights each, see `Runs.view_at`.
    """

    runs: Runs
    terms: Sequence[Term]

    @property
    def observations(self) -> int:
        """m."""
        return len(self.terms[0][0])

    @cached_property
    def values(self) -> Floats:
        """(m,) points."""
        values: Floats = sum(
            ((self.runs.acc[rows] * weights).sum(axis=1) for rows, weights in self.terms),
            start=np.zeros(self.observations),
        )
        return values

    def examples(self, part: slice) -> tuple[npt.NDArray[np.float32], float]:
        """(len(part), n) the same number for every image, and the unit it's in, as from `Hits.sums`."""
        assert self.runs.hits is not None
        return self.runs.hits.sums(
            [(rows[part], weights[part] if weights.ndim == 2 else weights) for rows, weights in self.terms]
        )


@dataclass(frozen=True, eq=False)
class Fit:
    """y = x beta + error, by least squares.

    beta: (q,) points. cov: (q, q) their covariance in units of the error variance. s2: that variance in points^2,
    NaN with df = 0. examples: what the images say, if correctness was kept.
    """

    beta: Floats
    cov: Floats
    s2: float
    df: float
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


def _chunks(observations: int, images: int) -> list[slice]:
    """Parts of the observations that are worked on at a time."""
    size = max(1, CHUNK_VALUES // max(1, images))
    return [slice(start, min(start + size, observations)) for start in range(0, observations, size)]


def in_order(work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """`map` on all cores; the results come in the items' order, so that their sum doesn't depend on the cores."""
    cores = os.cpu_count() or 1
    waiting = iter(items)
    with ThreadPoolExecutor(cores) as pool:
        while some := list(islice(waiting, 2 * cores)):  # not all at once: a result may be large
            yield from pool.map(work, some)


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
    even = np.arange(n) % 2 == 0
    half = np.stack([even, ~even], axis=1).astype(np.float32)
    narrow = q.T.astype(np.float32)

    squares, halves = np.zeros(len(q)), np.zeros((len(q), 2))

    def along(part: slice) -> tuple[npt.NDArray[np.float32], float]:
        values, unit = observations.examples(part)
        squares[part] = np.einsum("ij,ij->i", values, values)
        halves[part] = values @ half
        return narrow[:, part] @ values, unit

    projected, unit = np.zeros((q.shape[1], n)), 1.0
    for share, whole in in_order(along, _chunks(len(q), n)):
        projected += share
        unit = whole
    scale = (PER_CENT * unit) ** 2
    total = scale * (float(squares.sum()) - float(np.vdot(projected, projected)))
    residuals = halves - q @ (q.T @ halves)
    of_means = scale * float(np.square(residuals.sum(axis=1)).sum()) / n
    common = scale * float(residuals[:, 0] @ residuals[:, 1]) / ((n - n // 2) * (n // 2))
    beta = PER_CENT * unit * (inverse @ projected)
    if not df:
        return Examples(n, beta, math.nan, math.nan, math.nan)
    return Examples(n, beta, total / (df * n**2), (total - of_means) / (df * (n - 1)), common / df)
