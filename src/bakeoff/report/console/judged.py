"""What came of judging a change, on a terminal."""

import math
from typing import get_args

from rich.console import Console

from bakeoff.commands.command import Metric
from bakeoff.judging.judge import Judgement, PairJudged, RunFailed
from bakeoff.judging.ledger import Ledger, Verdict
from bakeoff.judging.selftest import SelfTest
from bakeoff.report import words
from bakeoff.report.console.bar import Bar
from bakeoff.report.console.text import Column, plain, say, say_path, show_table
from bakeoff.stats.paired import Standing
from bakeoff.stats.spending import BUDGET

VERDICTS: tuple[str, ...] = tuple(name for part in get_args(Verdict) for name in (get_args(part) or (part,)))
_SAID: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "no_difference": "no difference worth having",
    "undecided": "undecided",
    "failed": "failed",
}


def bar(event: PairJudged) -> Bar:
    """How far it is, and how it stands."""
    now = event.standing
    facts = (f"pair {event.made} of {event.most} at most", *([_gain(now, event.metric)] if now.pairs > 1 else []))
    return Bar("judging", event.made / event.most, facts=facts)


def failure(event: RunFailed) -> str:
    """In a line."""
    return f"a run of the {event.side} failed (seed {event.seed}): {event.why}"


def show(console: Console, found: Judgement) -> None:
    """The verdict, what it rests on, and what follows."""
    now, metric = found.standing, found.proposal.metric
    say(console, plain(_SAID[found.verdict], style="bold"), f": {_gain(now, metric)}" if now.pairs else "")
    say_path(console, "baseline", found.entry.baseline)
    say_path(console, "candidate", found.entry.candidate)
    for sentence in _sentences(found):
        say(console, sentence)
    for note in found.notes:
        say(console, f"note: {note}")


def _sentences(found: Judgement) -> list[str]:
    now, entry = found.standing, found.entry
    lines = []
    if now.pairs > 1:
        pairing = (
            f"; the two runs of a pair correlate by {now.correlation:.2f}" if math.isfinite(now.correlation) else ""
        )
        lines.append(
            f"{words.counted(now.pairs, 'pair')} of runs, seeds from {found.pairs[0].seed}. From seed to seed they "
            f"scatter by {_number(now.noise, now)} (sd){pairing}. The interval holds at any look (95 %)."
        )
    share = f"{100 * entry.share:.2g} % of error, its share of the {100 * BUDGET:g} % of ledger '{found.ledger}'"
    if found.verdict == "better":
        lines.append(
            f"As proposal {entry.number} it was kept with {share}: at that error it gains more than "
            f"{_number(now.proved, now)}."
        )
    elif found.verdict == "no_difference":
        lines.append(f"What isn't worth having: less than {_number(now.delta, now)} (--delta).")
    elif found.verdict == "undecided":
        lines.append(f"As proposal {entry.number} it is kept once a gain is beyond doubt with {share}. " + _more(found))
    elif found.verdict == "failed":
        base, ours = found.failures
        lines.append(
            f"Of {words.counted(len(found.pairs), 'run')} of the candidate {ours} came to no result; of the baseline's "
            f"{base}. Not kept."
        )
    if stated := entry.stated:
        lines.append(
            f"By {stated.metric}, which judged nothing, {words.counted(stated.pairs, 'pair')} of runs with new seeds: "
            f"{_signed(stated.gain, now)} ({_signed(stated.low, now)} to {_signed(stated.high, now)}, 95 %)."
        )
    if found.verdict != "better" and any(found.failures) and found.verdict != "failed":
        lines.append(
            f"Without a result: {found.failures[0]} runs of the baseline, {found.failures[1]} of the candidate."
        )
    return lines


def _more(found: Judgement) -> str:
    if found.more is None:
        return "Nobody can tell yet how many runs that takes."
    total = len(found.pairs) + found.more
    return f"If runs go on like these, that takes about {2 * found.more} more: --pairs {total} goes on."


def show_ledger(console: Console, found: Ledger) -> None:
    """A row for each proposal, and what is left."""
    columns = [
        *(Column("", right=True), Column("verdict"), Column("gain", right=True), Column("pairs", right=True)),
        *(Column("share", right=True, rank=1), Column("candidate")),
    ]
    rows = []
    for entry in found.entries():
        verdict = "kept" if entry.kept else "not judged yet" if entry.verdict is None else _SAID[entry.verdict]
        gain = "-" if entry.gain is None else f"{entry.gain:+.3g}"
        share = f"{100 * entry.share:.2g} %"
        rows.append([str(entry.number), verdict, gain, str(entry.pairs), share, entry.candidate])
    show_table(console, columns, rows)
    say(console, f"{100 * found.left:.2g} % of the {100 * BUDGET:g} % of error is left; a share that was kept is back.")


def show_self_test(console: Console, found: SelfTest) -> None:
    """Whether it says that nothing changed, and how noisy the command is."""
    now, steady = found.standing, found.steadiness
    said = "no difference" if found.passed else "a difference, though nothing was changed"
    interval = f", {_signed(now.low, now)} to {_signed(now.high, now)}" if math.isfinite(now.low + now.high) else ""
    say(console, plain(said, style="bold"), f": {_signed(now.gain, now)} {found.metric}{interval}")
    say_path(console, "command", found.command)
    say(
        console,
        f"{words.counted(now.pairs, 'pair')} of runs with one seed each: {100 * steady.same:.0f} % came to the same. "
        f"From seed to seed it scatters by {_number(steady.noise, now)} (sd), with the same seed by "
        f"{_number(steady.repeat, now)}.",
    )
    for what, (value, low, high) in (("Running second makes", steady.second), ("Each run later makes", steady.drift)):
        say(console, f"{what} {_signed(value, now)} of it ({_signed(low, now)} to {_signed(high, now)}, 95 %).")
    for note in found.notes:
        say(console, f"note: {note}")


def _gain(now: Standing, metric: Metric) -> str:
    unit = metric.called if metric.higher else f"less {metric.called}"
    interval = f" ({_signed(now.low, now)} to {_signed(now.high, now)})" if math.isfinite(now.low + now.high) else ""
    return f"{_signed(now.gain, now)} {unit}{interval}"


def _digits(now: Standing) -> int:
    """Two digits of the noise."""
    scale = now.noise if math.isfinite(now.noise) and now.noise > 0 else abs(now.gain)
    return min(9, max(0, 1 - math.floor(math.log10(scale)))) if scale > 0 and math.isfinite(scale) else 2


def _number(value: float, now: Standing) -> str:
    return f"{value:.{_digits(now)}f}" if math.isfinite(value) else "nothing that is known"


def _signed(value: float, now: Standing) -> str:
    return f"{value:+.{_digits(now)}f}" if math.isfinite(value) else "-"
