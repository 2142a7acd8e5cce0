"""Which configurations to train with which seeds: factorial, leave-one-out, add-one, ladder.

A design covers the training techniques only; what an evaluation technique does is read off every run at both levels.
The rows stand in the order in which to run them, which is random, and everything is a function of the seed.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bakeoff.errors import RequestError
from bakeoff.stats import hadamard

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Kind = Literal["factorial", "leave-one-out", "add-one", "toggles", "ladder"]

LEAST_SEEDS = 6  # one seed for everything would make the conclusions conditional on that seed


@dataclass(frozen=True, eq=False)
class Design:
    """Runs to make.

    levels: (N, k) bool, which techniques are on. block: (N,) int, the training seed; runs that share one are compared
    with each other. seed: what the design was drawn with. order: the ladder's order of techniques.
    """

    kind: Kind
    levels: Bools
    block: Ints
    seed: int
    order: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.levels)


def factorial(k: int, runs: int | None = None, *, corners: int = 0, seed: int = 0) -> Design:
    """Folded two-level design, resolution IV: main effects are clear of all two-technique interactions.

    The rows of a Hadamard matrix and their complements, k of its columns in random order (STATISTICS 3). It holds
    "all on" and "all off". Both runs of a fold pair share a seed.

    k: up to 24 techniques. runs: without corners; a multiple of 8, at least and by default twice the smallest Hadamard
    order that is at least k and 8. A multiple of that least size is made of blocks of it, with columns and levels of
    their own, so that a larger study begins with the runs of a smaller one; other sizes of one or two larger matrices.
    corners: so many more pairs of all on and all off, with new seeds, as replicates. Raises
    RequestError for a k or a number of runs that can't be had.
    """
    if not 1 <= k <= 24:
        raise RequestError(f"a factorial takes 1 to 24 training techniques, not {k}")
    least = hadamard.smallest(max(k, LEAST_SEEDS))
    half = least if runs is None else runs // 2
    orders = _orders(half, least) if runs is None or runs % 8 == 0 else ()
    if not orders:
        near = " or ".join(map(str, _nearest(half, least)))
        raise RequestError(f"no factorial of {k} techniques has {runs} runs; it can have {near}")
    levels, blocks, following = [], [], 0
    for number, order in enumerate(orders):
        draw = _generator("factorial", seed, k, order, number)
        rows = hadamard.hadamard(order)[:, draw.permutation(order)[:k]] > 0
        if number:  # the same columns switched over tell other interactions apart
            rows = rows ^ (draw.random(k) < 0.5)
        else:
            rows = np.concatenate([rows, np.ones((corners, k), bool)])
        block = following + draw.permutation(len(rows))
        shuffle = draw.permutation(2 * len(rows))
        levels.append(np.concatenate([rows, ~rows])[shuffle])
        blocks.append(np.tile(block, 2)[shuffle])
        following += len(rows)
    return Design("factorial", np.concatenate(levels), np.concatenate(blocks).astype(np.int64), seed)


def smallest(k: int, df: int) -> int:
    """Runs of the smallest factorial with at least `df` degrees of freedom for its noise, corners not counted."""
    least = hadamard.smallest(max(k, LEAST_SEEDS))
    return next(2 * half for half in range(least, 2 * least + df + 1, 4) if half - k >= df and _orders(half, least))


def at_least(k: int, runs: int) -> int:
    """The smallest number of runs from `runs` on that a factorial of k techniques comes in, corners not counted."""
    least = hadamard.smallest(max(k, LEAST_SEEDS))
    half = max(least, 4 * math.ceil(runs / 8))
    return 2 * next(size for size in itertools.count(half, 4) if _orders(size, least))


def toggles(reference: Bools, replicates: int = 1, *, kind: Kind = "toggles", seed: int = 0) -> Design:
    """`reference` (k,) and each technique switched over alone from it, `replicates` times, every time with a new seed.

    All of one time share their seed: a technique is judged by the differences from the reference within it, with
    nothing assumed of how much the others scatter. A larger design begins with the smaller one's runs.
    """
    if replicates < 1:
        raise RequestError(f"replicates must be at least 1, not {replicates}")
    around = np.concatenate([reference[None], reference ^ np.eye(len(reference), dtype=bool)])
    order = [_generator("toggles", seed, len(reference), block).permutation(len(around)) for block in range(replicates)]
    block = np.repeat(np.arange(replicates), len(around)).astype(np.int64)
    return Design(kind, around[np.concatenate(order)], block, seed)


def leave_one_out(k: int, replicates: int = 1, *, seed: int = 0) -> Design:
    """All techniques on, and each one off alone: see `toggles`."""
    return toggles(np.ones(k, bool), replicates, kind="leave-one-out", seed=seed)


def add_one(k: int, replicates: int = 1, *, seed: int = 0) -> Design:
    """All techniques off, and each one on alone: see `toggles`."""
    return toggles(np.zeros(k, bool), replicates, kind="add-one", seed=seed)


def ladder(order: Sequence[int], seeds: int, *, seed: int = 0) -> Design:
    """The techniques added one after the other in `order`, every rung with the same seeds: (k + 1) x seeds runs."""
    if sorted(order) != list(range(len(order))):
        raise RequestError(f"the ladder's order must name each of 0 to {len(order) - 1} once, not {list(order)}")
    if seeds < 1:
        raise RequestError(f"seeds must be at least 1, not {seeds}")
    k = len(order)
    rungs = np.zeros((k + 1, k), bool)
    for rung, technique in enumerate(order, start=1):
        rungs[rung:, technique] = True
    block = np.repeat(np.arange(seeds), k + 1)
    draw = _generator("ladder", seed, k, seeds)
    return _shuffled("ladder", np.tile(rungs, (seeds, 1)), block, seed, draw, tuple(order))


def _generator(purpose: str, *parts: int) -> np.random.Generator:
    return np.random.default_rng([*purpose.encode(), *parts])


def _shuffled(
    kind: Kind, levels: Bools, block: Ints, seed: int, draw: np.random.Generator, order: tuple[int, ...] = ()
) -> Design:
    rows = draw.permutation(len(levels))
    return Design(kind, levels[rows], block[rows].astype(np.int64), seed, order)


def _orders(half: int, least: int) -> tuple[int, ...]:
    """Hadamard orders that add up to `half`: all of them `least`, else one or two larger ones; none if it can't be."""
    if half % least == 0:
        return (least,) * (half // least)
    if half >= least and hadamard.exists(half):
        return (half,)
    firsts = (first for first in range(half - least, least - 1, -4) if hadamard.exists(first))
    return next(((first, half - first) for first in firsts if hadamard.exists(half - first)), ())


def _nearest(half: int, least: int) -> list[int]:
    """The numbers of runs just below and just above that can be had."""
    possible = [2 * order for order in range(least, max(half, least) + 64, 4) if _orders(order, least)]
    below = [runs for runs in possible if runs < 2 * half]
    return below[-1:] + [runs for runs in possible if runs > 2 * half or not below][:1]
