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
from functools import partial

import numpy as np

from bakeoff.ablation.design import LEAST_DF, AddOne, Design, Factorial, Ladder, LeaveOneOut, Runs, Settled
from bakeoff.files import write_text
from bakeoff.stats import designs, effects, outcomes, sequential
from bakeoff.stats.intervals import t_quantile
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.power import stein
from bakeoff.stats.table import AnalysisOptions, Effect
from bench.compare import ROOT
from bench.worlds import REAL, WORLDS, Study, Truth, World, measured

PAGE = ROOT / "docs" / "coverage.md"
TECHNIQUES = (2, 4, 8, 9, 10, 12, 14)
TOLERANCE = 0.02  # points of expected loss at which a technique is settled: a tenth of the noise, so that looks differ


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
        for world in (*WORLDS, *[REAL] * (case.k == measured().levels.shape[1])):
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
