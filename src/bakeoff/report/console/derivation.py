"""A derivation on a terminal: what it is about to do, and where it stands."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from bakeoff.report import words
from bakeoff.stats.outcomes import Bools
from bakeoff.study.decide import SearchState, enough
from bakeoff.study.events import SearchStage
from bakeoff.study.search import SearchSpec

_MOST_NAMED = 3  # differences from the best that are named


def show_plan(console: Console, asked: SearchSpec) -> None:
    """What a derivation will do."""
    spec = asked.initial
    _say(console, f"{asked.name}: the best of {2 ** len(spec.names):,} recipes from {words.listed(spec.names)}")
    for name, reason in spec.not_applicable.items():
        _say(console, f"not a candidate: {name}, {reason}")
    if asked.always:
        _say(console, f"always on: {words.listed(asked.always)}")
    if asked.warm_start:
        _say(console, f"{words.counted(len(asked.warm_start), 'run')} of earlier studies are used")
    if asked.low_fidelity:
        _say(
            console,
            f"{words.counted(len(asked.low_fidelity), 'shorter run')} of earlier studies count for what they agree on",
        )
    _say(
        console,
        f"{len(spec.rows)} runs to begin with, then what the search asks for, then a proof: fresh runs of the recipe, "
        "of the baseline and of every technique switched over, on images that took no part in the search",
    )
    _say(
        console,
        f"budget {words.budget(asked.budget, asked.unit)}; beginning and smallest proof take "
        f"{words.budget(asked.least, asked.unit)}",
    )


def planned(event: SearchStage) -> list[str]:
    """What is about to be run, and why."""
    asked, stage, now, rows = event.asked, event.stage, event.now, event.rows
    if now is None:
        return [f"opening: {len(rows)} runs, every technique on in half of them and off in the other half"]
    if stage == "strengths":
        return [f"strengths: {words.counted(len(rows), 'run')} of the best recipe with weaker and stronger techniques"]
    if stage == "proof":
        return [f"proof: {words.counted(len(rows), 'run')} with seeds of their own"]
    lines = [incumbent(asked, now)]
    if why := enough(asked, now):
        lines.append(f"the search ends: {why}")
    else:
        names = asked.initial.training
        tried = Counter(_difference(row.configuration, now.incumbent.best, names) for row in rows)
        what = "; ".join(text if count == 1 else f"{text}, {count} times" for text, count in tried.items())
        lines.append(f"trying, since each may be better: {what}")
    return lines


def incumbent(asked: SearchSpec, now: SearchState) -> str:
    """The best recipe so far, with what isn't known about it."""
    on = [name for name, is_on in zip(asked.initial.names, now.reference, strict=True) if is_on]
    best = now.incumbent
    return (
        f"best so far, after {words.counted(len(now.runs), 'run')} and {100 * now.spent / asked.budget:.0f} % of the "
        f"budget: {', '.join(on) or 'the baseline'}; believed Acc@{asked.k} on select {best.value:.2f} ± "
        f"{1.96 * best.sd:.2f} %, the true best is expected to be {best.regret:.2f} points better"
    )


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


def _say(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)
