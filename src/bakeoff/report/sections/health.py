"""What a reader must know before any number: what is missing or wrong, each in a line, where there is something."""

from collections.abc import Sequence

from bakeoff.files import printable
from bakeoff.report import words
from bakeoff.report.page import Text, strong
from bakeoff.report.rows import waiting
from bakeoff.study.analyse import Results
from bakeoff.study.health import (
    Diverged,
    Drift,
    Finding,
    GoesWith,
    MissingRuns,
    NoChange,
    NothingLearned,
    OneClass,
    SeedIgnored,
    Trained,
)

_REASON = 200  # characters of why runs crashed; the rest stands below, with each of them


def notices(results: Results) -> tuple[Text, ...]:
    """What is missing, how the study came about, and what is wrong with its runs."""
    planned, there = len(results.records), len(results.runs)
    found = []
    if not there:
        found.append(Text.of(strong("No run has finished."), " There is nothing to state yet."))
    elif left := waiting(results):
        found.append(
            Text.of(
                strong(f"{left} of {words.counted(planned, 'run')} have not finished."),
                " What follows rests on the others and may change.",
            )
        )
    if results.grown_from:
        found.append(
            Text.of(
                strong(f"The study goes on from {words.listed(results.grown_from)}."),
                " Whoever goes on because of what the results look like errs more often than they think, so all "
                "intervals are wider and hold however often one looks. They needn't be where the size is settled "
                "before anything is seen: by --runs, --budget or --half-width.",
            )
        )
    return (*found, *(_line(finding) for finding in results.health))


def _line(finding: Finding) -> Text:
    match finding:
        case NothingLearned():
            return _nothing_learned(finding)
        case SeedIgnored(groups):
            return Text.of(
                strong("The seed changes nothing, so nothing can be said."),
                f" In {words.counted(groups, 'configuration')} all runs are the same, whatever their seed: how much "
                "runs differ by chance isn't known. Let the command take {seed}, or read $BAKEOFF_SEED.",
            )
        case Diverged():
            return _diverged(finding)
        case MissingRuns(runs, of, statuses, seeds, of_seeds, techniques, reason):
            how = words.listed([f"{count} {status}" for status, count in statuses.items()])
            return Text.of(
                strong(f"{runs} of {words.counted(of, 'run')} gave no result ({how})."),
                f" That leaves {seeds} of {words.counted(of_seeds, 'seed')} without one. What diverges is tried once "
                "more with another seed, and what crashes up to twice more with its own; these failed again. A failure "
                "is no accuracy of 0: they are left out, and what they would have said is missing.",
                f" Crashed: {_short(reason)}." if reason else "",
                f" Crashes go with {_listed(techniques)}." if techniques else "",
            )
        case NoChange(technique, pairs):
            return Text.of(
                strong(f"{words.title(technique)} changed nothing:"),
                f" in {words.counted(pairs, 'pair')} of runs with it and without it every answer is the same, bit for "
                "bit. Something else in the recipe, or these data, leave it nothing to do.",
            )
        case Drift(points):
            return Text.of(
                strong("Runs drifted:"),
                f" from the first to the last ones accuracy {'rose' if points > 0 else 'fell'} by "
                f"{words.number(abs(points))} points that the techniques don't explain, which chance does in one "
                "study of a thousand. Something else changed meanwhile: the machine, its software, the data.",
            )
        case OneClass(technique, name, share):
            return Text.of(
                strong(f"{words.title(technique)}: one class."),
                f" {name} makes up {words.percent(share)} of its effect; the others hardly change together.",
            )


def _nothing_learned(finding: NothingLearned) -> Text:
    who = "Neither baseline nor recipe has" if len(finding.failed) > 1 else f"The {finding.failed[0]} hasn't"
    return Text.of(
        strong(f"{who} learned, so no technique gets a verdict."),
        f" Naming the most common class is right for {words.number(finding.chance, 1, words.PERCENT)} of the images; ",
        f"{'; '.join(map(_trained, finding.ends))}. Train for longer (--length), and look again.",
    )


def _trained(end: Trained) -> str:
    loss = ""
    if end.loss_before is not None and end.loss_after is not None:
        fell = f"{words.number(end.loss_before)} to {words.number(end.loss_after)} over the last third"
        still = end.loss_after < end.loss_before and f"{end.loss_before:.2f}" != f"{end.loss_after:.2f}"
        loss = f", its training loss {'still falling' if still else 'no longer falling'} ({fell})"
    passes = f"{end.passes:.2g}" if end.passes < 10 else f"{end.passes:,.0f}"
    times = "pass" if passes == "1" else "passes"
    return (
        f"the {end.end} is for {words.number(end.acc1, 1, words.PERCENT)}, after {passes} {times} over the data{loss}"
    )


def _short(reason: str) -> str:
    reason = printable(" ".join(reason.split()).rstrip("."))
    return reason if len(reason) <= _REASON else f"{reason[:_REASON]}..."


def _diverged(finding: Diverged) -> Text:
    found = finding.techniques
    why = f" It goes with {_listed(found)}: a result." if found else " No technique stands out among them."
    again = " Each was tried once more with another seed."
    return Text.of(strong(f"{finding.runs} of {words.counted(finding.of, 'run')} diverged."), why, again)


def _listed(techniques: Sequence[GoesWith]) -> str:
    return "; ".join(
        f"{words.title(name)} ({on} of {on_of} with it, {off} of {off_of} without)"
        for name, on, on_of, off, off_of in techniques
    )
