"""What to do about each technique of a table: keep it, leave it out, or that it doesn't matter.

An interval says what is beyond doubt. Whoever has to choose chooses by the sign that is likelier, weighed by what is
lost if it is wrong, and for that most effects are known well enough long before they are beyond doubt. How large
effects are is learned from the table itself (empirical Bayes, Efron & Morris 1973,
https://doi.org/10.1080/01621459.1973.10481350), and averaged over as far as the table leaves it open. How the claims
come true: docs/decisions.md.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import special

from bakeoff.stats import distributions
from bakeoff.stats.outcomes import Floats

Action = Literal["keep", "leave_out", "either"]

_SIZES, _NOISE = 20, 8  # nodes: of how large effects are, of the noise
_OTHERS = 0.1  # share of the effects that are of another size than most


@dataclass(frozen=True)
class Decision:
    """What follows from an effect for whoever has to choose.

    action: `either` where both choices lose at most the tolerance in expectation. p_sign: probability that the gain has
    the sign that it seems to have. loss_pp: what following the action loses in expectation, in points: the gain that
    was left out, or the harm that was kept, times how probable that is; of `either` the larger one. established:
    whether the interval that holds for all rows at once says the same. runs_to_establish: runs in all after which it
    would, if the effect stays what it is; None where it does already, or never would.
    """

    action: Action
    p_sign: float
    loss_pp: float
    established: bool
    runs_to_establish: int | None = None


@dataclass(frozen=True)
class Known:
    """An effect as estimated: its gain and standard error in points, on `df` degrees of freedom.

    posterior: gain and se are a posterior's mean and sd already.
    """

    gain: float
    se: float
    df: float
    posterior: bool = False


def decide(
    effects: Sequence[Known], intervals: Sequence[tuple[float, float]], tolerance: float
) -> list[Decision | None]:
    """What to do about each effect; None where the runs can't tell how sure its estimate is.

    intervals: those that hold together. tolerance: a loss, in points, that doesn't matter.
    """
    beliefs = _beliefs(effects)
    return [
        None if belief is None else _decision(belief, interval, tolerance)
        for belief, interval in zip(beliefs, intervals, strict=True)
    ]


@dataclass(frozen=True)
class _Belief:
    """positive: P(gain > 0). left_out, kept: expected loss of leaving it out, and of keeping it, in points."""

    positive: float
    left_out: float
    kept: float


def _decision(belief: _Belief, interval: tuple[float, float], tolerance: float) -> Decision:
    p = max(belief.positive, 1 - belief.positive)
    low, high = interval
    if max(belief.left_out, belief.kept) <= tolerance:
        inside = -tolerance <= low and high <= tolerance
        return Decision("either", p, max(belief.left_out, belief.kept), inside)
    if belief.kept <= belief.left_out:
        return Decision("keep", belief.positive, belief.kept, low > 0)
    return Decision("leave_out", 1 - belief.positive, belief.left_out, high < 0)


def _beliefs(effects: Sequence[Known]) -> list[_Belief | None]:
    found: list[_Belief | None] = [None] * len(effects)
    pooled = []
    for index, effect in enumerate(effects):
        if not (math.isfinite(effect.gain) and math.isfinite(effect.se)) or effect.df <= 0:
            continue
        if effect.posterior or not effect.se > 0:
            found[index] = _of_normals(np.array([effect.gain]), np.array([effect.se]), np.ones(1))
        else:
            pooled.append(index)
    if pooled:
        gain, se, df = np.array([(effects[i].gain, effects[i].se, effects[i].df) for i in pooled]).T
        for place, belief in enumerate(_shrunk(gain, se, df)):
            found[pooled[place]] = belief
    return found


def _shrunk(gain: Floats, se: Floats, df: Floats) -> list[_Belief]:
    """(k,) effects given each other: most of them normal around 0, of an sd that nothing is known of before.

    One in ten is of another size, as large as any: without that, a table of small effects and a large one that is known
    less well would have it that the large one is noise. Averaged over the sd that the others share, and over what the
    noise may be given its degrees of freedom.
    """
    typical = float(np.median(se))
    widest = 4 * max(float(np.abs(gain).max()), typical)
    usual = np.square(np.geomspace(typical / 8, widest, _SIZES))
    prior = np.stack([usual, np.full(_SIZES, widest**2)])[:, :, None, None]  # (2, sizes, 1, 1)
    share = np.log([1 - _OTHERS, _OTHERS])[:, None, None, None]
    noise = np.square([_noise(float(each)) * error for each, error in zip(df, se, strict=True)]).T  # (nodes, k)
    spread = prior + noise
    log = share - 0.5 * (np.square(gain) / spread + np.log(spread))
    evidence = special.logsumexp(log, axis=(0, 2))  # (sizes, k)
    weight = special.softmax(evidence.sum(axis=1))[:, None, None] * np.exp(log - evidence[:, None])
    keep = prior / spread
    means, sds = keep * gain, np.sqrt(keep * noise)
    return [_of_normals(means[..., j].ravel(), sds[..., j].ravel(), weight[..., j].ravel()) for j in range(len(gain))]


def _of_normals(mean: Floats, sd: Floats, weight: Floats) -> _Belief:
    """A mixture of normals. The expected gain is what leaving out loses minus what keeping loses."""
    sure = np.maximum(sd, 1e-300)
    z = np.clip(mean / sure, -1e8, 1e8)
    positive = float(weight @ np.where(mean == 0, 0.5, special.ndtr(z)))
    left_out = float(weight @ (sd * np.exp(-0.5 * np.square(z)) / math.sqrt(2 * math.pi) + mean * special.ndtr(z)))
    return _Belief(min(positive, 1.0), max(left_out, 0.0), max(left_out - float(weight @ mean), 0.0))


@cache
def _noise(df: float) -> Floats:
    """(nodes,) equally probable values of sigma / s."""
    if math.isinf(df):
        return np.ones(_NOISE)
    share = (np.arange(_NOISE) + 0.5) / _NOISE
    return 1 / np.sqrt(distributions.chi2_ppf(share, df) / df)
