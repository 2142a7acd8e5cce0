"""Worlds whose truth is known, for studies to be drawn from: how runs come out, and which have no result."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np

from bakeoff.stats import designs, outcomes
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.surrogate import features, terms
from bench import ground_truth

BASE = 90.0  # percent
MAIN, PAIR, TRIPLE = 0.18, 0.03, 0.006  # sds of the coefficients in points, +-1 coding (STATISTICS 3)
SIGMA = 0.2  # points, from run to run
WITHIN = (0.2, 0.1, 0.05)  # what an evaluation technique does: mean, sds of how single techniques and pairs change it
SIGMA_WITHIN = 0.05  # points, from run to run, of what it does within one


class Truth(Protocol):
    """What is true in one study."""

    def of(self, levels: Bools) -> tuple[Floats, Floats]:
        """What configurations (N, k) are worth in percent, and what the evaluation technique adds."""

    def sd(self, levels: Bools) -> Floats:
        """(N,) noise of a run, in points."""

    def averaged(self) -> Floats:
        """(k + 1,) averaged effects, the evaluation technique's last."""


def _one(levels: Bools) -> Floats:
    return np.ones(len(levels))


def _none(draw: np.random.Generator, levels: Bools) -> Bools:
    return np.zeros(len(levels), bool)


@dataclass(frozen=True)
class World:
    """How runs come out.

    triple: sd of the terms of order three. relative: (N, k) levels -> sd of the noise over SIGMA. with_error: e times
    the noise for 1.25 points more of error. heavy: Student's t with 3 degrees of freedom. rho: correlation of runs that
    share a seed. lost: which runs have no result.
    """

    name: str
    triple: float = TRIPLE
    relative: Callable[[Bools], Floats] = _one
    with_error: bool = False
    heavy: bool = False
    rho: float = 0.0
    lost: Callable[[np.random.Generator, Bools], Bools] = _none

    def draw(self, k: int, draw: np.random.Generator) -> Truth:
        """The truth of one study of k training techniques."""
        size = np.array([len(term) for term in terms(k)])
        accuracy = np.array([0.0, MAIN, PAIR, self.triple])[size] * draw.standard_normal(len(size))
        within = np.array([0.0, *WITHIN[1:], 0.0])[size] * draw.standard_normal(len(size))
        accuracy[0], within[0] = BASE, WITHIN[0]
        return Drawn(self, k, accuracy, within)


@dataclass(frozen=True, eq=False)
class Drawn:
    """By its coefficients, `terms(k)`, in points."""

    world: World
    k: int
    accuracy: Floats
    within: Floats

    def of(self, levels: Bools) -> tuple[Floats, Floats]:
        """See `Truth`."""
        x = features(levels)
        return x @ self.accuracy, x @ self.within

    def sd(self, levels: Bools) -> Floats:
        """See `Truth`."""
        sd = SIGMA * self.world.relative(levels)
        return sd * np.exp(0.8 * (BASE - self.of(levels)[0])) if self.world.with_error else sd

    def averaged(self) -> Floats:
        """See `Truth`."""
        return np.append(2 * (self.accuracy + self.within / 2)[1 : self.k + 1], self.within[0])


class Measured:
    """The kept ground truth: its means, and noise of the sd that each of its configurations has.

    Its six seeds can't be drawn as they are: six blocks of a design would have some of them twice, with the same runs,
    or each once, and no error. So the noise is normal.
    """

    def __init__(self) -> None:
        acc, self.levels, _ = ground_truth.load()
        off, on = np.moveaxis(acc[:, :, ground_truth.SPLITS.index("report")], -1, 0)
        self.digits = 2 ** np.arange(self.levels.shape[1])[::-1]
        self.off, self.within, self.sds = off.mean(axis=1), (on - off).mean(axis=1), off.std(axis=1, ddof=1)

    def of(self, levels: Bools) -> tuple[Floats, Floats]:
        """See `Truth`."""
        rows = levels @ self.digits
        return self.off[rows], self.within[rows]

    def sd(self, levels: Bools) -> Floats:
        """See `Truth`."""
        found: Floats = self.sds[levels @ self.digits]
        return found

    def averaged(self) -> Floats:
        """See `Truth`."""
        value = self.off + self.within / 2
        return np.array([*(value[on].mean() - value[~on].mean() for on in self.levels.T), self.within.mean()])


@cache
def measured() -> Measured:
    """The kept ground truth, read once."""
    return Measured()


class Table(World):
    """The world of the ground truth; its seeds agree as its runs do that differ in one technique."""

    def draw(self, k: int, draw: np.random.Generator) -> Truth:
        """See `World`."""
        return measured()


def _corners_quiet(levels: Bools) -> Floats:
    return np.where(levels.all(axis=1) | ~levels.any(axis=1), 0.3, 1.0)


def _calmed(levels: Bools) -> Floats:
    return np.where(levels[:, 0], 0.2, 1.0)


def _at_random(draw: np.random.Generator, levels: Bools) -> Bools:
    return draw.random(len(levels)) < 0.05


def _diverged(draw: np.random.Generator, levels: Bools) -> Bools:
    """Without the first technique and with the second, half of the runs diverge."""
    gone: Bools = ~levels[:, 0] & levels[:, 1] & (draw.random(len(levels)) < 0.5)
    return gone


WORLDS = (
    World("even noise"),
    World("noise with the error", with_error=True),
    World("corners quiet", relative=_corners_quiet),
    World("one technique calms", relative=_calmed),
    World("heavy tails", heavy=True),
    World("third order", triple=0.03),
    World("seeds shared", rho=0.5),
    World("lost at random", lost=_at_random),
    World("diverged", lost=_diverged),
)
REAL = Table("digits, measured", rho=0.585)


@dataclass(frozen=True)
class Study:
    """A study in a world: its runs come out the same, however many there are."""

    world: World
    truth: Truth
    seed: int

    def make(self, design: designs.Design) -> outcomes.Runs:
        """Its runs of a design."""
        return outcomes.Runs.collect(design.levels, self.accuracies(design), design.block)

    def accuracies(self, design: designs.Design) -> Floats:
        """(N, 2) percent of each run of a design, without and with an evaluation technique; NaN where it is lost."""
        own, shared, inside, gone = np.random.default_rng([self.seed, *self.world.name.encode()]).spawn(4)
        n, rho = len(design), self.world.rho
        off, within = self.truth.of(design.levels)
        noise = own.standard_t(3, n) / math.sqrt(3) if self.world.heavy else own.standard_normal(n)
        noise = (
            math.sqrt(rho) * shared.standard_normal(design.block.max() + 1)[design.block] + math.sqrt(1 - rho) * noise
        )
        off = off + self.truth.sd(design.levels) * noise
        acc = np.stack([off, off + within + SIGMA_WITHIN * inside.standard_normal(n)], axis=1)
        acc[self.world.lost(gone, design.levels)] = np.nan
        return acc
