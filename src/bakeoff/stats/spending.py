"""One budget of error for any number of proposals, each tried once it is known how those before it ended.

A proposal gets a share of what is left, and one that is kept gives its share back, since it may be wrong only if it
wasn't to be kept. Whatever proposals there are, and whoever chooses them by what was seen before: the shares of those
that weren't kept never sum to more than the budget, so that the probability of ever keeping one that is no better is at
most that. It is the online fallback procedure (Tian & Ramdas 2021, https://arxiv.org/abs/1910.04900) with weights
AHEAD / ((k + AHEAD - 1) (k + AHEAD)), k = 1, 2, ..., which sum to 1: the first gets a 21st of the budget, the hundredth
a 700th, the thousandth a 52,000th.
"""

from collections.abc import Iterable

BUDGET = 0.05
AHEAD = 20  # a number of proposals with which the first share its budget about evenly


def next_share(unkept: Iterable[float], budget: float = BUDGET) -> float:
    """What error the next proposal may have. unkept: the shares of those that aren't kept, or not yet."""
    spent = list(unkept)
    return max(budget - sum(spent), 0.0) / (AHEAD + len(spent) + 1)
