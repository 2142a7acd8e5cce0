"""Whether intervals hold: every design that a command can ask for, in worlds whose truth is known.

    python -m bench.coverage [--times 300]    25 minutes on one core, 1,000 take 80; writes docs/coverage.md

A study is drawn, run and analysed as `bakeoff ablate` does it, `times` over, each in a world of its own. A number is
the share of studies whose 95 % intervals hold the truth: of the technique for which that is rarest and of the one for
which it is most common, of the whole table together, of an evaluation technique, and of the total gain. Of 1,000
studies a share is known to 0.7 points, so the rarest of twelve is .939 in the mean where all are .95.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Protocol

import numpy as np

from bakeoff.ablation.design import LEAST_DF, AddOne, Design, Factorial, Ladder, LeaveOneOut, Runs, Settled
from bakeoff.files import write_text
from bakeoff.stats import designs, effects, outcomes, sequential
from bakeoff.stats.intervals import t_quantile
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.power import stein
from bakeoff.stats.surrogate import features, terms
from bakeoff.stats.table import AnalysisOptions, Effect
from bench import ground_truth
from bench.compare import ROOT

PAGE = ROOT / "docs" / "coverage.md"
TECHNIQUES = (2, 4, 8, 9, 10, 12, 14)
BASE = 90.0  # percent
MAIN, PAIR, TRIPLE = 0.18, 0.03, 0.006  # sds of the coefficients in points, +-1 coding (STATISTICS 3)
SIGMA = 0.2  # points, from run to run
WITHIN = (0.2, 0.1, 0.05)  # what an evaluation technique does: mean, sds of how single techniques and pairs change it
TOLERANCE = 0.02  # points of expected loss at which a technique is settled: a tenth of the noise, so that looks differ
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
def _measured() -> Measured:
    return Measured()


class Table(World):
    """The world of the ground truth; its seeds agree as its runs do that differ in one technique."""

    def draw(self, k: int, draw: np.random.Generator) -> Truth:
        """See `World`."""
        return _measured()


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


@dataclass(frozen=True)
class Case:
    """A design for k training techniques, its table, and what is true of it."""

    name: str
    k: int
    draw: Callable[[int], designs.Design]
    read: Callable[[designs.Design, Study], list[Effect]]
    true: Callable[[Truth, designs.Design], Floats]


def _names(k: int) -> list[str]:
    return [str(number) for number in range(k + 1)]


def _factorial(design: designs.Design, study: Study) -> list[Effect]:
    runs = study.make(design)
    return effects.averaged(runs, _names(runs.levels.shape[1]))


def _of_a_width(design: designs.Design, study: Study) -> list[Effect]:
    """Two stages, for intervals six tenths as wide as the first stage's are in the mean."""
    first = study.make(design)
    k = first.levels.shape[1]
    table = effects.averaged(first, _names(k))
    found = table[0]
    if not math.isfinite(found.se):
        return table
    wanted = 0.6 * t_quantile(0.95, found.df) * 2 * study.truth.sd(design.levels).mean() / math.sqrt(found.runs)
    block = len(designs.factorial(k))
    blocks = math.ceil(stein(found.se * math.sqrt(found.runs) / 2, found.df, found.runs, wanted) / block)
    larger = Factorial(Runs(min(blocks, 40) * block), design.seed).draw(k)
    return effects.averaged(study.make(larger), _names(k), first_stage=first)


def _beside(on: bool, design: designs.Design, study: Study) -> list[Effect]:
    runs = study.make(design)
    k = runs.levels.shape[1]
    return effects.switched(runs, _names(k), np.full(k + 1, on))


def _until_settled(design: designs.Design, study: Study) -> list[Effect]:
    """As it ends by itself; an interval holds if it did at every look."""
    acc, reference = study.accuracies(design), np.ones(design.levels.shape[1], bool)
    after = sequential.looks(int(design.block.max()) + 1)
    seen: list[list[Effect]] = []

    def read(rows: outcomes.Ints, look: int) -> Bools:
        runs = outcomes.Runs.collect(design.levels[rows], acc[rows], design.block[rows])
        options = AnalysisOptions(delta=TOLERANCE, share=sequential.share(look, len(after)))
        k = len(reference)
        seen.append(effects.switched(runs, _names(k), np.ones(k + 1, bool), options=options))
        return sequential.unsettled(seen[-1], TOLERANCE)

    sequential.due(design.levels, design.block, reference, after, read)
    return _at_every_look(seen)


def _stopped_at_will(design: designs.Design, study: Study) -> list[Effect]:
    """Looked at whenever, which nobody planned; an interval holds if it did each time."""
    acc, k, seen = study.accuracies(design), design.levels.shape[1], []
    for seeds in (2, 3, 4, 6, 9, 13, 18, 24):
        rows = design.block < seeds
        runs = outcomes.Runs.collect(design.levels[rows], acc[rows], design.block[rows])
        options = AnalysisOptions(unplanned=True)
        seen.append(effects.switched(runs, _names(k), np.ones(k + 1, bool), options=options))
    return _at_every_look(seen)


def _at_every_look(seen: Sequence[list[Effect]]) -> list[Effect]:
    """The last table, with what its intervals have in common with those of the looks before."""

    def common(end: str, tightest: Callable[[Sequence[float]], float], technique: int) -> float:
        values = [getattr(table[technique], end) for table in seen]
        return tightest([value for value in values if math.isfinite(value)] or [math.nan])

    return [
        replace(
            effect,
            low=common("low", max, technique),
            high=common("high", min, technique),
            sim_low=common("sim_low", max, technique),
            sim_high=common("sim_high", min, technique),
        )
        for technique, effect in enumerate(seen[-1])
    ]


def _stacked(design: designs.Design, study: Study) -> list[Effect]:
    runs = study.make(design)
    k = runs.levels.shape[1]
    return effects.stacked(runs, _names(k), [*design.order, k])


def _true_average(truth: Truth, design: designs.Design) -> Floats:
    return truth.averaged()


def _true_beside(on: bool, truth: Truth, design: designs.Design) -> Floats:
    """Beside all on, evaluated with the evaluation technique, or beside all off, without it."""
    k = design.levels.shape[1]
    reference = np.full(k, on)
    off, within = truth.of(np.concatenate([reference[None], reference ^ np.eye(k, dtype=bool)]))
    value = off + within * on
    return np.append((1 if on else -1) * (value[0] - value[1:]), within[0])


def _true_steps(truth: Truth, design: designs.Design) -> Floats:
    k = design.levels.shape[1]
    rungs = np.zeros((k + 1, k), bool)
    for rung, technique in enumerate(design.order, start=1):
        rungs[rung:, technique] = True
    off, within = truth.of(rungs)
    return np.append(np.diff(off), within[-1])


def cases(ks: Sequence[int]) -> Iterator[Case]:
    """Every design of `bakeoff ablate`, a factorial at its usual and at its smallest size as well."""

    def drawn(make: Callable[[int], Design], k: int) -> Callable[[int], designs.Design]:
        return lambda seed: make(seed).draw(k)

    def least(k: int) -> Callable[[int], Design]:
        return lambda seed: Factorial(Runs(designs.smallest(k, LEAST_DF)), seed)

    for k in ks:
        usual = drawn(lambda seed: Factorial(seed=seed), k)
        yield Case("factorial", k, usual, _factorial, _true_average)
        yield Case("factorial, smallest", k, drawn(least(k), k), _factorial, _true_average)
        yield Case("factorial, --half-width", k, usual, _of_a_width, _true_average)
        for on, kind in ((True, LeaveOneOut), (False, AddOne)):
            rows = drawn(partial(_seeded, kind), k)
            yield Case(kind.kind, k, rows, partial(_beside, on), partial(_true_beside, on))
        most = drawn(lambda seed: LeaveOneOut(Settled(), seed), k)
        for name, read in (("until settled", _until_settled), ("stopped at will", _stopped_at_will)):
            yield Case(f"leave-one-out, {name}", k, most, read, partial(_true_beside, True))
        yield Case("ladder", k, drawn(lambda seed: Ladder(seed=seed), k), _stacked, _true_steps)


def _seeded(kind: type[LeaveOneOut] | type[AddOne], seed: int) -> Design:
    return kind(seed=seed)


@dataclass(frozen=True)
class Shares:
    """Of the studies of a design in a world, those whose intervals hold; NaN where there are none.

    runs: of a study, in the mean. least, most: of one training technique. undecided: effects that have no interval.
    """

    runs: float
    least: float
    most: float
    together: float
    evaluation: float
    total: float
    undecided: float


def _share(held: Sequence[bool]) -> float:
    return sum(held) / len(held) if held else math.nan


def cover(world: World, case: Case, times: int) -> Shares:
    """The shares of one design in one world."""
    alone, together, evaluation, total, runs = (list[Floats](), list[bool](), list[bool](), list[bool](), list[int]())
    for seed in range(times):
        truth = world.draw(case.k, np.random.default_rng([seed, *b"truth"]))
        study, design = Study(world, truth, seed), case.draw(seed)
        table, true = case.read(design, study), case.true(truth, design)
        low, high = (np.array([getattr(effect, end) for effect in table]) for end in ("low", "high"))
        inside = np.where(np.isfinite(low), (low <= true) & (true <= high), np.nan)
        alone.append(inside[:-1])
        evaluation += [bool(inside[-1])] * bool(np.isfinite(inside[-1]))
        sim = [(e.sim_low, t, e.sim_high) for e, t in zip(table, true, strict=True) if math.isfinite(e.sim_low)]
        together.append(all(low <= t <= high for low, t, high in sim))
        found = study.make(design)
        runs.append(max(len(found) + len(found.lost), table[0].runs))
        on, off = np.ones(case.k + 1, bool), np.zeros(case.k + 1, bool)
        whole = effects.total(found, on, off)
        if math.isfinite(whole.low):
            (top, bottom), (more, _) = truth.of(np.stack([on[:-1], off[:-1]]))
            total.append(bool(whole.low <= top + more - bottom <= whole.high))
    each = np.array(alone)
    known = np.isfinite(each)
    rates = np.nansum(each, axis=0) / known.sum(axis=0)
    return Shares(
        float(np.mean(runs)),
        float(rates.min()),
        float(rates.max()),
        _share(together),
        _share(evaluation),
        _share(total),
        float(1 - known.mean()),
    )


HEAD = """# Whether the intervals hold

Every design that `bakeoff ablate` offers, at its usual size and a factorial at its smallest one, in worlds whose truth
is known: {times:,} studies of each, with {ks} training techniques and one evaluation
technique, drawn, run and analysed as the command does it (`python -m bench.coverage`). A number is the share of studies
whose 95 % interval holds the truth: of the technique for which that is rarest and of the one for which it is most
common, over all numbers of techniques; of all rows together (the marked ones); of the evaluation technique; of the
total gain. {times:,} studies know a share to {error:.1f} points (one standard error), so the rarest of dozens is
expected about three of these below 95. Sizes with fewer than {df} degrees of freedom for their noise are refused.

Noise with the error: 2.7 times the noise for 1.25 points more of error. Corners quiet: all on and all off scatter by
0.3 of the others. One technique calms: runs with it scatter by a fifth. Heavy tails: Student's t with 3 degrees of
freedom. Third order: what three techniques do together is as large as what two do. Seeds shared: runs with the same
seed correlate by 0.5. Lost at random: 5 % of the runs have no result. Diverged: without the first technique and with
the second, half of them. Digits, measured: the means and the noise of the kept ground truth, nine techniques on
handwritten digits, all 512 combinations with six seeds.

Until settled: at most 24 seeds, looked at after 6, 10, 15 and 24, and ended once every technique is settled. Stopped at
will: looked at after 2, 3, 4, 6, 9, 13, 18 and 24 seeds by somebody who might have stopped at any of them. An interval
of these two holds if it did at every look; runs are those that there are at most.
"""


def page(rows: dict[str, dict[str, list[Shares]]], times: int) -> str:
    """Markdown of design -> world -> shares, one for each number of techniques."""
    ks = ", ".join(map(str, TECHNIQUES[:-1])) + f" or {TECHNIQUES[-1]}"
    error = 100 * math.sqrt(0.95 * 0.05 / times)
    parts = [HEAD.format(times=times, ks=ks, error=error, df=LEAST_DF)]
    for name, worlds in rows.items():
        lines = [
            "| world | runs | rarest, most common | together | evaluation | total gain | no interval |",
            "|---|---|---|---|---|---|---|",
        ]
        for world, found in worlds.items():
            runs = _range([shares.runs for shares in found], "{:.0f}")
            rare, most = min(s.least for s in found), max(s.most for s in found)
            others = [
                _range([getattr(shares, what) for shares in found], "{:.3f}")
                for what in ("together", "evaluation", "total", "undecided")
            ]
            lines.append(f"| {world} | {runs} | {rare:.3f}, {most:.3f} | {' | '.join(others)} |")
        parts.append(f"## {name}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _range(values: Sequence[float], form: str) -> str:
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "-"
    low, high = form.format(min(known)), form.format(max(known))
    return low if low == high else f"{low} to {high}"


def measure(times: int, ks: Sequence[int] = TECHNIQUES) -> dict[str, dict[str, list[Shares]]]:
    """Every design in every world: design -> world -> shares, one for each number of techniques."""
    rows: dict[str, dict[str, list[Shares]]] = {}
    for case in cases(ks):
        for world in (*WORLDS, *[REAL] * (case.k == _measured().levels.shape[1])):
            rows.setdefault(case.name, {}).setdefault(world.name, []).append(cover(world, case, times))
    return rows


def main() -> None:
    """Every design in every world, and the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.coverage", description=__doc__)
    parser.add_argument("--times", type=int, default=300)
    times = parser.parse_args().times
    write_text(PAGE, page(measure(times), times))


if __name__ == "__main__":
    main()
