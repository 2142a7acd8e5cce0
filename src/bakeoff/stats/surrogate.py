"""One model for all runs: accuracy as a random polynomial of order three in the techniques (STATISTICS 4.3, "GP3").

With x in {-1, +1}^k, f(x) = sum over sets S of at most three techniques of b_S prod_{j in S} x_j, and b_S normal with
an sd that depends on the size of S only. That is the Gaussian process whose kernel is the sum of the elementary
symmetric polynomials of x_j x'_j. Its scales are averaged over, not chosen: a plug-in model covers too little.
"""

import itertools
import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from scipy import linalg, special

from bakeoff.stats.log_error import LogError
from bakeoff.stats.outcomes import Bools, Floats, Ints

FLAT = 10.0  # prior sd of the constant, points: nothing is known of it
SHARED = (0.0, 0.4, 0.8)  # correlations tried where runs share seeds
_WEIGHT = 1e-4  # scales with less posterior weight than this share of the best are dropped
_USUAL = 0.25  # rms coefficient of main effects up to which the prior fits as it is
_KNOWN_DF = 60  # from here on the noise counts as known


@dataclass(frozen=True)
class Priors:
    """The sds of coefficients to average over, by order, in points.

    The first two are weighted by log-normal priors around `centre`, with log sds of 0.7 and 1. length: the sds of
    what a length of training changes in the effects.
    """

    main: tuple[float, ...] = (0.05, 0.1, 0.2, 0.35)
    pair: tuple[float, ...] = (0.005, 0.012, 0.025, 0.05, 0.1)
    triple: tuple[float, ...] = (0.0, 0.004, 0.008, 0.016)
    centre: tuple[float, float] = (0.18, 0.03)
    length: tuple[float, ...] = (0.03, 0.1, 0.2)

    def scaled(self, unit: float) -> "Priors":
        """For effects that are so many times as large (see `unit`)."""
        main, pair, triple, length = (
            tuple(unit * sd for sd in sds) for sds in (self.main, self.pair, self.triple, self.length)
        )
        return Priors(main, pair, triple, (unit * self.centre[0], unit * self.centre[1]), length)


PRIORS = Priors()  # of techniques


@dataclass(frozen=True)
class Scales:
    """A prior: sd of the noise and of the coefficients of order 1, 2, 3, in points, in +-1 coding.

    An effect is 2 coefficients, an interaction in on/off coding 4. rho: correlation of runs that share a seed. length:
    sd of the change of a main effect's coefficient in runs of another length.
    """

    sigma: float
    main: float
    pair: float
    triple: float = 0.0
    rho: float = 0.0
    length: float = 0.0

    def prior_sd(self, order: Ints) -> Floats:
        """(F,) sds of coefficients with these orders."""
        return np.array([FLAT, self.main, self.pair, self.triple])[order]


@cache
def terms(k: int, order: int = 3) -> tuple[tuple[int, ...], ...]:
    """The sets of at most `order` of k techniques, the constant first."""
    return tuple(itertools.chain.from_iterable(itertools.combinations(range(k), size) for size in range(order + 1)))


def features(levels: Bools, order: int = 3) -> Floats:
    """(N, F) products of +-1 levels (N, k), in the order of `terms`."""
    x = np.where(levels, 1.0, -1.0)
    k = x.shape[1]
    columns = [np.ones((len(x), 1))]
    for size in range(1, order + 1):
        sets = np.array(list(itertools.combinations(range(k), size)), np.int64).reshape(-1, size)
        product = x[:, sets[:, 0]]
        for place in range(1, size):
            product *= x[:, sets[:, place]]
        columns.append(product)
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True, eq=False)
class Posterior:
    """What one set of scales makes of the data.

    prior: (F,) variances of the coefficients. data: (n, F) features. other: (n, G) what a standard normal in each of G
    coefficients that nobody asks for, those of another length, adds to the observations. root: Cholesky factor of the
    covariance of the n observations; alpha: its inverse times the observations.
    """

    scales: Scales
    weight: float
    prior: Floats
    data: Floats
    other: Floats
    root: Floats
    alpha: Floats

    def contrast(self, rows: Floats) -> tuple[Floats, Floats]:
        """Means and variances of (C, F) combinations of the coefficients."""
        cross = (rows * self.prior) @ self.data.T
        reduction = linalg.solve_triangular(self.root, cross.T, lower=True, check_finite=False)
        variance = np.square(rows) @ self.prior - np.square(reduction).sum(axis=0)
        return cross @ self.alpha, np.maximum(variance, 0.0)


@dataclass(frozen=True, eq=False)
class PosteriorSummary:
    """Posterior of combinations: means, sds and P(> 0), each (C,)."""

    mean: Floats
    sd: Floats
    positive: Floats


@dataclass(frozen=True, eq=False)
class Surface:
    """Posterior of the accuracy of every configuration, a mixture over scales.

    scale: what its coefficients are of, None for the accuracy itself.
    """

    k: int
    level: float
    parts: tuple[Posterior, ...]
    scale: LogError | None = None

    @property
    def scales(self) -> Scales:
        """Posterior means of the scales, for planning more runs."""
        names = ("sigma", "main", "pair", "triple", "rho", "length")
        return Scales(*(sum(part.weight * getattr(part.scales, name) for part in self.parts) for name in names))

    @cached_property
    def mean(self) -> Floats:
        """(F,) posterior means of the coefficients."""
        means = sum(part.weight * part.prior * (part.data.T @ part.alpha) for part in self.parts)
        found: Floats = np.asarray(means)
        found[0] += self.level
        return found

    def contrast(self, weights: Floats, levels: Bools) -> PosteriorSummary:
        """weights (C, P) over the accuracies at levels (P, k)."""
        return self.coefficients(weights @ features(levels))

    def coefficients(self, rows: Floats) -> PosteriorSummary:
        """(C, F) combinations of the coefficients, `terms(k)` in +-1 coding."""
        means, variances = (np.array(part) for part in zip(*(p.contrast(rows) for p in self.parts), strict=True))
        weight = np.array([part.weight for part in self.parts])
        constant = self.level * rows[:, 0]
        mean = weight @ means
        spread = np.sqrt(weight @ (variances + np.square(means - mean)))
        ratio = (means + constant) / np.maximum(np.sqrt(variances), 1e-300)
        return PosteriorSummary(mean + constant, spread, weight @ special.ndtr(ratio))

    def accuracy(self, levels: Bools) -> PosteriorSummary:
        """Expected accuracy (P,) of each of levels (P, k)."""
        return self.in_percent(self.coefficients(features(levels)))

    def in_percent(self, belief: PosteriorSummary) -> PosteriorSummary:
        """Beliefs on the surface's scale, of accuracies."""
        if self.scale is None:
            return belief
        return PosteriorSummary(
            self.scale.back(belief.mean), belief.sd * self.scale.slope(belief.mean), belief.positive
        )

    def path(self, order: list[int]) -> PosteriorSummary:
        """Expected accuracy (k + 1,) when the techniques are added in `order`: a ladder without a ladder's runs."""
        rungs = np.zeros((self.k + 1, self.k), bool)
        for rung, technique in enumerate(order, start=1):
            rungs[rung:, technique] = True
        return self.accuracy(rungs)

    def draw(self, count: int, generator: np.random.Generator) -> Floats:
        """(count, F) coefficients from the posterior, by Matheron's rule: a prior draw moved by what it mispredicts."""
        chosen = generator.choice(len(self.parts), size=count, p=[part.weight for part in self.parts])
        drawn = np.empty((count, len(self.parts[0].prior)))
        for row, part in enumerate(self.parts[index] for index in chosen):
            prior = np.sqrt(part.prior) * generator.standard_normal(len(part.prior))
            error = part.scales.sigma * generator.standard_normal(len(part.data))
            error += part.other @ generator.standard_normal(part.other.shape[1])
            miss = linalg.cho_solve((part.root, True), part.data @ prior + error)
            drawn[row] = prior + part.prior * (part.data.T @ (part.alpha - miss))
        drawn[:, 0] += self.level
        return drawn


def fit(
    levels: Bools,
    y: Floats,
    block: Ints | None = None,
    *,
    sigma: float,
    df: float,
    priors: Priors = PRIORS,
    short: Bools | None = None,
) -> Surface:
    """The surface given levels (N, k), accuracies y (N,) in points and seeds (N,), None when none is shared.

    sigma: run-to-run sd in points, as known on `df` degrees of freedom apart from y; with few it's averaged over,
    between half and twice the value. short: (N,) runs of another length than the one asked for, whose constant and main
    effects differ from it: the more they are seen to differ, the less these runs say (STATISTICS 6.4).
    """
    order = np.array([len(term) for term in terms(levels.shape[1])])
    other = None if short is None or not short.any() else features(levels, 1) * short[:, None]
    return fit_features(features(levels), order, y, block, sigma=sigma, df=df, priors=priors, other=other)


def fit_features(
    phi: Floats,
    order: Ints,
    y: Floats,
    block: Ints | None = None,
    *,
    sigma: float,
    df: float,
    priors: Priors,
    other: Floats | None = None,
) -> Surface:
    """The same for other features (N, F) than products of levels; order: (F,) whose sd each coefficient has, 0 to 3.

    other: (N, G) what another length adds, a constant and then changes of effects.
    """
    shared = block is not None and len(np.unique(block)) < len(block)
    level, features_count = float(y.mean()), phi.shape[1]
    both = np.ascontiguousarray(phi) if other is None else np.column_stack([phi, other])  # the layout decides last bits
    length = (0.0,) if other is None else priors.length
    found: list[tuple[float, Posterior]] = []
    for rho in SHARED if shared else (0.0,):
        white, white_y, log_det = both, y - level, 0.0
        if block is not None and rho:
            white, white_y, log_det = _whiten(both, y - level, block, rho)
        kept, target, left, extra = _compressed(white, white_y)
        data, rest = kept[:, :features_count], kept[:, features_count:]
        grams = [data[:, order == size] @ data[:, order == size].T for size in range(4)]
        for (noise, log_noise), change in itertools.product(_sigmas(sigma, df), length):
            added = rest * np.where(np.arange(rest.shape[1]) == 0, FLAT, change)
            base = FLAT**2 * grams[0] + added @ added.T + noise**2 * np.eye(len(data))
            constant = log_noise - 0.5 * log_det - 0.5 * left / noise**2 - extra * math.log(noise)
            for t1, t2, t3 in itertools.product(priors.main, priors.pair, priors.triple):
                scales = Scales(noise, t1, t2, t3, rho, change)
                covariance = base + t1**2 * grams[1] + t2**2 * grams[2] + t3**2 * grams[3]
                root = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
                alpha = linalg.cho_solve((root, True), target, check_finite=False)
                fitted = -0.5 * float(target @ alpha) - float(np.log(np.diag(root)).sum())
                prior = np.square(scales.prior_sd(order))
                belief = math.log(t1 / priors.centre[0]) / 0.7, math.log(t2 / priors.centre[1])
                fitted -= 0.5 * (belief[0] ** 2 + belief[1] ** 2)
                found.append((fitted + constant, Posterior(scales, 0.0, prior, data, added, root, alpha)))
        best = max(log for log, _ in found)  # dropping early keeps few factors in memory
        found = [(log, part) for log, part in found if log > best + math.log(_WEIGHT)]
    weight = special.softmax([log for log, _ in found])
    parts = (replace(part, weight=float(w)) for w, (_, part) in zip(weight, found, strict=True))
    return Surface(int((order == 1).sum()), level, tuple(parts))


def unit(levels: Bools, y: Floats) -> float:
    """How many times larger than in the prior the effects of levels (N, k) on y (N,) are, where that is more than once.

    The prior's scales are those of a converged network on a large data set, tenths of a point; on small data or in
    short runs effects of ten points are seen, and a prior of tenths would take their interactions for noise.
    """
    x = np.column_stack([np.ones(len(levels)), np.where(levels, 1.0, -1.0)])
    if len(levels) <= x.shape[1]:
        return 1.0
    slopes = np.linalg.lstsq(x, y, rcond=None)[0][1:]
    return max(1.0, float(np.sqrt(np.mean(slopes**2))) / _USUAL)


def _sigmas(sigma: float, df: float) -> list[tuple[float, float]]:
    """Noise sds to average over with the log of their weights: an inverse chi-square on df, flat without any."""
    if df >= _KNOWN_DF:
        return [(sigma, 0.0)]
    factors = np.exp(np.linspace(-math.log(2), math.log(2), 7))
    return [(float(sigma * factor), float(-df * (math.log(factor) + 0.5 / factor**2))) for factor in factors]


def _compressed(phi: Floats, y: Floats) -> tuple[Floats, Floats, float, int]:
    """At most F observations that say the same as N, with the sum of squares and the count of what is left over."""
    if len(phi) <= phi.shape[1]:
        return phi, y, 0.0, 0
    q, r = linalg.qr(phi, mode="economic", check_finite=False)
    target = q.T @ y
    return r, target, float(max(y @ y - target @ target, 0.0)), len(phi) - phi.shape[1]


def _whiten(phi: Floats, y: Floats, block: Ints, rho: float) -> tuple[Floats, Floats, float]:
    """Make the noise of runs that share a seed independent; also the log determinant of its correlation."""
    _, group, size = np.unique(block, return_inverse=True, return_counts=True)
    last = 1 - rho + size * rho
    share = (1 - np.sqrt((1 - rho) / last)) / size
    both = np.column_stack([phi, y])
    order = np.argsort(group, kind="stable")
    sums = np.add.reduceat(both[order], np.concatenate([[0], np.cumsum(size)[:-1]]), axis=0)
    white = (both - (share[:, None] * sums)[group]) / math.sqrt(1 - rho)
    return white[:, :-1], white[:, -1], float((size - 1).sum() * math.log(1 - rho) + np.log(last).sum())
