"""A derivation in words: what it is about to do, where it stands, and what was tried for what reason."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from bakeoff.report import words
from bakeoff.report.console.progress import duration
from bakeoff.report.page import Cell, Column, Section, Table, Text, strong
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.study import search as derive
from bakeoff.study.analyse import Results
from bakeoff.study.search import Look, Search
from bakeoff.study.spec import Row

if TYPE_CHECKING:
    from bakeoff.launch.local import Outcome

_MOST_NAMED = 3  # differences from the best that are named


def plan_json(asked: Search) -> dict[str, Any]:
    """What `--plan-only --json` prints."""
    return {
        "study": asked.name,
        "objective": asked.objective,
        "budget": asked.budget,
        "unit": asked.unit,
        "least": asked.least,
        "candidates": list(asked.opening.names),
        "always": list(asked.always),
        "not_applicable": asked.opening.not_applicable,
        "opening": len(asked.opening.rows),
        "earlier_runs": len(asked.prior),
        "shorter_runs": len(asked.shorter),
    }


def show_plan(console: Console, asked: Search) -> None:
    """What a derivation will do."""
    spec = asked.opening
    _say(console, f"{asked.name}: the best of {2 ** len(spec.names):,} recipes from {words.listed(spec.names)}")
    for name, reason in spec.not_applicable.items():
        _say(console, f"not a candidate: {name}, {reason}")
    if asked.always:
        _say(console, f"always on: {words.listed(asked.always)}")
    if asked.prior:
        _say(console, f"{words.counted(len(asked.prior), 'run')} of earlier studies are used")
    if asked.shorter:
        _say(
            console,
            f"{words.counted(len(asked.shorter), 'shorter run')} of earlier studies count for what they agree on",
        )
    _say(
        console,
        f"{len(spec.rows)} runs to begin with, then what the search asks for, then a proof: fresh runs of the recipe, "
        "of the baseline and of every technique switched over, on images that took no part in the search",
    )
    _say(
        console,
        f"budget {_amount(asked, asked.budget)}; beginning and smallest proof take {_amount(asked, asked.least)}",
    )


def planned(asked: Search, stage: str, now: Look | None, rows: Sequence[Row]) -> list[str]:
    """What is about to be run, and why."""
    if now is None:
        return [f"opening: {len(rows)} runs, every technique on in half of them and off in the other half"]
    if stage == "strengths":
        return [f"strengths: {words.counted(len(rows), 'run')} of the best recipe with weaker and stronger techniques"]
    if stage == "proof":
        return [f"proof: {words.counted(len(rows), 'run')} with seeds of their own"]
    lines = [standing(asked, now)]
    if why := derive.enough(asked, now):
        lines.append(f"the search ends: {why}")
    else:
        names = asked.opening.training
        tried = Counter(_difference(row.levels, now.standing.best, names) for row in rows)
        what = "; ".join(text if count == 1 else f"{text}, {count} times" for text, count in tried.items())
        lines.append(f"trying, since each may be better: {what}")
    return lines


def standing(asked: Search, now: Look) -> str:
    """The best recipe so far, with what isn't known about it."""
    on = [name for name, is_on in zip(asked.opening.names, now.reference, strict=True) if is_on]
    best = now.standing
    return (
        f"best so far, after {words.counted(len(now.runs), 'run')} and {100 * now.spent / asked.budget:.0f} % of the "
        f"budget: {', '.join(on) or 'the baseline'}; believed Acc@{asked.k} on select {best.value:.2f} ± "
        f"{1.96 * best.sd:.2f} %, the true best is expected to be {best.regret:.2f} points better"
    )


class Live:
    """Shows where a derivation stands; `planned` and `report` are for `derivation.run_search`."""

    def __init__(self, console: Console, asked: Search) -> None:
        self.console, self.asked = console, asked
        self.so_far = "nothing is known yet: the opening hasn't ended"
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed} of {task.total} runs, {task.fields[left]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._began, self._task = 0.0, self.bar.add_task("opening", total=None, left="")

    def planned(self, stage: str, now: Look | None, rows: Sequence[Row]) -> None:
        """A batch is about to be run."""
        for line in planned(self.asked, stage, now, rows):
            _say(self.console, line)
        if now is not None:
            self.so_far = standing(self.asked, now)
        self._began = time.monotonic()
        self.bar.reset(self._task, description=stage, total=len(rows), left="")

    def report(self, outcome: "Outcome", left: int) -> None:
        """A run has ended, `left` of the batch are left."""
        if outcome.status != "done":
            _say(self.console, f"a run {outcome.status}: {outcome.reason}")
        self.bar.advance(self._task)
        done = self.bar.tasks[0].completed
        rest = f"{duration((time.monotonic() - self._began) / done * left)} left"
        self.bar.update(self._task, total=done + left, left=rest)


@contextmanager
def live(console: Console, asked: Search) -> Iterator[Live]:
    """Show a derivation while it runs; when it is interrupted, say what is known."""
    shown = Live(console, asked)
    try:
        with shown.bar:
            yield shown
    except KeyboardInterrupt:
        _say(console, shown.so_far)
        raise


def _difference(levels: Sequence[bool], best: Bools, names: Sequence[str]) -> str:
    with_ = [name for name, on, was in zip(names, levels, best, strict=True) if on and not was]
    without = [name for name, on, was in zip(names, levels, best, strict=True) if was and not on]
    if not with_ and not without:
        return "the best so far again"
    if len(with_) + len(without) > _MOST_NAMED:
        return f"{len(with_) + len(without)} techniques switched over"
    parts = [f"with {words.listed(with_)}"] if with_ else []
    parts += [f"without {words.listed(without)}"] if without else []
    return " but ".join(parts)


def _amount(asked: Search, amount: float) -> str:
    return f"{amount:.0f} runs" if asked.unit == "runs" else duration(amount)


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)


def beside(results: Results) -> list[Text]:
    """The gain of a derived recipe over the one that was published."""
    gain = results.over_rival
    if gain is None or not math.isfinite(gain.gain_pp):
        return []
    verb, points = words.change(gain.gain_pp)
    interval = f"{words.percent(gain.level)} interval {words.span(gain.low, gain.high)}"
    return [
        Text.of(
            f"Over the recipe as published, all twelve techniques at the post's strengths, it {verb}s ",
            strong(points),
            f" ({interval}).",
        )
    ]


def found(results: Results) -> Section | None:
    """How a derived recipe was found: what was asked, believed, tried and dropped."""
    if results.found is None:
        return None
    asked, now, spec = results.found.asked, results.found.look, results.spec
    tried = asked.made(spec)[len(asked.opening.rows) :]
    names = asked.opening.training
    seen = len({row.levels for row in (*asked.made(spec), *asked.prior)})
    how = Text.of(
        f"Of {len(asked.allowed) * 2 ** len(spec.evaluation):,} recipes from {len(spec.names)} candidates, the one "
        f"with the highest Acc@{asked.k} was wanted, for {_amount(asked, asked.budget)} in all. ",
        f"The search made {len(asked.opening.rows)} runs to begin with and {len(tried)} more, each of a recipe that "
        "might be the best as far as was known",
        f", and used {len(asked.prior)} of earlier studies" if asked.prior else "",
        f", and {len(asked.shorter)} shorter ones for what they agree on" if asked.shorter else "",
        f"; {words.counted(seen, 'configuration')} of the training techniques were seen. It looked at the "
        f"part of the data called select only, and trained for {duration(results.found.seconds)} in all. It ended "
        f"because {spec.ended}.",
    )
    body = [
        (
            Cell("Believed by the search", f"select, seeds that the search knew{', published strengths' * spec.tuned}"),
            _range(now.standing.value, now.standing.sd),
        ),
        (Cell("The same images, fresh seeds", "select"), _mean(results.found.fresh)),
    ]
    if asked.k == 1:
        body.append(
            (
                Cell("Other images, fresh seeds", "report"),
                Cell(words.number(results.recipe.acc["acc1"], 2, words.PERCENT)),
            )
        )
    optimism = now.standing.value - float(results.found.fresh.mean()) if len(results.found.fresh) else math.nan
    honest = () if spec.tuned else (Text.of(
        "A search believes the best of what it saw, so it believes too much. Here it was off by ",
        strong(f"{words.signed(optimism)} points"), " on the same images. The split called report has other images, "
        "which may be harder or easier: only gains on one split compare.",
    ),)  # fmt: skip
    return Section(
        "found",
        "How the recipe was found",
        (
            how,
            Table((Column(f"Acc@{asked.k} of the recipe"), Column("Percent", True)), tuple(body)),
            *honest,
            Text.of(
                "What was tried, and why it was kept or dropped. Tried: how many of the search's own configurations, "
                "after the beginning, had it on. Believed: its effect beside the rest of the recipe, on select, when "
                "the search ended."
            ),
            Table(
                (Column("Technique"), Column("Tried", True), Column("Believed, points", True), Column("Decision")),
                tuple(_decision(results, index, tried) for index in range(len(names))),
            ),
            *_strengths(results),
        ),
    )


def _strengths(results: Results) -> list[Text | Table]:
    assert results.found is not None
    belief, spec = results.found.strengths, results.spec
    if belief is None:
        return []
    mean, sd = float(belief.mean[0]), float(belief.sd[0])
    taken = (
        f"Those taken were believed to gain {words.signed(mean)} ± {1.96 * sd:.2f} points over the published ones."
        if spec.tuned
        else "None was surely better than the published ones, so these were kept."
    )
    body = tuple(
        (
            Cell(words.title(knob.technique), knob.knob),
            *(
                Cell(f"{value:.3g}", ", ".join(("published",) * (at == knob.usual) + ("taken",) * (at == knob.chosen)))
                for at, value in zip((-1, 0, 1), knob.values, strict=True)
            ),
        )
        for knob in spec.knobs
    )
    tried = words.counted(len(spec.doses), "run")
    return [
        Text.of(f"Then three strengths of each technique of the recipe were tried, in {tried}. {taken}"),
        Table((Column("Strength"), Column("Low", True), Column("Middle", True), Column("High", True)), body),
    ]


def _decision(results: Results, index: int, tried: Sequence[Row]) -> tuple[Cell, ...]:
    assert results.found is not None
    belief, kept = results.found.in_recipe, bool(results.found.look.standing.best[index])
    mean, sd, positive = (float(values[index]) for values in (belief.mean, belief.sd, belief.positive))
    sure = positive if kept else 1 - positive
    why = f"{'helps' if kept else 'hurts'} with probability {words.percent(sure)}"
    return (
        Cell(words.title(results.spec.training[index])),
        Cell(f"{sum(row.levels[index] for row in tried)} of {len(tried)}"),
        Cell(words.signed(mean), words.span(mean - 1.96 * sd, mean + 1.96 * sd)),
        Cell("kept" if kept else "dropped", why),
    )


def _range(value: float, sd: float) -> Cell:
    return Cell(words.number(value, 2, words.PERCENT), f"± {1.96 * sd:.2f}")


def _mean(values: Floats) -> Cell:
    if not len(values):
        return Cell(words.DASH)
    spread = f", sd {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return Cell(words.number(float(values.mean()), 2, words.PERCENT), f"{words.counted(len(values), 'run')}{spread}")
