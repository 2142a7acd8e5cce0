"""What a study would run, how long that takes and what it can tell."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bakeoff.report import words
from bakeoff.study.events import StudyEnlarged, StudyPlanned


def show_preview(console: Console, planned: StudyPlanned) -> None:
    """The design in words, and a row for each size."""
    spec, noise = planned.spec, planned.noise
    seeds = len({row.block for row in spec.rows})
    console.print(f"[bold]{escape(spec.name)}[/]: {len(spec.rows)} runs with {seeds} seeds, {spec.design} design")
    console.print(f"techniques that are trained with and without: {', '.join(spec.training)}", soft_wrap=True)
    if spec.evaluation:
        both = ", ".join(spec.evaluation)
        console.print(f"read from every run at both levels: {both}", soft_wrap=True)
    for name, reason in spec.not_applicable.items():
        console.print(f"not applicable: {name}, {reason}", soft_wrap=True)
    unit = "points" if noise is not None else "sd"
    table = Table(box=None, pad_edge=False)
    for heading in ("runs", "about", f"interval +- {unit}", f"found if at least {unit}", ""):
        table.add_column(heading, justify="left" if not heading else "right")
    for choice in planned.sizes:
        here = choice.runs == len(spec.rows)
        table.add_row(
            str(choice.runs),
            words.duration(choice.seconds),
            f"{choice.half_width:.2f}",
            f"{choice.detectable:.2f}",
            "this study" if here else "",
            style="bold" if here else None,
        )
    console.print(table)
    known = (
        f"with the run-to-run sd of {noise:g} points that was measured on this task at its own length"
        if noise is not None
        else "in units of the run-to-run sd, which isn't known yet; 0.1 to 0.5 points are usual"
    )
    console.print(
        f"Intervals of 95 % for each technique, and the gain found with probability 0.8, {known}.", soft_wrap=True
    )
    processes = "1 process" if spec.jobs == 1 else f"{spec.jobs} processes"
    why = f" ({spec.arrangement})" if spec.arrangement else ""
    console.print(f"{processes} of {words.counted(spec.threads, 'thread')} on {spec.device}{why}.", soft_wrap=True)


def show_enlargement(console: Console, event: StudyEnlarged) -> None:
    """Why a study goes on, and for how long."""
    first, larger = event.first, event.larger
    runs, more = len(first.spec.rows), len(larger.rows) - len(first.spec.rows)
    console.print(
        f"[bold]{escape(larger.name)}[/]: {runs} runs show a noise of {first.noise.sigma:.2f} points, so "
        f"+-{event.half_width:g} take about {more} more, {words.duration(event.seconds)}",
        soft_wrap=True,
    )
