"""Designs as they are asked for: each with the sizes that it can have, so that none can contradict another."""

from dataclasses import dataclass
from typing import ClassVar

from bakeoff import reader
from bakeoff.errors import RequestError
from bakeoff.stats import designs, sequential
from bakeoff.stats.designs import LEAST_SEEDS
from bakeoff.stats.power import Kind

FEWEST_SEEDS, MOST_SEEDS = 3, 24  # of a leave-one-out that ends when it is settled: at least, at most if not asked for
LEAST_DF = 4  # of a factorial's own measure of its noise, below which its intervals are too wide to be of use
MOST_RUNS = 10_000  # of a study
CORNERS = 3  # more pairs of all on and all off: they show the noise and the total gain directly


@dataclass(frozen=True)
class Seeds:
    """Training seeds, `count` of them or more: each has a pair of runs. The same as twice as many `Runs`."""

    count: int


@dataclass(frozen=True)
class Runs:
    """Runs, `count` of them or the next number above that a factorial comes in.

    Counted are those that tell what techniques do; CORNERS pairs of baseline and recipe come on top, in every study.
    """

    count: int


@dataclass(frozen=True)
class Budget:
    """As many runs as fit into a time, all of them: seconds, or words such as "30m" or "1.5h".

    Whole blocks of the smallest factorial, so that a larger budget goes on from a smaller one; at first the least size.
    """

    time: float | str

    @property
    def seconds(self) -> float:
        """The time in seconds. Raises RequestError if it can't be read."""
        return reader.duration(self.time) if isinstance(self.time, str) else self.time


@dataclass(frozen=True)
class HalfWidth:
    """As many runs as intervals of plus and minus so many points take: found out in two stages."""

    points: float


@dataclass(frozen=True)
class Factorial:
    """Every technique on in half of the runs and off in the other: effects averaged over the other techniques.

    size: None for two blocks, the least that shows its own noise. seed: of the design.
    """

    kind: ClassVar[Kind] = "factorial"
    size: Seeds | Runs | Budget | HalfWidth | None = None
    seed: int = 0

    def draw(self, k: int) -> designs.Design:
        """The runs for k techniques; where time or width decide, two blocks. Raises RequestError for other sizes."""
        match self.size:
            case Runs(count):
                runs = reader.whole(count, "--runs", 1, MOST_RUNS)
            case Seeds(count):
                runs = 2 * reader.whole(count, "--seeds", 1, MOST_RUNS // 2)
            case _:
                runs = 2 * len(designs.factorial(k))
        if designs.at_least(k, runs) < (least := least_runs(k)):
            raise RequestError(
                f"{runs} runs of {k} techniques leave too little to show how much runs scatter; {least} or more do"
            )
        return designs.factorial(k, designs.at_least(k, runs), corners=CORNERS, seed=_seed(self.seed))


def _seed(seed: int) -> int:
    return reader.whole(seed, "the seed of a design (--design-seed)", 0, reader.MOST_SEED)


def _times(count: int, k: int) -> int:
    return reader.whole(count, "--seeds", 1, MOST_RUNS // (k + 1))


def least_runs(k: int) -> int:
    """The smallest factorial of k techniques that shows its own noise; corners not counted."""
    return designs.smallest(k, LEAST_DF)


@dataclass(frozen=True)
class Settled:
    """As many runs as it takes until it is known what to do about each technique, and no more than `within`.

    tolerance: a technique is settled when following the decision about it loses no more than so many points in
    expectation; None for 2 % of the recipe's errors, and one image at least.
    """

    within: Seeds | Runs | Budget = Seeds(MOST_SEEDS)
    tolerance: float | None = None


@dataclass(frozen=True)
class LeaveOneOut:
    """The whole recipe, and the recipe without each technique, in blocks that share their seed: one for each seed.

    size: so many seeds, or `Settled`: block by block, without the techniques that are settled. seed: of the design.
    """

    kind: ClassVar[Kind] = "leave-one-out"
    size: Seeds | Settled = Seeds(LEAST_SEEDS)
    seed: int = 0

    def draw(self, k: int) -> designs.Design:
        """The runs for k techniques, at most; where time decides, of MOST_SEEDS. Raises RequestError for too few."""
        return designs.leave_one_out(k, _times(self._seeds(k), k), seed=_seed(self.seed))

    def looks(self, k: int) -> tuple[int, ...]:
        """After how many seeds it may end early; none where their number was asked for."""
        return sequential.looks(self._seeds(k)) if isinstance(self.size, Settled) else ()

    def _seeds(self, k: int) -> int:
        match self.size:
            case Seeds(count):
                return count
            case Settled(Seeds(count)):
                seeds = count
            case Settled(Runs(count)):
                seeds = count // (k + 1)
            case _:
                return MOST_SEEDS
        if seeds < FEWEST_SEEDS:
            raise RequestError(
                f"a recipe and {k} techniques left out of it in turn take {FEWEST_SEEDS} seeds at least, "
                f"{FEWEST_SEEDS * (k + 1)} runs, to show how much they scatter"
            )
        return seeds


@dataclass(frozen=True)
class AddOne:
    """The baseline, and the baseline with each technique, `replicates` times each. seed: of the design."""

    kind: ClassVar[Kind] = "add-one"
    replicates: int = LEAST_SEEDS
    seed: int = 0

    def draw(self, k: int) -> designs.Design:
        """The runs for k techniques."""
        return designs.add_one(k, _times(self.replicates, k), seed=_seed(self.seed))


@dataclass(frozen=True)
class Ladder:
    """The techniques added one after the other in the recipe's order, `repeats` times with other seeds.

    seed: of the design.
    """

    kind: ClassVar[Kind] = "ladder"
    repeats: int = LEAST_SEEDS
    seed: int = 0

    def draw(self, k: int) -> designs.Design:
        """The runs for k techniques."""
        return designs.ladder(range(k), _times(self.repeats, k), seed=_seed(self.seed))


Design = Factorial | LeaveOneOut | AddOne | Ladder
KINDS: tuple[Kind, ...] = ("factorial", "leave-one-out", "add-one", "ladder")


def design(kind: Kind, seeds: int | None = None, seed: int = 0) -> Design:
    """A design by name. seeds: fold pairs of a factorial, replicates of a toggle, repeats of a ladder (None: usual).

    Raises RequestError for a name that isn't one.
    """
    match kind:
        case "factorial":
            return Factorial(None if seeds is None else Seeds(seeds), seed)
        case "leave-one-out":
            return LeaveOneOut(seed=seed) if seeds is None else LeaveOneOut(Seeds(seeds), seed)
        case "add-one":
            return AddOne(seed=seed) if seeds is None else AddOne(seeds, seed)
        case "ladder":
            return Ladder(seed=seed) if seeds is None else Ladder(seeds, seed)
    raise RequestError(f"unknown design '{kind}'; there are: {', '.join(KINDS)}")
