"""Nights of proposals, judged: how many nights keep what is no better, and how much of what is better they find.

    python -m bench.judge [--nights 400]    a minute on one core; writes docs/judge.md

A night is 100 proposals to change a training command, one after the other, each judged by pairs of runs as
`bakeoff judge` does it. Beside it, the same pairs by three gates as people build them.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from bakeoff.files import write_text
from bakeoff.stats import paired, spending
from bakeoff.stats.distributions import t_ppf
from bakeoff.stats.outcomes import Bools, Floats, Ints
from bench.compare import ROOT

PAGE = ROOT / "docs" / "judge.md"
NIGHTS, PROPOSALS = 400, 100
PAIRS, MORE = 30, 60  # at most, of a proposal: as the command has it, and more
DELTA = 1.0  # a difference that isn't worth having, in noises of a run
SEEDS = 10  # of the t test


Shape = tuple[int, int]  # nights, pairs


@dataclass(frozen=True)
class World:
    """A kind of night, in units of the noise of a run.

    noise: (draw, (nights, pairs)) -> what the first and the second run of each pair come to. besides: what is added to
    the candidate's. real: share of the proposals that gain `gain`; the others gain `other`.
    """

    name: str
    noise: Callable[[np.random.Generator, Shape], tuple[Floats, Floats]]
    besides: Callable[[np.random.Generator, Shape], Floats] | None = None
    real: float = 0.0
    gain: float = 0.0
    other: float = 0.0


def _normal(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    return draw.standard_normal(shape), draw.standard_normal(shape)


def _heavy(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    first, second = (draw.standard_t(3, shape) / math.sqrt(3) - 10 * (draw.random(shape) < 0.02) for _ in "12")
    return first, second


def _shared(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    seed = math.sqrt(0.6) * draw.standard_normal(shape)
    return seed + math.sqrt(0.4) * draw.standard_normal(shape), seed + math.sqrt(0.4) * draw.standard_normal(shape)


def _steps(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    first, second = (np.rint(noise / 0.7) * 0.7 for noise in _shared(draw, shape))
    return first, second


def _drift(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    first, second = _normal(draw, shape)
    machine = (0.2 + 0.2 * draw.standard_normal((shape[0], 2 * shape[1]))).cumsum(axis=1)
    return first + machine[:, ::2], second + machine[:, 1::2]


def _warm(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    first, second = _normal(draw, shape)
    return first, second + 2


def _calm(draw: np.random.Generator, shape: Shape) -> tuple[Floats, Floats]:
    return 0.2 * draw.standard_normal(shape), 0.2 * draw.standard_normal(shape)


def _fails_seldom(draw: np.random.Generator, shape: Shape) -> Floats:
    found: Floats = np.where(draw.random(shape) < 0.05, -9.5, 0.5)
    return found


NULL = (
    World("normal noise", _normal),
    World("heavy tails", _heavy),
    World("seeds shared", _shared),
    World("steps", _steps),
    World("drifting machine", _drift),
    World("second run better", _warm),
)
FOUND = (
    *(World(f"gains of {gain:g}", _normal, real=0.05, gain=gain) for gain in (1, 2, 3)),
    World("gains of 2, the others harm by 1", _normal, real=0.05, gain=2, other=-1),
    World("gains of 1, heavy tails", _heavy, real=0.05, gain=1),
    World("gains of 1, seeds shared", _shared, real=0.05, gain=1),
    World("gains of 1, drifting machine", _drift, real=0.05, gain=1),
)
BLIND = (World("candidates that fail seldom", _calm, _fails_seldom),)

# (nights, MORE) differences and orders -> which proposals are kept, and how many pairs each took, (nights,)
Judge = Callable[[Floats, Floats], tuple[Bools, Ints]]


def bakeoff_judge(nights: int, most: int = PAIRS) -> Judge:
    """As the command does it: `paired.standing` after each pair, and `spending`, for all nights at once."""
    left, unkept = np.full(nights, spending.BUDGET), np.zeros(nights)
    alone = -math.log(paired.ALONE)

    def judge(difference: Floats, order: Floats) -> tuple[Bools, Ints]:
        share = left / (spending.AHEAD + unkept + 1)
        ours = paired.bets(difference[:, :most], order[:, :most])
        theirs = paired.Bets(-ours.left, ours.spread)
        better = paired.log_capital(ours, 0.0) >= -np.log(share)[:, None]
        worse = paired.log_capital(theirs, 0.0) >= alone
        within = (paired.log_capital(ours, -DELTA) >= alone) & (paired.log_capital(theirs, -DELTA) >= alone)
        settled = better | worse | within
        last = np.where(settled.any(axis=1), settled.argmax(axis=1), most - 1)
        kept = better[np.arange(nights), last]
        left[~kept] -= share[~kept]
        unkept[~kept] += 1
        return kept, last + 1

    return judge


def better_once(nights: int) -> Judge:
    """One run of each."""

    def judge(difference: Floats, order: Floats) -> tuple[Bools, Ints]:
        kept: Bools = difference[:, 0] > 0
        return kept, np.full(nights, 1)

    return judge


def three_of_three(nights: int) -> Judge:
    """Better with each of three seeds."""

    def judge(difference: Floats, order: Floats) -> tuple[Bools, Ints]:
        kept: Bools = np.all(difference[:, :3] > 0, axis=1)
        return kept, np.full(nights, 3)

    return judge


def t_test(nights: int) -> Judge:
    """Better, and significant at 5 % by a paired t test: each proposal for itself."""

    def judge(difference: Floats, order: Floats) -> tuple[Bools, Ints]:
        few = difference[:, :SEEDS]
        error = few.std(axis=1, ddof=1) / math.sqrt(SEEDS)
        return few.mean(axis=1) > t_ppf(0.975, SEEDS - 1) * error, np.full(nights, SEEDS)

    return judge


GATES: dict[str, Callable[[int], Judge]] = {
    "bakeoff judge": bakeoff_judge,
    f"--pairs {MORE}": partial(bakeoff_judge, most=MORE),
    "better once": better_once,
    "3 of 3 seeds": three_of_three,
    "t test": t_test,
}


@dataclass(frozen=True)
class Row:
    """What a gate does in a world.

    nights: share of those that keep something that is no better. false: so many of these a night. found: share of what
    is better that is kept. runs: of both commands, a proposal.
    """

    world: str
    gate: str
    nights: float
    false: float
    found: float
    runs: float


def replay(world: World, nights: int, proposals: int = PROPOSALS) -> Iterator[Row]:
    """What each gate does with the same runs."""
    gates = {name: make(nights) for name, make in GATES.items()}
    false, found, pairs = ({name: np.zeros(nights) for name in gates} for _ in range(3))
    better = 0
    for proposal in range(proposals):
        draw = np.random.default_rng([proposal, nights, *world.name.encode()])
        first, second = world.noise(draw, (nights, MORE))
        order = draw.choice([-1.0, 1.0], (nights, MORE))  # 1: the candidate runs first
        real = draw.random(nights) < world.real
        difference = order * (first - second) + np.where(real, world.gain, world.other)[:, None]
        if world.besides:
            difference += world.besides(draw, (nights, MORE))
        better += int(real.sum())
        for name, judge in gates.items():
            kept, took = judge(difference, order)
            false[name] += kept & ~real
            found[name] += kept & real
            pairs[name] += took
    for name in gates:
        yield Row(
            world.name,
            name,
            nights=float((false[name] > 0).mean()),
            false=float(false[name].mean()),
            found=float(found[name].sum() / better) if better else math.nan,
            runs=float(2 * pairs[name].mean() / proposals),
        )


HEAD = """# Whether a judge can be trusted

{nights} nights of {proposals} proposals each: changes to a training command, one after the other, each judged against
the command that was kept last (`python -m bench.judge`). `bakeoff judge` makes {pairs} pairs of runs at most, ends when
it is settled, and spends one budget of error, {budget:g} %, over all proposals of a night. Beside it, on the same runs,
gates as people build them: better with one seed; better with each of three; significantly better (5 %) by a paired t
test of {seeds} seeds, each proposal for itself. Gains are in standard deviations of a run, from seed to seed; a
difference that isn't worth having is {delta:g} of them.

*Nights*: the share of nights that keep something that is no better. The promise is {budget:g} % at most, and {nights}
nights show it to {error:.1f} points (one standard error). *False*: what is kept and no better, a night. *Found*: what
is better and kept, of all that is better. *Runs*: of both commands, a proposal.
"""

NOTES = """
Heavy tails: Student's t with 3 degrees of freedom, and every fiftieth run is 10 standard deviations worse. Seeds
shared: the two runs of a pair correlate by 0.6. Steps: the same on so few images that a step is 0.7 of the noise.
Drifting machine: each run is 0.2 better than the one before it, with a random walk of 0.2 a run beside. Second run
better: whatever runs second gains 2, as with a cache that is warm then. The naive gates have the same pairs in the same
random order; against a baseline that was measured once they would do worse.

## What it can't see

The promise is that a candidate which adds nothing isn't kept. One that is a little better in most runs and much worse
in a few, so that it is no better in the mean, is another thing: no number of runs shows the ones that weren't made.
Here the noise is 0.2, and candidates gain 0.5 in nineteen of twenty runs and lose 9.5 in the other one.

{blind}
`bakeoff judge` counts runs that failed apart, and keeps no candidate that fails more often than the baseline.
"""


def page(rows: Iterable[Row], nights: int) -> str:
    """Markdown."""
    head = HEAD.format(
        nights=nights, proposals=PROPOSALS, pairs=PAIRS, budget=100 * spending.BUDGET, seeds=SEEDS, delta=DELTA,
        error=100 * math.sqrt(0.05 * 0.95 / nights),
    )  # fmt: skip
    rows = list(rows)
    null, found, blind = (
        _table([row for world in worlds for row in rows if row.world == world.name]) for worlds in (NULL, FOUND, BLIND)
    )
    return (
        f"{head}\n## Where nothing is better\n\n{null}\n## Where one in twenty is better\n\n{found}"
        + NOTES.format(blind=blind)
    )  # fmt: skip


def _table(rows: Iterable[Row]) -> str:
    lines = ["| | gate | nights | false | found | runs |", "|---|---|---|---|---|---|"]
    for row in rows:
        found = "-" if math.isnan(row.found) else f"{row.found:.2f}"
        name = row.world if row.gate == next(iter(GATES)) else ""
        lines.append(f"| {name} | {row.gate} | {row.nights:.3f} | {row.false:.2f} | {found} | {row.runs:.1f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Every gate in every world, and the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.judge", description=__doc__)
    parser.add_argument("--nights", type=int, default=NIGHTS)
    nights = parser.parse_args().nights
    write_text(PAGE, page((row for world in (*NULL, *FOUND, *BLIND) for row in replay(world, nights)), nights))


if __name__ == "__main__":
    main()
