"""What a learning-rate range test says: the loss of a training whose rate rises all the way, and a rate to begin with.

Smith 2017, "Cyclical learning rates for training neural networks", https://arxiv.org/abs/1506.01186: the loss begins to
fall where a rate is large enough to learn, and rises where it is too large.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.errors import BakeoffError

_WIDTH = 0.12  # decades: sd of the weights with which losses are averaged; 200 steps over 6 decades are 33 a decade
_FALL = 0.1  # share of the loss of the first steps by which it has to fall before anything is suggested

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RangeTest:
    """The losses of a range test, and what follows.

    rates: (N,) of each step, rising by the same factor. losses: (N,) at these; smooth: (N,) the same averaged over
    neighbouring rates. largest: from where on the loss is above what it was before anything was learned, None where it
    never is. suggested: a rate to begin with, where the loss is lowest before that. (Of the rules that were tried it
    came nearest to the best rate of a sweep, nearer than where the loss falls fastest: docs/log.md.)
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    largest: float | None
    suggested: float


def read(rates: Sequence[float], losses: Sequence[float]) -> RangeTest:
    """What the losses say. The last ones may be infinite or NaN, where the training broke.

    Raises BakeoffError where nothing was learned at any rate.
    """
    seen = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
    x, y = np.log10(np.array(rates[:seen])), np.array(losses[:seen], float)
    start = float(np.median(y[: max(1, seen // 10)])) if seen else math.nan
    smooth = _smoothed(x, np.minimum(y, 1.5 * start))  # one exploded loss isn't to hide what came before it
    fallen = np.flatnonzero(smooth < (1 - _FALL) * start)
    if not len(fallen):
        raise BakeoffError(
            "nothing was learned at any of these rates: the loss never fell by a tenth; try more --steps, or other "
            "rates (--low, --high)"
        )
    above = fallen[0] + np.flatnonzero(smooth[fallen[0] :] > start)
    end = int(above[0]) if len(above) else seen
    return RangeTest(
        tuple(rates[:seen]),
        tuple(y.tolist()),
        tuple(smooth.tolist()),
        largest=rates[end] if len(above) else None,
        suggested=_rounded(rates[int(smooth[:end].argmin())]),
    )


def _smoothed(x: Floats, y: Floats) -> Floats:
    """Averages over neighbours, which neither lag behind nor run ahead, as a moving average over time does."""
    weights = np.exp(-(((x[:, None] - x[None]) / _WIDTH) ** 2) / 2)
    averages: Floats = weights @ y / weights.sum(axis=1)
    return averages


def _rounded(rate: float) -> float:
    """To two digits: no range test knows more."""
    return float(f"{rate:.1e}")
