"""Pairs of runs, one of each of two commands: which is better, with bounds that hold however often one looks.

Of each pair a coin says which command runs first. If the candidate gains `theta` and nothing else, then the sign of
what is left of a difference when `theta` is taken off is that coin, whatever the noise is like: tails, steps, a spread
that isn't known, a machine that drifts. So a bet on the sign that is placed before the pair is run is fair, and capital
of 1 comes to 1 / alpha with probability alpha at most, at any time (Ville 1939; Waudby-Smith & Ramdas,
https://arxiv.org/abs/2010.09686, bet so on means). A pair multiplies the capital by

    1 + STAKE tanh(b (d - m - theta) / s)    for each b of BOLDNESS; the capital is the mean over them,

with d the difference, m what their order did so far, and s the spread so far. It falls as
theta grows, so that the bounds are where it crosses 1 / alpha. `intervals.always_valid_quantile` is narrower by a pair
or two where noise is normal; it has no guarantee where it isn't, or where the machine drifts. What neither can see: a
candidate that gains little in most runs and loses much in a few that weren't made.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from bakeoff.stats.intervals import t_quantile
from bakeoff.stats.outcomes import Floats

STAKE = 0.9  # share of the capital that a pair may lose: with all of it one bad run ends everything
BOLDNESS = (0.2, 0.6, 2.0)  # of the spread: near what is best for gains of a fifth, a half and two of it
LEAST = 4  # pairs before the effect of the order is estimated
ALONE = 0.025  # error of either end of an interval, and of a verdict that keeps nothing
MOST = 10_000  # pairs that a forecast reaches to

Verdict = Literal["better", "worse", "no_difference", "undecided"]


class Bets(NamedTuple):
    """What is known of each pair before it is run, and the pair: all (..., n).

    left: the difference without what the order did so far. spread: of the pairs before; 0 where there are none.
    """

    left: Floats
    spread: Floats


def bets(difference: Floats, order: Floats) -> Bets:
    """What is known of pairs before they are run.

    difference: (..., n) the candidate less the baseline. order: (..., n) 1 where the candidate ran first, else -1.
    """
    n = difference.shape[-1]
    count = np.arange(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = difference - difference[..., :1]
        mean, turned, tilt = (_before(each) / count for each in (shift, shift * order, order))
        squares = np.maximum(_before(shift**2) - count * mean**2, 0)
        effect = turned - mean * tilt
        rest = np.maximum(squares - count * effect**2, 0) / (count - 1)
        share = np.where(count < LEAST, 0.0, np.clip(1 - 2 * rest / (count * effect**2), 0, 1))
        effect, share = np.nan_to_num(effect), np.nan_to_num(share)
        spread = np.maximum(squares - count * effect**2 * (1 - (1 - share) ** 2), 0) / (count - 1)
    spread = np.where(count < 2, 0.0, np.sqrt(np.nan_to_num(spread)))
    return Bets(difference - order * share * effect, spread)


def log_capital(placed: Bets, theta: Floats | float) -> Floats:
    """(..., n) log of the capital of the bet that the gain is more than theta (...), after each pair."""
    x = placed.left - np.asarray(theta, np.float64)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = np.where(x == 0, 0.0, x / placed.spread)
        grown = [np.log1p(STAKE * np.tanh(bold * unit)).cumsum(axis=-1) for bold in BOLDNESS]
    found: Floats = np.logaddexp.reduce(np.stack(grown), axis=0) - math.log(len(BOLDNESS))
    return found


def lower_bound(placed: Bets, alpha: float) -> float:
    """What the gain is more than, by all pairs (n,) together; ever wrong with probability alpha at most."""
    left, needed = placed.left, -math.log(alpha)

    def proved(theta: float) -> bool:
        return bool(log_capital(placed, theta)[-1] >= needed)

    if not len(left):
        return -math.inf
    wide = float(np.ptp(left)) + 50 * float(placed.spread.max()) or 1.0
    low, high = float(left.min()) - wide, float(left.max()) + wide
    if not proved(low):
        return -math.inf
    exact = 1e-9 * wide
    while high - low > exact and low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if proved(middle) else (low, middle)
    nearest = float(left[np.abs(left - low).argmin()])  # the capital steps down where a pair changes sides
    return nearest if abs(nearest - low) <= 2 * exact else low


def upper_bound(placed: Bets, alpha: float) -> float:
    """What the gain is less than."""
    return -lower_bound(Bets(-placed.left, placed.spread), alpha)


@dataclass(frozen=True)
class Standing:
    """What pairs say so far, in units of the metric, better is more.

    gain: mean difference, without what the order did. low, high: hold at any look in 95 % of the cases. proved: the
    gain is more than that, at the error that a keep may have (`alpha`). order: what running first does to a command's
    result. noise: sd of a command's runs from seed to seed. correlation: of the two runs of a pair, through their seed.
    delta: a difference that isn't worth having.
    """

    pairs: int
    gain: float
    low: float
    high: float
    proved: float
    order: float
    noise: float
    correlation: float
    delta: float
    verdict: Verdict


def standing(
    baseline: Floats, candidate: Floats, order: Floats, *, alpha: float, delta: float | None = None
) -> Standing:
    """How (n,) pairs stand. delta: None: as much as a change of seed makes, the sd of a command's runs."""
    difference = candidate - baseline
    placed, n = bets(difference, order), len(difference)
    low, high = (bound(placed, ALONE) for bound in (lower_bound, upper_bound))
    proved = lower_bound(placed, alpha)
    noise = math.sqrt((np.var(baseline, ddof=1) + np.var(candidate, ddof=1)) / 2) if n > 1 else math.nan
    tried = noise if delta is None else delta
    effect = _order_effect(difference, order)
    return Standing(
        pairs=n,
        gain=float((difference - order * effect).mean()) if n else math.nan,
        low=low,
        high=high,
        proved=proved,
        order=effect,
        noise=noise,
        correlation=_correlation(baseline, candidate),
        delta=tried,
        verdict=_verdict(low, high, proved, tried),
    )


def more_pairs(
    baseline: Floats, candidate: Floats, order: Floats, *, alpha: float, delta: float | None = None
) -> int | None:
    """After about how many more pairs it is settled, if those that follow are like those that were seen.

    None: not within `MOST`, or nothing can be told yet.
    """
    n = len(baseline)
    if n < 2:
        return None

    def settled(total: int) -> bool:
        again = np.arange(total) % n
        found = standing(baseline[again], candidate[again], order[again], alpha=alpha, delta=delta)
        return found.verdict != "undecided"

    low = high = n
    while not settled(high):
        if high >= MOST:
            return None
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high - n


def interval(values: Floats, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of (n,) values that nobody looked at before all were there, and its t interval."""
    n, mean = len(values), float(values.mean())
    half = t_quantile(level, n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return mean, mean - half, mean + half


@dataclass(frozen=True)
class Steadiness:
    """What a command's runs do when nothing is changed, in pairs of one seed each; intervals of 95 %.

    same: share of pairs whose runs came to the same. noise: sd from seed to seed. repeat: sd of runs of one seed.
    second: what running second does, with its interval. drift: per run, with its interval.
    """

    same: float
    noise: float
    repeat: float
    second: tuple[float, float, float]
    drift: tuple[float, float, float]


def steadiness(first: Floats, second: Floats) -> Steadiness:
    """first, second: (n,) of each pair in the order in which they were made; n is 3 at least."""
    n, mean = len(first), (first + second) / 2
    slot = interval(second - first)
    at = np.arange(n) - (n - 1) / 2
    squares = float(at @ at)
    slope = float(at @ mean) / squares
    rest = mean - mean.mean() - slope * at
    half = t_quantile(0.95, n - 2) * math.sqrt(float(rest @ rest) / (n - 2) / squares)
    return Steadiness(
        same=float((first == second).mean()),
        noise=math.sqrt((np.var(first, ddof=1) + np.var(second, ddof=1)) / 2),
        repeat=float((second - first).std(ddof=1)) / math.sqrt(2),
        second=slot,
        drift=(slope / 2, (slope - half) / 2, (slope + half) / 2),
    )


def _verdict(low: float, high: float, proved: float, delta: float) -> Verdict:
    if proved > 0:
        return "better"
    if high < 0:
        return "worse"
    if -delta <= low and high <= delta:
        return "no_difference"
    return "undecided"


def _order_effect(difference: Floats, order: Floats) -> float:
    """What running first does to a result, as far as it stands out from the noise."""
    n = len(difference)
    if n < LEAST or abs(order.sum()) == n:
        return 0.0
    centred = (difference - difference.mean()) * order
    effect = float(centred.mean())
    error = float(centred.var(ddof=1)) / n
    return effect * max(0.0, 1 - 2 * error / effect**2) if effect else 0.0


def _correlation(baseline: Floats, candidate: Floats) -> float:
    if len(baseline) < 3 or not baseline.std() or not candidate.std():
        return math.nan
    return float(np.corrcoef(baseline, candidate)[0, 1])


def _before(values: Floats) -> Floats:
    """(..., n) sum of what comes before each."""
    total: Floats = values.cumsum(axis=-1) - values
    return total
