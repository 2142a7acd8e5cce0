"""What came of making runs again, on a terminal."""

from rich.console import Console

from bakeoff.report import words
from bakeoff.report.console.text import Column, say, show_table
from bakeoff.report.verify import ReportCheck
from bakeoff.study.verification import Verification


def show_report(console: Console, check: ReportCheck) -> None:
    """Whether a report says what its store says."""
    if check.same_bytes:
        say(console, f"{check.file} is what the store makes now, byte for byte")
    elif check.same_numbers:
        say(console, f"{check.file} says the same numbers as the store; its words or its looks are of another version")
    else:
        say(console, f"{check.file} says other numbers than the store{f': {check.first}' if check.first else ''}")


def show(console: Console, found: Verification) -> None:
    """The runs that were made again, and what follows."""
    columns = [
        *(Column("run"), Column("techniques", rank=1), Column("seed", right=True, rank=2)),
        *(Column("kept", right=True), Column("now", right=True), Column("", whole=True)),
    ]
    rows = []
    for each in found.repeated:
        now = f"{each.now:.2f}" if each.status == "done" else each.status
        names = f"{len(each.techniques)} on" if len(each.techniques) > 2 else ", ".join(each.techniques) or "none"
        same = "same bits" if each.same else "other bits"
        rows.append((each.run, names, str(each.seed), f"{each.kept:.2f}", now, same))
    show_table(console, columns, rows)
    for difference in dict.fromkeys(text for each in found.repeated for text in each.elsewhere):
        say(console, f"not as it was: {difference}")
    for sentence in verdict(found):
        say(console, sentence)


def verdict(found: Verification) -> list[str]:
    """Whether the numbers stand, and how much that says."""
    made = f"{len(found.repeated)} of {words.counted(found.total, 'run')}"
    if failed := [each for each in found.repeated if each.status != "done"]:
        return [f"The numbers don't stand: {words.counted(len(failed), 'run')} of {made} came to no result here."]
    if found.agreement is None:
        most = (
            f"at most {found.most_others} of all may be others (at 95\u00a0%)" if found.most_others else "that is all"
        )
        return [f"The numbers stand: {made} came out the same to the last bit; {most}."]
    told, others = found.agreement, sum(not each.same for each in found.repeated)
    about = f"{made} were made again, {others} with other bits"
    if told.within is None:
        return [f"It can't be told whether the numbers stand: {about}, and the study knows no noise to judge that by."]
    shift = f"they differ by {words.signed(told.mean)} points on average"
    limits = (
        f"Runs of other seeds scatter by {found.noise:.2f} points, so that a difference of up to {told.limit:.2f}, and "
        f"of {told.limit_of_mean:.2f} on average, is noise (at 99\u00a0%); a shift of {told.seen:.2f} points would "
        "have been found in 9 of 10 cases."
    )
    stand = "stand within noise" if told.within else "don't stand"
    return [f"The numbers {stand}: {about}, and {shift}.", limits]
