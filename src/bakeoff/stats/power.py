"""How many runs: what a design can detect, what a wanted width costs (STATISTICS 3 and 5)."""

import bisect
import math
from typing import Literal

from bakeoff.errors import RequestError
from bakeoff.stats import distributions, hadamard
from bakeoff.stats.designs import LEAST_SEEDS
from bakeoff.stats.intervals import maximum_modulus, t_quantile

Kind = Literal["factorial", "leave-one-out", "add-one", "ladder", "proof"]

_MOST_RUNS = 1_000_000


def standard_error(kind: Kind, runs: int, sigma: float, k: int, *, rho: float = 0.0) -> float:
    """Of one technique's effect, in the unit of sigma.

    factorial: 2 sigma / sqrt(N), seeds shared with correlation rho inside fold pairs; without its further corners. All
    others: a difference of two of k + 1 configurations, seeds shared.
    """
    if kind == "factorial":
        return 2 * sigma * math.sqrt((1 - rho) / runs)
    return sigma * math.sqrt(2 * (1 - rho) * (k + 1) / runs)


def residual_df(kind: Kind, runs: int, k: int) -> float:
    """Degrees of freedom of the design's own estimate of the noise: of one technique alone, but for a factorial.

    0 where it has none.
    """
    return max(0, runs // 2 - k if kind == "factorial" else runs // (k + 1) - 1)


def half_width(
    kind: Kind, runs: int, sigma: float, k: int, *, level: float = 0.95, simultaneous: bool = False, rho: float = 0.0
) -> float:
    """Half-width of the intervals to expect from `runs` runs in all, in the unit of sigma (the run-to-run sd).

    k: training techniques. simultaneous: of the intervals that hold together.
    """
    df = residual_df(kind, runs, k)
    if not df:
        return math.inf
    if not simultaneous:
        quantile = t_quantile(level, df)
    elif kind == "factorial":
        quantile = maximum_modulus(level, k, df)
    else:
        quantile = t_quantile(level ** (1 / k), df)
    return quantile * standard_error(kind, runs, sigma, k, rho=rho)


def least_detectable(
    kind: Kind, runs: int, sigma: float, k: int, *, power: float = 0.8, level: float = 0.95, rho: float = 0.0
) -> float:
    """The least effect whose simultaneous interval excludes 0 with probability `power`, in the unit of sigma."""
    wide = half_width(kind, runs, sigma, k, level=level, simultaneous=True, rho=rho)
    df = residual_df(kind, runs, k)
    if not df:
        return math.inf
    return wide + distributions.t_ppf(power, df) * standard_error(kind, runs, sigma, k, rho=rho)


def runs_for(
    kind: Kind,
    wanted: float,
    sigma: float,
    k: int,
    *,
    level: float = 0.95,
    simultaneous: bool = False,
    rho: float = 0.0,
) -> int:
    """The fewest runs in all whose own estimate of the noise gives half-widths of at most `wanted`.

    Raises RequestError if that takes more than a million runs.
    """

    def enough(step: int) -> bool:
        runs = _size(kind, k, step)
        return half_width(kind, runs, sigma, k, level=level, simultaneous=simultaneous, rho=rho) <= wanted

    high = 1
    while not enough(high):
        high *= 2
        if _size(kind, k, high) > _MOST_RUNS:
            raise RequestError(
                f"+-{wanted:g} points with a noise of {sigma:g} take over {_MOST_RUNS:,} runs; ask for less"
            )
    return _size(kind, k, bisect.bisect_left(range(1, high + 1), True, key=enough) + 1)


def stein(s: float, df: float, first_runs: int, wanted: float, *, level: float = 0.95) -> int:
    """Runs in all for a factorial whose intervals have half-width `wanted`, given the noise s of its first block.

    Two-stage (Stein 1945, https://doi.org/10.1214/aoms/1177731088): the interval keeps the first block's s and its df,
    so that its half-width is `wanted` at most and its coverage exact, whatever sigma is.
    """
    needed = (t_quantile(level, df) * 2 * s / wanted) ** 2
    return max(first_runs, 8 * math.ceil(needed / 8 - 1e-9))


def _size(kind: Kind, k: int, step: int) -> int:
    """The step-th smallest number of runs that the design can have, from 1."""
    if kind == "factorial":
        return 2 * hadamard.smallest(max(k, LEAST_SEEDS)) + 8 * (step - 1)
    return (k + 1) * step
