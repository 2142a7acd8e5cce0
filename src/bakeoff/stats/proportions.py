"""Intervals of accuracies that were counted on images: of one, and of the difference of two on the same images."""

import math

from bakeoff.stats.intervals import t_quantile


def interval(right: float, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share, in [0, 1], of which `right` of `n` were counted (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    z, p = t_quantile(level, math.inf), right / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_interval(gained: int, lost: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two shares that were counted on the same `n`, in [-1, 1].

    gained, lost: how many the second alone has right, and the first alone. The adjusted Wald interval of Bonett & Price
    2012, doi 10.3102/1076998611411915: it holds for few of them too.
    """
    a, b = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = t_quantile(level, math.inf) * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return max(-1.0, a - b - half), min(1.0, a - b + half)
