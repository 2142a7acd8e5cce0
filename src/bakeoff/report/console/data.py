"""What `bakeoff data check` found, on a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from bakeoff.events import CopyPlanned
from bakeoff.files import size
from bakeoff.report import words
from bakeoff.report.console.text import Column, say, show_table

if TYPE_CHECKING:
    from bakeoff.tasks.check import Report

_SHOWN = 30  # rows of a list


def show(console: Console, report: "Report") -> None:
    """Print a report for people."""
    totals = {split: sum(counts.values()) for split, counts in report.splits.items()}
    say(console, f"{report.task}: {sum(totals.values()):,} images")
    console.print()
    classes = list(next(iter(report.splits.values())))
    rows = [[name, *(f"{counts[name]:,}" for counts in report.splits.values())] for name in classes[:_SHOWN]]
    if len(classes) > _SHOWN:
        rows.append([f"... {len(classes) - _SHOWN} more", *("" for _ in totals)])
    rows.append([f"{len(classes)} classes", *(f"{total:,}" for total in totals.values())])
    show_table(console, [Column("class"), *(Column(split, right=True) for split in report.splits)], rows, rule=True)
    console.print()
    sides = [f"{height}x{width}" for height, width in zip(report.height, report.width, strict=True)]
    spread = f"{', '.join(sides)} px (least, median, greatest)"
    facts = {
        "height x width": f"{sides[0]} px" if len(set(sides)) == 1 else spread,
        "channels": str(report.channels),
        "kept": "in memory" if report.storage == "memory" else "as files, decoded when needed",
        "mean, std": f"{_numbers(report.mean)}, {_numbers(report.std)}",
        "fingerprint": report.fingerprint,
        "in two splits": ", ".join(f"{count} in {pair}" for pair, count in report.duplicates.items()) or "none",
        "can't be read": str(len(report.bad)) if report.bad else "none",
    }
    if report.duplicate:
        facts["in two splits"] += f"; first {report.duplicate[1]}, the same as {report.duplicate[0]}"
    for name, fact in facts.items():
        say(console, f"{name:>15}  {fact}")
    for name, reason in list(report.bad.items())[:_SHOWN]:
        say(console, f"{'':>15}  {name}: {reason}")
    console.print()
    for found in report.conclusions:
        say(console, f"note: {found.text}")


def copying(event: CopyPlanned) -> Iterator[str]:
    """What a copy of a folder takes and saves."""
    takes = f"{size(event.bytes_after)}, from {size(event.bytes_before)}"
    begun = f", of which {event.begun:,} are there" if event.begun else ""
    yield (
        f"a copy of {words.counted(event.images, 'image')}{begun}, the shorter side at most {event.px} px, as "
        f"{event.format}: about {takes}; decoded {_times(event.speedup)}; made in about {words.duration(event.seconds)}"
    )
    yield f"into {event.output}"


def _times(speedup: float) -> str:
    return f"{speedup:.2g} times as fast" if speedup > 1.05 else "no faster"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)
