"""Quantiles and tails from scipy.special: scipy.stats has the same and takes half a second to import."""

import math

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


def normal_quantile(p: float) -> float:
    """z with P(Z <= z) = p."""
    return float(special.ndtri(p))


def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return float(special.ndtr(-z))


def t_quantile(p: float, df: float) -> float:
    """t with P(T <= t) = p on `df` degrees of freedom, which may be infinite."""
    return normal_quantile(p) if math.isinf(df) else float(special.stdtrit(df, p))


def t_tail(t: float, df: float) -> float:
    """P(T > t)."""
    return normal_tail(t) if math.isinf(df) else float(special.stdtr(df, -t))


def chi2_quantile(p: Floats, df: float) -> Floats:
    """x with P(X <= x) = p for chi-square on `df` degrees of freedom."""
    return np.asarray(2 * special.gammaincinv(df / 2, p))
