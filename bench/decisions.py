"""Whether advice comes true: what following it was expected to lose, and what it lost, where the truth is known.

    python -m bench.decisions [--times 400]    a quarter of an hour on one core; writes docs/decisions.md

A study is drawn, run and analysed as `bakeoff ablate` does it, `times` over. Every technique is then kept or left out
as the analysis says, and what that loses against knowing the truth is looked up: averaged over the other techniques,
and inside the recipe. On the kept ground truth the same runs are judged as others would, too.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from bakeoff.ablation.design import Factorial
from bakeoff.files import write_text
from bakeoff.stats import designs, effects, thompson
from bakeoff.stats.decision import Action, Decision, Known, decide
from bakeoff.stats.log_error import LogError
from bakeoff.stats.outcomes import Bools, Floats, Runs
from bakeoff.stats.surrogate import features, terms
from bakeoff.stats.table import AnalysisOptions, Effect, worth_having
from bench import ground_truth, worlds
from bench.compare import ROOT

PAGE = ROOT / "docs" / "decisions.md"
K = 9  # training techniques, as in the ground truth
ALWAYS = AnalysisOptions(delta=0.0)  # every technique is kept or left out
SURE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01)


@dataclass(frozen=True, eq=False)
class Answers:
    """What is true of each technique, in points: averaged; so on the scale of the error; inside the recipe.

    error: of the recipe, in percent. tolerance: what isn't worth having.
    """

    averaged: Floats
    on_errors: Floats
    inside: Floats
    error: float
    tolerance: float

    def held(self, effect: Effect, question: str, index: int) -> bool:
        """Whether the interval that is shown for a technique holds what is true of it."""
        true: float = getattr(self, question)[index]
        if question == "on_errors":
            return effect.errors is None or effect.errors.low <= -np.expm1(-true / self.error) <= effect.errors.high
        return not effect.sim_low > true and not effect.sim_high < true


def answers(accuracy: Floats, levels: Bools) -> Answers:
    """accuracy: (2^K, V) in percent, as it is or without and with an evaluation technique; levels: (2^K, K)."""
    whole = accuracy[levels.all(axis=1)][0]
    error = 100 - whole[-1]

    def mean(values: Floats) -> Floats:
        training = [values[on].mean() - values[~on].mean() for on in levels.T]
        return np.array([*training, *np.diff(values.mean(axis=0))])

    without = [accuracy[(levels == (np.arange(K) != j)).all(axis=1)][0, -1] for j in range(K)]
    inside = np.array([*(whole[-1] - np.array(without)), *np.diff(whole)])
    return Answers(mean(accuracy), -error * mean(np.log(100 - accuracy)), inside, error, worth_having(error, None))


@dataclass(frozen=True)
class Followed:
    """Advice that was followed. settled: its loss was expected not to matter. sure, claimed: as told.

    lost, averaged, inside: points, by the question that was answered, and by the other two. held: whether all intervals
    of its table hold the truth.
    """

    settled: bool
    sure: float
    claimed: float
    lost: float
    averaged: float
    inside: float
    held: bool


def follow(found: Sequence[Effect], question: str, true: Answers) -> list[Followed]:
    """Keep and leave out as the effects say. question: the field of `Answers` that they are about."""
    followed = []
    held = all(true.held(effect, question, index) for index, effect in enumerate(found))
    for index, effect in enumerate(found):
        if effect.decision is None:
            continue
        keep = effect.decision.action != "leave_out"
        lost, outside, within = (
            float(max(0.0, -gain[index] if keep else gain[index]))
            for gain in (getattr(true, question), true.averaged, true.inside)
        )
        settled = effect.decision.loss_pp <= true.tolerance
        sure, claimed = effect.decision.p_sign, effect.decision.loss_pp
        followed.append(Followed(settled, sure, claimed, lost, outside, within, held))
    return followed


def averaged(runs: Runs) -> list[Effect]:
    """The effects that `ablate` shows first."""
    return effects.averaged(runs, _names(runs), ALWAYS)


def inside(runs: Runs, *, on_errors: bool = True) -> list[Effect]:
    """Beside the recipe, by the model of all runs."""
    recipe = np.ones(runs.levels.shape[1] + runs.evaluations, bool)
    views = runs.view_at(recipe[runs.levels.shape[1] :])
    scale = LogError.near_the_best((runs.acc * views).sum(axis=1)) if on_errors else None
    return effects.modelled(runs, _names(runs), recipe, effects.surface(runs, views, scale), options=ALWAYS)


def _in_points(runs: Runs) -> list[Effect]:
    """The averages, decided by their gains in points."""
    found = averaged(runs)
    known = [Known(effect.gain_pp, effect.se, effect.df) for effect in found]
    decisions = decide(known, [(effect.sim_low, effect.sim_high) for effect in found], 0.0)
    return [replace(effect, decision=decision) for effect, decision in zip(found, decisions, strict=True)]


def _tested(found: Sequence[Effect]) -> list[Effect]:
    """Keep what is significantly better by a t test of its own, and settle what is significant."""

    def decision(effect: Effect) -> Decision:
        keep: Action = "keep" if effect.low > 0 else "leave_out"
        loss = 0.0 if effect.low > 0 or effect.high < 0 else float("inf")
        return Decision(keep, float("nan"), loss, established=False)

    return [replace(effect, decision=decision(effect)) for effect in found]


def _without(runs: Runs) -> list[Effect]:
    return effects.switched(runs, _names(runs), np.ones(K, bool), "leave_one_out", ALWAYS)


def _by_sign(found: Sequence[Effect]) -> list[Effect]:
    """Keep whatever is better in the mean; nothing is said of what that may lose."""
    signs: list[Action] = ["keep" if effect.gain_pp > 0 else "leave_out" for effect in found]
    return [
        replace(effect, decision=Decision(sign, float("nan"), float("nan"), established=False))
        for effect, sign in zip(found, signs, strict=True)
    ]


def _names(runs: Runs) -> list[str]:
    return [str(index) for index in range(runs.levels.shape[1] + runs.evaluations)]


@dataclass(frozen=True)
class Judged:
    """A way to judge runs. question: the field of `Answers` that it is about. share: of the replays, that it gets."""

    name: str
    draw: Callable[[int], designs.Design]
    read: Callable[[Runs], list[Effect]]
    question: str
    share: float = 1.0


def _factorial(seed: int) -> designs.Design:
    return Factorial(seed=seed).draw(K)


def _leave_one_out(seed: int) -> designs.Design:
    return designs.leave_one_out(K, 6, seed=seed)


AVERAGED = Judged("factorial: what to do, averaged", _factorial, averaged, "on_errors")
INSIDE = Judged("factorial: what to do inside the recipe", _factorial, inside, "inside", 0.25)
JUDGED = (
    AVERAGED,
    Judged("the same, if it were decided in points", _factorial, _in_points, "averaged"),
    Judged("factorial, t tests", _factorial, lambda runs: _tested(averaged(runs)), "averaged"),
    INSIDE,
    Judged(
        "the same, if the model were in points", _factorial, lambda runs: inside(runs, on_errors=False), "inside", 0.25
    ),
    Judged("leave-one-out, what to do", _leave_one_out, _without, "inside"),
    Judged("leave-one-out, t tests", _leave_one_out, lambda runs: _tested(_without(runs)), "inside"),
    Judged("leave-one-out, better in the mean", _leave_one_out, lambda runs: _by_sign(_without(runs)), "inside"),
)


def replay(judged: Judged, times: int) -> list[Followed]:
    """Advice from runs of the ground truth: of its six seeds, a random one for each of the design's.

    Six blocks of shared seeds would be the truth's own seeds; they are drawn from its means and sds, see `coverage`.
    """
    kept, levels, _ = ground_truth.load()
    acc = ground_truth.reported(kept)
    true = answers(acc.mean(axis=1)[:, None], levels)
    followed = []
    for seed in range(max(1, int(judged.share * times))):
        design = judged.draw(seed)
        random = np.random.default_rng([seed, 7])
        blocks, of_block = np.unique(design.block, return_inverse=True)
        rows = design.levels @ 2 ** np.arange(K)[::-1]
        if len(blocks) > acc.shape[1]:
            y = acc[rows, random.integers(acc.shape[1], size=len(blocks))[of_block]]
        else:
            shared, own = random.standard_normal(len(blocks))[of_block], random.standard_normal(len(rows))
            noise = np.sqrt(worlds.REAL.rho) * shared + np.sqrt(1 - worlds.REAL.rho) * own
            y = acc[rows].mean(axis=1) + acc[rows].std(axis=1, ddof=1) * noise
        followed += follow(judged.read(Runs.collect(design.levels, y, design.block)), judged.question, true)
    return followed


class Multiplied:
    """A truth whose errors multiply: each technique takes a share of them, and so do pairs; noise is a share too."""

    BASE, MAIN, PAIR, NOISE = 5.0, 0.08, 0.015, 0.1  # percent; logarithms of the error, +-1 coding

    def __init__(self, draw: np.random.Generator) -> None:
        size = np.array([len(term) for term in terms(K)])
        self.change = np.array([0.0, self.MAIN, self.PAIR, 0.0])[size] * draw.standard_normal(len(size))

    def of(self, levels: Bools) -> tuple[Floats, Floats]:
        """See `worlds.Truth`."""
        error = self.BASE * np.exp(features(levels) @ self.change)
        return 100 - error, 0.02 * error

    def sd(self, levels: Bools) -> Floats:
        """See `worlds.Truth`."""
        return np.asarray(self.NOISE * (100 - self.of(levels)[0]))

    def averaged(self) -> Floats:
        """See `worlds.Truth`."""
        off, within = self.of(LEVELS)
        return answers(np.stack([off, off + within], axis=1), LEVELS).averaged


class ErrorsMultiply(worlds.World):
    """The world of `Multiplied`."""

    def draw(self, k: int, draw: np.random.Generator) -> worlds.Truth:
        """See `worlds.World`."""
        return Multiplied(draw)


LEVELS = thompson.configurations(K)
_SAME = ("corners quiet", "lost at random", "diverged")  # as the others, for what is asked here
WORLDS = (*(w for w in worlds.WORLDS if w.name not in _SAME), ErrorsMultiply("errors multiply"))


def in_world(world: worlds.World, judged: Judged, times: int) -> list[Followed]:
    """Advice from studies in a world, of nine training techniques and an evaluation technique."""
    followed = []
    for seed in range(max(1, int(judged.share * times))):
        truth = world.draw(K, np.random.default_rng([seed, *b"truth"]))
        off, within = truth.of(LEVELS)
        true = answers(np.stack([off, off + within], axis=1), LEVELS)
        runs = worlds.Study(world, truth, seed).make(judged.draw(seed))
        followed += follow(judged.read(runs), judged.question, true)
    return followed


def mean(followed: Sequence[Followed], what: str) -> float:
    """Of a field of `Followed`."""
    return float(np.mean([getattr(each, what) for each in followed]))


def _right(followed: Sequence[Followed], tolerance: float) -> float:
    """Of what was settled, the share that lost no more than doesn't matter."""
    lost = [each.lost for each in followed if each.settled]
    return float(np.mean(np.array(lost) <= tolerance)) if lost else float("nan")


HEAD = """# Whether advice comes true

`bakeoff ablate` says of every technique: keep, leave out, or doesn't matter, how sure that is, and what following it is
expected to lose. Here it was followed, always, and what that lost against knowing the truth was looked up: {times:,}
studies of 54 runs each ({fewer:,} for what the model says), drawn, run and analysed as the command does it
(`python -m bench.decisions`). All losses are in points a technique.

Two questions are told apart. *Averaged*: what a technique does with the others on or off; advice is given on the scale
of the error, in points at the recipe's error. *Inside*: what the recipe loses without it.
"""
TABLE = """
## On a ground truth

Nine techniques on handwritten digits, all 512 recipes trained with six seeds; the recipe of all nine has an error of
{error:.1f} %. What doesn't matter is 2 % of that, {tolerance:g} points. Settled: no more than that is expected to be
lost (of a t test: it is significant). Right: of the settled, those that lost no more. The t tests keep what is
significantly better; "better in the mean" is leave-one-out as it is mostly done. Leave-one-out has 60 runs, six blocks
of shared seeds, with normal noise of the size that was seen: its own six seeds would be the truth itself. It answers
what it asks, inside the recipe, best of all, and what the factorial asks worst.

| | settled | right | expected loss | loss by its own question | averaged, in points | inside |
|---|---|---|---|---|---|---|
"""
SURENESS = """
How often the sign was right, by how sure the advice was of it:

| sure | averaged: share of the advice, right | inside: share, right |
|---|---|---|
"""
WORLD = """
## In worlds

As in [coverage](coverage.md), where they are described, with nine training techniques and an evaluation technique;
and one in which techniques, pairs and noise each take a share of the error. Expected loss and what was lost; and the
share of studies in which all intervals of the errors hold, which mark what is beyond doubt (on the ground truth
{held:.3f}):

| world | averaged: expected, lost | intervals hold | inside: expected, lost |
|---|---|---|---|
"""
FOOT = """
## Why on the scale of the error

On the ground truth the same runs, decided in points, lose more by every yardstick: the rows with "if". What techniques
do to an error nearly multiplies, and bad settings, which are the noisiest, weigh no more than good ones. Gains stay in
points where they are stated, since those add up to the total gain; the share of the errors stands beside them.

How large effects are is learned from the table: normal, with a common spread that is averaged over, and one in ten
as large as any. Also tried, on 200 replays and seven worlds: Student's t with 3, 2 and 1 degrees of freedom and the
horseshoe in its place. The heavier the tails, the surer the claims: the horseshoe claimed .7 of what was lost where
effects were normal or Laplace.
"""


def page(times: int) -> str:
    """Markdown of all of it."""
    kept, levels, _ = ground_truth.load()
    accuracy = ground_truth.reported(kept).mean(axis=1)[:, None]
    tolerance = answers(accuracy, levels).tolerance
    error = 100 - float(accuracy[levels.all(axis=1), 0][0])
    found = {judged.name: replay(judged, times) for judged in JUDGED}
    lines = []
    for name, each in found.items():
        cells = [mean(each, "settled"), _right(each, tolerance), mean(each, "claimed")]
        cells += [mean(each, "lost"), mean(each, "averaged"), mean(each, "inside")]
        lines.append(f"| {name} | {' | '.join(f'{cell:.3f}' if np.isfinite(cell) else '-' for cell in cells)} |\n")
    parts = [HEAD.format(times=times, fewer=times // 4), TABLE.format(error=error, tolerance=tolerance), *lines]
    parts.append(SURENESS)
    for low, high in pairwise(SURE):
        cells_ = [_sign_right(found[judged.name], low, high) for judged in (AVERAGED, INSIDE)]
        parts.append(f"| {low:.2f} to {min(high, 1):.2f} | {' | '.join(cells_)} |\n")
    parts.append(WORLD.format(held=mean(found[AVERAGED.name], "held")))
    for world in WORLDS:
        first, second = (in_world(world, judged, times) for judged in (AVERAGED, INSIDE))
        one, other = (f"{mean(each, 'claimed'):.4f}, {mean(each, 'lost'):.4f}" for each in (first, second))
        parts.append(f"| {world.name} | {one} | {mean(first, 'held'):.3f} | {other} |\n")
    return "".join([*parts, FOOT])


def _sign_right(followed: Sequence[Followed], low: float, high: float) -> str:
    chosen = [each.lost == 0 for each in followed if low <= each.sure < high]
    return f"{len(chosen) / len(followed):.2f}, {np.mean(chosen):.2f}" if chosen else "-"


def main() -> None:
    """Every way to judge and every world, and the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.decisions", description=__doc__)
    parser.add_argument("--times", type=int, default=400)
    write_text(PAGE, page(parser.parse_args().times))


if __name__ == "__main__":
    main()
