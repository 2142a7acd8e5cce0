"""A derivation on a terminal: what it is about to do, and where it stands."""

from collections.abc import Sequence

from rich.console import Console

from bakeoff.report import words
from bakeoff.report.console.bar import Known
from bakeoff.report.console.text import say
from bakeoff.study.decide import SearchState, enough
from bakeoff.study.events import SearchStage
from bakeoff.study.search import SearchSpec


def show_plan(console: Console, asked: SearchSpec) -> None:
    """What a derivation will do."""
    spec = asked.initial
    say(console, f"{asked.name}: the best of {2 ** len(spec.names):,} recipes from {words.listed(spec.names)}")
    for name, reason in spec.not_applicable.items():
        say(console, f"not a candidate: {name}, {reason}")
    if asked.always:
        say(console, f"always on: {words.listed(asked.always)}")
    if asked.warm_start:
        say(console, f"{words.counted(len(asked.warm_start), 'run')} of earlier studies are used")
    if asked.low_fidelity:
        say(
            console,
            f"{words.counted(len(asked.low_fidelity), 'shorter run')} of earlier studies count for what they agree on",
        )
    say(
        console,
        f"{len(spec.rows)} runs to begin with, then what the search asks for, then a proof: fresh runs of the recipe, "
        "of the baseline and of every technique switched over, on images that took no part in the search",
    )
    say(
        console,
        f"budget {words.budget(asked.budget, asked.unit)}; beginning and smallest proof take "
        f"{words.budget(asked.least, asked.unit)}",
    )


def news(event: SearchStage, stage: str, before: SearchState | None) -> list[str]:
    """What there is to say about what is about to be run: a new stage, a new best, the end of the search.

    stage, before: the last one, and what was known then.
    """
    asked, now, runs = event.asked, event.now, words.counted(len(event.rows), "run")
    if now is None:
        return [f"opening: {runs}, every technique on in half of them and off in the other half"]
    if event.stage == "strengths":
        told = f"strengths: {runs} of the best recipe with weaker and stronger techniques"
        return [] if stage == event.stage else [told]
    if event.stage == "proof":
        return [f"proof: {runs} with seeds of their own"]
    if why := enough(asked, now):
        return [incumbent(asked, now), f"the search ends: {why}"]
    if before is None:
        return [incumbent(asked, now)]
    if now.reference == before.reference:
        return []
    return [f"{_when(asked, now)}: better {_difference(now.reference, before.reference, asked.initial.names)}"]


def known(asked: SearchSpec, now: SearchState) -> Known:
    """The best recipe so far, for the bar."""
    best = now.incumbent
    return (
        ("best so far", tuple(_on(asked, now))),
        (
            "believed",
            (
                f"Acc@{asked.k} on select {best.value:.2f} ± {1.96 * best.sd:.2f} %",
                f"the true best {best.regret:.2f} points better",
                f"{100 * now.spent / asked.budget:.0f} % of the budget spent",
            ),
        ),
    )


def incumbent(asked: SearchSpec, now: SearchState) -> str:
    """The best recipe so far, with what isn't known about it."""
    best = now.incumbent
    return (
        f"{_when(asked, now)}: best so far {', '.join(_on(asked, now))}; believed Acc@{asked.k} on select "
        f"{best.value:.2f} ± {1.96 * best.sd:.2f} %, the true best is expected to be {best.regret:.2f} points better"
    )


def _on(asked: SearchSpec, now: SearchState) -> list[str]:
    return [name for name, on in zip(asked.initial.names, now.reference, strict=True) if on] or ["the baseline"]


def _when(asked: SearchSpec, now: SearchState) -> str:
    return f"after {words.counted(len(now.runs), 'run')} and {100 * now.spent / asked.budget:.0f} % of the budget"


def _difference(levels: Sequence[bool], best: Sequence[bool], names: Sequence[str]) -> str:
    with_ = [name for name, on, was in zip(names, levels, best, strict=True) if on and not was]
    without = [name for name, on, was in zip(names, levels, best, strict=True) if was and not on]
    parts = [f"with {words.listed(with_)}"] if with_ else []
    parts += [f"without {words.listed(without)}"] if without else []
    return " and ".join(parts)
