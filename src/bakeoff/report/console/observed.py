"""What a table of runs says, in the terminal."""

import math

from rich.console import Console

from bakeoff.observed.analyse import Findings, Told
from bakeoff.report import words
from bakeoff.report.console.text import Column, plain, say, show_table

_OF = {
    "factorial": "averaged over the other factors",
    "toggles": "beside {reference}",
    "ladder": "added to those above it",
    "least squares": "by least squares, as if no factor changed what another does",
}
_TRANSLATED = str.maketrans({words.MINUS: "-", words.DASH: "-", "\u00a0": " "})


def show(console: Console, found: Findings) -> None:
    """A row for each effect, then what a reader must know, then what to run next."""
    roles = found.roles
    better = "lower" if roles.lower else "higher"
    rest = f", {words.counted(found.lost, 'more')} without a result" if found.lost else ""
    say(console, plain(f"{found.source}: {words.counted(found.runs, 'run')}{rest}", style="bold"))
    scale = " in percent" if roles.percent == 100 else ""
    say(
        console,
        f"metric: {roles.metric}{scale}, {better} is better. factors: {', '.join(f.name for f in roles.factors)}",
    )
    if roles.ignored:
        say(console, f"not factors: {'; '.join(f'{name}, {reason}' for name, reason in roles.ignored.items())}")
    console.print()
    on_errors = any(each.effect.errors for each in found.told)
    digits = _digits(found)
    columns = [
        Column("factor"),
        Column("gain", right=True),
        *([Column("errors", right=True)] if on_errors else []),
        Column("interval", right=True),
        Column("runs", right=True, rank=1),
        Column("what to do"),
    ]
    rows = [[cell.translate(_TRANSLATED) for cell in _row(each, digits, on_errors)] for each in found.told]
    show_table(console, columns, rows, rule=True)
    console.print()
    reference = ", ".join(f"{name} {level}" for name, level in found.reference.items())
    of = _OF[found.kind].format(reference=reference)
    what = "points" if roles.percent else f"{roles.metric}, so that more is better" if roles.lower else roles.metric
    level = next((words.percent(each.effect.level) for each in found.told), "95 %")
    say(
        console,
        f"gain: in {what}, {of}. interval: {level}, for all rows at once{', of the errors' if on_errors else ''}; "
        "* leaves out 0. what to do: with the probability that the sign is right.".translate(_TRANSLATED),
    )
    if math.isfinite(found.noise):
        say(console, f"Runs scatter by {found.noise:.{digits}f} (sd).")
    for note in found.notes:
        say(console, note.text)
    say(
        console,
        "What differed between the runs and is in no column, such as the code or the machine, is in these gains.",
    )
    if found.next:
        say(
            console,
            f"To tell all of it apart: {words.counted(len(found.next), 'run')} more, with seeds of their own "
            "(--next FILE writes them; --json has them).",
        )


def _row(told: Told, digits: int, on_errors: bool) -> list[str]:
    effect = told.effect
    counts = " / ".join(str(count) for count in told.runs.values())
    if not math.isfinite(effect.gain_pp):
        return [told.label, "-", *(["-"] if on_errors else []), "", counts, effect.note]
    interval = words.span(effect.sim_low, effect.sim_high, digits)
    apart = effect.sim_low > 0 or effect.sim_high < 0
    gain, errors = words.signed(effect.gain_pp, digits), []
    if effect.errors:
        interval, apart = words.errors_span(effect.errors), effect.errors.low > 0 or effect.errors.high < 0
        errors = [words.errors(effect.errors.removed) + ("*" if apart else " ")]
    else:
        gain += "*" if apart else " "
    return [told.label, gain, *errors, interval, counts, _advice(told)]


def _advice(told: Told) -> str:
    decision = told.effect.decision
    if decision is None:
        return told.effect.note or "no advice"
    advice = words.ADVICE[decision.action]
    if decision.established or decision.action == "either":
        return advice
    return f"{advice}, {words.sureness(decision.p_sign).replace('over ', '>')}"


def _digits(found: Findings) -> int:
    """Decimals that the gains deserve: two digits of the middle interval's half."""
    halves = sorted(
        half for each in found.told if math.isfinite(half := each.effect.sim_high - each.effect.sim_low) and half
    )
    if not halves:
        return 2
    return min(6, max(0, 1 - math.floor(math.log10(halves[len(halves) // 2] / 2))))
