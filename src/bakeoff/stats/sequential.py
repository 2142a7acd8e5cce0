"""A reference and each technique switched alone, in blocks of shared seeds, until it is known what to do about each.

After some of the blocks, settled beforehand, the runs are looked at. A technique is settled when following the decision
about it loses no more in expectation than doesn't matter; it is switched no further then. The intervals pay for the
looks: each spends half of the error that is left, the last one all of it (Bonferroni), so they hold wherever it stops.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.stats.designs import LEAST_SEEDS
from bakeoff.stats.outcomes import Bools, Ints
from bakeoff.stats.table import Effect

_APART = 1.6  # times the blocks of the look before: closer looks cost more in width than they save in runs


def looks(most: int) -> tuple[int, ...]:
    """After how many of at most `most` blocks the runs are looked at; the last look is the end."""
    first = min(LEAST_SEEDS, most)
    count = 1 + round(math.log(most / first) / math.log(_APART))
    return tuple(int(blocks) for blocks in np.geomspace(most, first, count).round())[::-1]


def share(look: int, count: int) -> float:
    """The share of the error, 1 - level, that look 1, ..., `count` may spend."""
    return 0.5 ** min(look, count - 1)


def unsettled(table: Sequence[Effect], tolerance: float) -> Bools:
    """Of which effects more must be known: not of those whose runs come to no result, since more wouldn't either."""
    decisions = [effect.decision for effect in table]
    return np.array([decision is not None and decision.loss_pp > tolerance for decision in decisions])


@dataclass(frozen=True, eq=False)
class Due:
    """Rows to be made, as far as is known. look: how many looks led there. open: what isn't settled, (k + E,)."""

    rows: Ints
    look: int
    open: Bools


def due(
    levels: Bools,
    block: Ints,
    reference: Bools,
    after: Sequence[int],
    read: Callable[[Ints, int], Bools | None],
) -> Due:
    """Which rows of `designs.toggles` are to be made.

    levels: (N, k). block: (N,) from 0. after: `looks`. read: rows and the number of a look -> `unsettled`, the k
    training techniques first; None while some of the rows haven't come to an end.
    """
    toggled = levels != reference
    found = Due(np.zeros(0, np.int64), 0, np.ones(len(reference), bool))
    for look, (begin, end) in enumerate(zip((0, *after[:-1]), after, strict=True), start=1):
        new = (block >= begin) & (block < end) & ~(toggled & ~found.open[: len(reference)]).any(axis=1)
        rows = np.concatenate([found.rows, np.flatnonzero(new)])
        still = read(rows, look)
        if still is None:
            return Due(rows, look - 1, found.open)
        still[: len(reference)] &= found.open[: len(reference)]
        found = Due(rows, look, still)
        if not still.any():
            break
    return found
