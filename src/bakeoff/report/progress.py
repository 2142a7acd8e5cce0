"""The progress of one training run: a bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from bakeoff.engine.train import Progress as Snapshot

_LINE_SECONDS = 5.0


@contextmanager
def progress(console: Console) -> Iterator[Callable[["Snapshot"], None]]:
    """A function that shows where a run stands."""
    if not console.is_terminal:
        last = time.monotonic()

        def line(now: "Snapshot") -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_SECONDS:
                last = time.monotonic()
                console.print(f"step {now.step:,} of {now.steps:,}, {_facts(now)}", highlight=False, soft_wrap=True)

        yield line
        return
    bar = Progress(
        TextColumn("training"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:3.0f} %  {task.fields[facts]}"),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("training", total=None, facts="starting")

        def draw(now: "Snapshot") -> None:
            bar.update(task, total=now.steps, completed=now.step, facts=_facts(now))

        yield draw


def _facts(now: "Snapshot") -> str:
    return (
        f"loss {now.loss:.3f}, Acc@1 {now.acc1:.0f} %, {now.images_per_second:,.0f} images/s, "
        f"{duration(now.seconds_left)} left, {100 * now.data_wait:.0f} % waiting for data"
    )


def duration(seconds: float) -> str:
    """Seconds in words: 0.8 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
