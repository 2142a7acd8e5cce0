"""Quantiles (ppf) and tails (sf), named as in scipy.stats, which takes half a second to import."""

import math

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]


def normal_ppf(p: float) -> float:
    """z with P(Z <= z) = p."""
    return float(special.ndtri(p))


def normal_sf(z: float) -> float:
    """P(Z > z)."""
    return float(special.ndtr(-z))


def t_ppf(p: float, df: float) -> float:
    """t with P(T <= t) = p on `df` degrees of freedom, which may be infinite."""
    return normal_ppf(p) if math.isinf(df) else float(special.stdtrit(df, p))


def t_sf(t: float, df: float) -> float:
    """P(T > t)."""
    return normal_sf(t) if math.isinf(df) else float(special.stdtr(df, -t))


def chi2_ppf(p: Floats, df: float) -> Floats:
    """x with P(X <= x) = p for chi-square on `df` degrees of freedom."""
    return np.asarray(2 * special.gammaincinv(df / 2, p))
