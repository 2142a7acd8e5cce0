"""Quantiles for intervals: Student's t, simultaneous (studentized maximum modulus, Sidak), valid at any time."""

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from bakeoff.stats import distributions

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=4096)
def t_quantile(level: float, df: float) -> float:
    """Half-width in standard errors of a two-sided interval; df may be infinite."""
    return distributions.t_ppf(0.5 + level / 2, df)


def exceedance(c: float, k: int, df: float) -> float:
    """P(max_j |T_j| > c) for k studentized estimates with one common estimate of the variance on `df` degrees.

    The studentized maximum modulus (Stoline & Ury 1979, https://doi.org/10.1080/00401706.1979.10489724).
    """
    scale, mass = _scale_nodes(df)
    inside = k * np.log1p(-np.minimum(2 * special.ndtr(-c * scale), 1 - 1e-16))
    return float(mass @ -np.expm1(inside))


@lru_cache(maxsize=4096)
def maximum_modulus(level: float, k: int, df: float) -> float:
    """c such that all k intervals, estimate +- c standard errors, hold together with probability `level`.

    For estimates with one estimate of the variance; conservative where they are correlated (Sidak 1967).
    """
    single = t_quantile(level, df)
    bonferroni = t_quantile(1 - (1 - level) / k, df)
    if not bonferroni > single:
        return single
    return float(
        optimize.brentq(lambda c: exceedance(c, k, df) - (1 - level), 0.98 * single, 1.02 * bonferroni, xtol=1e-6)
    )


def adjusted_p(t: float, k: int, df: float) -> float:
    """Single-step p-value, two-sided: P(max_j |T_j| >= |t|) when no technique does anything."""
    single = 2 * distributions.t_sf(abs(t), df)
    if single < 1e-6:  # beyond the quadrature's precision, and Bonferroni's bound is exact in the limit
        return single * k
    return min(1.0, max(exceedance(abs(t), k, df), single))


def log_e_value(t: Floats | float, df: Floats | float, n_e: Floats | float, g: float) -> Floats:
    """Log of the e-process for "no effect" with nuisance terms: reject when it exceeds log(1 / alpha), at any time.

    t: estimate / standard error on df. n_e: sigma^2 / Var(estimate), N / 4 in a factorial. g: (prior sd of the effect /
    sigma)^2. Lindon, Ham, Tingley & Bojinov, https://arxiv.org/abs/2210.08589; Wang & Ramdas,
    https://arxiv.org/abs/2310.03722.
    """
    t2, growth = np.square(np.asarray(t, np.float64)), 1 + np.asarray(n_e, np.float64) * g
    nu = np.asarray(df, np.float64)
    log_e: Floats = -0.5 * np.log(growth) + (nu + 1) / 2 * (np.log1p(t2 / nu) - np.log1p(t2 / (nu * growth)))
    return log_e


def always_valid_quantile(alpha: float, df: float, n_e: float, g: float) -> float:
    """Half-width in standard errors of {theta: E(theta) < 1 / alpha}, valid at any stopping time; may be infinite.

    The inverse of `log_e_value`. With df infinite (sigma known) it is the mixture of Howard et al. 2021,
    https://doi.org/10.1214/20-AOS1991.
    """
    growth = 1 + n_e * g
    needed = math.log(1 / alpha) + 0.5 * math.log(growth)
    if math.isinf(df):
        return math.sqrt(2 * needed / (1 - 1 / growth))
    ratio = math.exp(min(2 * needed / (df + 1), 700.0))
    return math.sqrt(df * (ratio - 1) / (1 - ratio / growth)) if ratio < growth else math.inf


@dataclass(frozen=True)
class Family:
    """How the intervals of a table are made.

    level: of each interval. pooled, own: estimates whose variance is a common one, and those that have each their own;
    all hold together. unplanned: whether looks were taken at will; all intervals are then always-valid. prior_sd:
    expected size of an effect in points, which tunes the always-valid intervals and never their validity; at least the
    noise of a run, since with less some dozens of noisy runs would have no interval at all, and where runs are many it
    makes no difference.
    """

    level: float
    pooled: int
    own: int = 0
    unplanned: bool = False
    prior_sd: float = 0.2

    @property
    def size(self) -> int:
        """How many estimates hold together."""
        return self.pooled + self.own

    def quantiles(self, df: float, n_e: float, sigma: float, *, own: bool = False) -> tuple[float, float]:
        """Half-widths in standard errors: of one interval, and of one of those that hold together.

        Of k estimates with variances of their own each holds at level^(1/k) (Sidak 1967); where there are both kinds,
        each gets its share of the level.
        """
        if not self.unplanned:
            if own:
                together = t_quantile(self.level ** (1 / self.size), df)
            else:
                together = maximum_modulus(self.level ** (self.pooled / self.size), self.pooled, df)
            return t_quantile(self.level, df), together
        g, alpha = self._g(sigma), 1 - self.level
        return always_valid_quantile(alpha, df, n_e, g), always_valid_quantile(alpha / self.size, df, n_e, g)

    def p_values(self, t: float, df: float, n_e: float, sigma: float, *, own: bool = False) -> tuple[float, float]:
        """Two-sided p-value of one estimate, and adjusted for all of them."""
        if not self.unplanned:
            single = 2 * distributions.t_sf(abs(t), df)
            if own:
                return single, -math.expm1(self.size * math.log1p(-single)) if single < 1 else 1.0
            together = adjusted_p(t, self.pooled, df)
            return single, -math.expm1(self.size / self.pooled * math.log1p(-together)) if together < 1 else 1.0
        df = min(df, 1e9)  # the formula's limit
        log_e = float(log_e_value(t, df, n_e, self._g(sigma)))
        p = math.exp(-max(log_e, 0.0))
        return p, min(1.0, p * self.size)

    def _g(self, sigma: float) -> float:
        return max((self.prior_sd / sigma) ** 2, 1.0)


@cache
def _scale_nodes(df: float) -> tuple[Floats, Floats]:
    """Nodes and weights for s / sigma, the root of chi^2 / df."""
    if math.isinf(df):
        return np.ones(1), np.ones(1)
    node, weight = _legendre()
    return np.sqrt(distributions.chi2_ppf((node + 1) / 2, df) / df), weight / 2


@cache
def _legendre() -> tuple[Floats, Floats]:
    return np.polynomial.legendre.leggauss(160)
