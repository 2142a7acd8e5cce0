"""When to stop: group-sequential bounds for planned looks, and what may be dropped or kept at a look (STATISTICS 7).

Looks that weren't planned are for the e-process, `intervals.log_e_value`.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from bakeoff.stats import distributions

Floats = npt.NDArray[np.float64]
Decision = Literal["keep", "drop", "go on"]

DELTA_MIN = 0.05  # points: a technique is dropped when it certainly buys less


@lru_cache(maxsize=256)
def obrien_fleming(information: tuple[float, ...], alpha: float, *, sides: int = 2) -> tuple[float, ...]:
    """Nominal z bounds c / sqrt(t_l) at looks with these shares t_1 < ... < t_L = 1 of the final number of runs.

    c is such that the chance of crossing at any look is alpha under no effect. Exact, by the recursion of Armitage,
    McPherson & Rowe (1969); O'Brien & Fleming 1979, https://doi.org/10.2307/2530245.
    """

    def excess(c: float) -> float:
        return _crossing(information, tuple(c / math.sqrt(t) for t in information), sides) - alpha

    fixed = distributions.normal_ppf(1 - alpha / sides)
    c = float(optimize.brentq(excess, 0.9 * fixed, 2 * fixed, xtol=1e-5))
    return tuple(c / math.sqrt(t) for t in information)


def t_bound(z: float, df: float) -> float:
    """The bound for a t statistic with the same nominal p-value."""
    return -distributions.t_ppf(distributions.normal_sf(z), df)


def decide(
    gains: Sequence[float],
    se: Sequence[float],
    df: float,
    look: int,
    information: tuple[float, ...],
    *,
    alpha: float = 0.05,
    delta_min: float = DELTA_MIN,
) -> list[Decision]:
    """What each of k techniques has earned at a planned look (0 is the first), at the target training length only.

    keep: the lower limit that holds for all techniques and looks together is above 0. drop: the upper one-sided limit
    is below delta_min points; the chance that any technique worth delta_min is ever dropped is at most alpha.
    """
    k = len(gains)
    up = t_bound(obrien_fleming(information, alpha / k)[look], df)
    down = t_bound(obrien_fleming(information, alpha / k, sides=1)[look], df)
    decisions: list[Decision] = []
    for gain, error in zip(gains, se, strict=True):
        if gain - up * error > 0:
            decisions.append("keep")
        else:
            decisions.append("drop" if gain + down * error < delta_min else "go on")
    return decisions


def _crossing(information: tuple[float, ...], bounds: tuple[float, ...], sides: int, nodes: int = 128) -> float:
    """P(the z process leaves (-bound, bound), or rises above bound, at any look) under no effect.

    In steps of the score S = z sqrt(t), whose increments are independent: the density of S among paths still inside is
    carried from look to look on Gauss-Legendre nodes.
    """
    node, weight = np.polynomial.legendre.leggauss(nodes)
    scores, mass, crossed, before = np.zeros(1), np.ones(1), 0.0, 0.0
    for share, bound in zip(information, bounds, strict=True):
        sd = math.sqrt(share - before)
        upper = bound * math.sqrt(share)
        lower = -upper if sides == 2 else -9.0 * math.sqrt(share)
        crossed += float(mass @ special.ndtr((scores - upper) / sd))
        if sides == 2:
            crossed += float(mass @ special.ndtr((lower - scores) / sd))
        following = (upper + lower) / 2 + (upper - lower) / 2 * node
        z = (following[:, None] - scores) / sd
        density = np.exp(-np.square(z) / 2) @ mass / (sd * math.sqrt(2 * math.pi))
        scores, mass, before = following, density * weight * (upper - lower) / 2, share
    return crossed
