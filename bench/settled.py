"""What ending as soon as it is settled saves: leave-one-out of so many seeds against one that ends by itself.

    python -m bench.settled [--times 400]    two minutes on one core

On the means and the noise of the kept ground truth, nine techniques on handwritten digits, whose seeds correlate by
.585 as its own runs do, and in the world of even noise of `bench.coverage`.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from bakeoff.stats import designs, effects, outcomes, sequential
from bakeoff.stats.outcomes import Bools, Floats, Ints
from bakeoff.stats.table import AnalysisOptions, Effect
from bench.coverage import _names, _true_beside
from bench.worlds import REAL, WORLDS, Study, World

K, MOST = 9, 24
TOLERANCES = (0.05, 0.1, 0.2)  # points


@dataclass(frozen=True)
class Row:
    """Of training techniques, in the mean over studies; losses in points a technique.

    runs: of a study. settled: share whose expected loss is within the tolerance. claimed, realised: loss of following
    the decision. beyond: share of decisions that lose more than the tolerance. half_width: median of the intervals.
    """

    world: str
    design: str
    tolerance: float
    runs: float
    settled: float
    claimed: float
    realised: float
    beyond: float
    half_width: float


def _loss(effect: Effect, true: float) -> tuple[float, float]:
    """Claimed and realised."""
    assert effect.decision is not None
    lost = {"keep": max(-true, 0.0), "leave_out": max(true, 0.0), "either": abs(true)}
    return effect.decision.loss_pp, lost[effect.decision.action]


def replay(world: World, seeds: int, tolerance: float, times: int, *, ends: bool) -> Row:
    """Studies of so many seeds, at most if they end by themselves."""
    on, runs, claims, widths = np.ones(K, bool), list[int](), list[tuple[float, float]](), list[float]()
    after = sequential.looks(seeds) if ends else (seeds,)
    for seed in range(times):
        truth = world.draw(K, np.random.default_rng([seed, *b"truth"]))
        design = designs.leave_one_out(K, seeds, seed=seed)
        acc = Study(world, truth, seed).accuracies(design)

        def read(rows: Ints, look: int, design: designs.Design = design, acc: Floats = acc) -> list[Effect]:
            made = outcomes.Runs.collect(design.levels[rows], acc[rows], design.block[rows])
            options = AnalysisOptions(delta=tolerance, share=sequential.share(look, len(after)))
            return effects.switched(made, _names(K), np.ones(K + 1, bool), options=options)

        open_ = partial(_open, read, tolerance)
        due = sequential.due(design.levels, design.block, on, after, open_)
        table, true = read(due.rows, due.look)[:K], _true_beside(True, truth, design)
        runs.append(len(due.rows))
        known = [(effect, value) for effect, value in zip(table, true, strict=False) if effect.decision]
        claims += [_loss(effect, value) for effect, value in known]
        widths += [(effect.high - effect.low) / 2 for effect, _ in known if math.isfinite(effect.low)]
    claimed, realised = np.array(claims).T
    return Row(
        world.name,
        "until settled" if ends else f"{seeds} seeds",
        tolerance,
        float(np.mean(runs)),
        float(np.mean(claimed <= tolerance)),
        float(claimed.mean()),
        float(realised.mean()),
        float(np.mean(realised > tolerance)),
        float(np.median(widths)),
    )


def _open(read: Callable[[Ints, int], list[Effect]], tolerance: float, rows: Ints, look: int) -> Bools:
    return sequential.unsettled(read(rows, look), tolerance)


def measure(times: int) -> Iterator[Row]:
    """Every row."""
    for world in (REAL, WORLDS[0]):
        for tolerance in TOLERANCES:
            for seeds in (6, 12, MOST):
                yield replay(world, seeds, tolerance, times, ends=False)
            yield replay(world, MOST, tolerance, times, ends=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.settled", description=__doc__)
    parser.add_argument("--times", type=int, default=400)
    shown = Table("world", "design", "tolerance", "runs", "settled", "claimed", "realised", "beyond", "half-width")
    for row in measure(parser.parse_args().times):
        shown.add_row(*(f"{value:.3f}" if isinstance(value, float) else value for value in vars(row).values()))
    Console().print(shown)


if __name__ == "__main__":
    main()
