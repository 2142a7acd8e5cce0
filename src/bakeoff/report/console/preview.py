"""What a study would run, how long that takes and what it can tell."""

from rich.console import Console

from bakeoff.report import words
from bakeoff.report.console.text import Column, plain, say, show_table
from bakeoff.study.events import StudyEnlarged, StudyPlanned


def show_preview(console: Console, planned: StudyPlanned) -> None:
    """The design in words, and a row for each size."""
    spec, noise = planned.spec, planned.noise
    seeds = len({row.block for row in spec.rows})
    say(console, plain(spec.name, style="bold"), f": {len(spec.rows)} runs with {seeds} seeds, {spec.design} design")
    what = "factors that are on and off" if spec.program else "techniques that are trained with and without"
    say(console, f"{what}: {', '.join(spec.training)}")
    if spec.looks:
        loss = "2 % of the errors" if spec.tolerance is None else f"{spec.tolerance:g} points"
        say(
            console,
            f"at most, that is: looked at after {words.listed([str(seeds) for seeds in spec.looks])} seeds, and a "
            f"technique is left alone once following the advice on it is expected to lose no more than {loss}",
        )
    if spec.evaluation:
        say(console, f"read from every run at both levels: {', '.join(spec.evaluation)}")
    for name, reason in spec.not_applicable.items():
        say(console, f"not applicable: {name}, {reason}")
    usual = "" if spec.program else "; 0.1 to 0.5 points are usual"
    unit = "points" if noise is not None else "sd"
    headings = ("runs", "about", f"interval +- {unit}", f"found if at least {unit}")
    rows = []
    for choice in planned.sizes:
        here = choice.runs == len(spec.rows)
        amounts = (f"{choice.half_width:.2f}", f"{choice.detectable:.2f}")
        this = "this study, at most" if spec.looks else "this study"
        cells = (str(choice.runs), words.duration(choice.seconds), *amounts, this if here else "")
        rows.append([plain(cell, style="bold" if here else "") for cell in cells])
    show_table(console, [*(Column(heading, right=True) for heading in headings), Column("")], rows)
    known = (
        f"with the run-to-run sd of {noise:g} points that was measured on this task at its own length"
        if noise is not None
        else f"in units of the run-to-run sd, which isn't known yet{usual}"
    )
    say(console, f"Intervals of 95 % for each technique, and the gain found with probability 0.8, {known}.")
    processes = "1 process" if spec.jobs == 1 else f"{spec.jobs} processes"
    why = f" ({spec.arrangement})" if spec.arrangement else ""
    say(console, f"{processes} of {words.counted(spec.threads, 'thread')} on {spec.device}{why}.")


def show_enlargement(console: Console, event: StudyEnlarged) -> None:
    """Why a study goes on, and for how long."""
    first, larger = event.first, event.larger
    runs, more = len(first.spec.rows), len(larger.rows) - len(first.spec.rows)
    say(
        console,
        plain(larger.name, style="bold"),
        f": {runs} runs show a noise of {first.noise.sigma:.2f} points, so "
        f"+-{event.half_width:g} take about {more} more, {words.duration(event.seconds)}",
    )
