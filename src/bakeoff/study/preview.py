"""Before a study runs: how long it takes and what it can tell, for more and for fewer runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bakeoff.runs.record import RunRecord
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.power import Kind, half_width, least_detectable


@dataclass(frozen=True)
class SizeOption:
    """One size of a study. Seconds of wall time; effects in points, or in run-to-run sds where the noise isn't known.

    half_width: of the 95 % interval of one technique. detectable: the least effect that is found with probability 0.8
    by the intervals that hold together.
    """

    runs: int
    seconds: float
    half_width: float
    detectable: float


def size_options(
    kind: Kind,
    sizes: Mapping[int, float],
    k: int,
    sigma: float | None,
    corners: int = 0,
    shares: Mapping[int, float] = MappingProxyType({}),
) -> list[SizeOption]:
    """What each size gives.

    sizes: runs -> seconds. k: training techniques. sigma: run-to-run sd, if known. corners: so many of the runs are
    further corners of a factorial, which say nothing of single techniques. shares: runs -> share of the error that a
    look after them may spend, where not all of it.
    """
    scale, found = 1.0 if sigma is None else sigma, []
    for runs, took in sorted(sizes.items()):
        level, counted = 1 - 0.05 * shares.get(runs, 1.0), runs - corners
        wide = half_width(kind, counted, scale, k, level=level)
        found.append(SizeOption(runs, took, wide, least_detectable(kind, counted, scale, k, level=level)))
    return found


def training_time(levels: Bools, records: Sequence[RunRecord | None]) -> Floats | None:
    """(k + 1,) main effects on the logarithm of seconds, after the constant; None while the runs can't tell."""
    timed = [index for index, record in enumerate(records) if record and record.status == "done"]
    x = np.column_stack([np.ones(len(timed)), levels[timed]]).astype(np.float64)
    if not timed or np.linalg.matrix_rank(x) < x.shape[1]:
        return None
    took = [max(record.seconds, 1e-3) for record in records if record and record.status == "done"]
    return np.asarray(np.linalg.lstsq(x, np.log(took), rcond=None)[0], np.float64)


def seconds_of(time: Floats, levels: Bools) -> Floats:
    """(P,) expected training time of configurations (P, k)."""
    return np.asarray(np.exp(time[0] + levels @ time[1:]), np.float64)
