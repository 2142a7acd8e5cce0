"""Before a study runs: how long it takes and what it can tell, for more and for fewer runs."""

import math
from dataclasses import dataclass

from bakeoff.errors import RequestError
from bakeoff.study.power import Kind, half_width, least_detectable

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Choice:
    """One size of a study. Seconds of wall time; effects in points, or in run-to-run sds where the noise isn't known.

    half_width: of the 95 % interval of one technique. detectable: the least effect that is found with probability 0.8
    by the intervals that hold together.
    """

    runs: int
    seconds: float
    half_width: float
    detectable: float


def choices(kind: Kind, sizes: dict[int, float], k: int, sigma: float | None) -> list[Choice]:
    """What each size gives. sizes: runs -> seconds. k: training techniques. sigma: run-to-run sd, if known."""
    scale = 1.0 if sigma is None else sigma
    return [
        Choice(runs, took, half_width(kind, runs, scale, k), least_detectable(kind, runs, scale, k))
        for runs, took in sorted(sizes.items())
    ]


def seconds(text: str) -> float:
    """A duration such as 90s, 30m, 1.5h. Raises RequestError."""
    number, unit = text[:-1], text[-1:]
    try:
        value = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise RequestError(f"'{text}' is no duration; it should read like 90s, 30m or 1.5h") from None
    if not (value > 0 and math.isfinite(value)):
        raise RequestError(f"'{text}' is no duration; it should be more than nothing")
    return value
