"""Runs that were made again: do they agree with those that are kept?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from bakeoff.stats.intervals import t_quantile

LEVEL = 0.99  # of the limits: a true report is doubted in one of a hundred verifications
_POWER = 1.2816  # standard errors: what is this far above a limit is found in 90 % of cases


@dataclass(frozen=True)
class Agreement:
    """Whether differences between runs and their repetitions are within noise, in points.

    mean: of the differences. limit, limit_of_mean: that a single one and their mean may have. seen: a shift of all runs
    that would have been found in 90 % of cases. within: None where the noise isn't known.
    """

    mean: float
    limit: float
    limit_of_mean: float
    seen: float
    within: bool | None


def agreement(differences: Sequence[float], sigma: float, df: float) -> Agreement:
    """Compare runs with their repetitions. sigma, df: run-to-run sd in points, and its degrees of freedom.

    A repetition that isn't equal to the bit is at worst as far from its run as another seed would be: both scatter by
    sigma, so that a difference has the sd sqrt(2) sigma, and the mean of n has sqrt(2 / n) sigma. The limits are
    Student's t; half of the error of LEVEL is spent on the mean, half on the single ones (Bonferroni).
    """
    n, found = len(differences), np.array(differences, float)
    mean = float(found.mean()) if n else math.nan
    if not n or not (math.isfinite(sigma) and df > 0):
        return Agreement(mean, math.nan, math.nan, math.nan, None)
    error, sd = (1 - LEVEL) / 2, math.sqrt(2.0) * sigma
    limit = t_quantile(1 - error / n, df) * sd
    of_mean = t_quantile(1 - error, df) * sd / math.sqrt(n)
    within = bool(np.abs(found).max() <= limit and abs(mean) <= of_mean)
    return Agreement(mean, limit, of_mean, of_mean + _POWER * sd / math.sqrt(n), within)


def most_that_differ(sampled: int, total: int, level: float = 0.95) -> int:
    """How many of `total` runs may be others at most, at a level, where none of `sampled` random ones was."""

    def missed(others: int) -> float:  # log probability that none of them is in the sample
        kept = total - others
        if kept < sampled:
            return -math.inf
        logs = special.gammaln(np.array([kept + 1, total - sampled + 1, kept - sampled + 1, total + 1]))
        return float(logs[0] + logs[1] - logs[2] - logs[3])

    return max(others for others in range(total + 1) if missed(others) >= math.log(1 - level))
