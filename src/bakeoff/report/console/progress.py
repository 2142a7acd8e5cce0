"""The progress of one training run: a bar on a terminal, a plain line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from bakeoff.report import words
from bakeoff.runs.store import Store
from bakeoff.study.analyse import so_far
from bakeoff.study.spec import Spec

if TYPE_CHECKING:
    from bakeoff.engine.train import Progress as Snapshot
    from bakeoff.launch.local import Outcome

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


@contextmanager
def study_progress(console: Console, store: Store, spec: Spec) -> Iterator[Callable[["Outcome", int], None]]:
    """A function that shows where a study stands, called after every run with its outcome and how many are left."""
    began, done = time.monotonic(), 0
    row_of = {run: index for index, row in enumerate(spec.rows) for run in row.runs}
    acc: dict[int, float] = {}  # of the rows that are done: to read them all again after each run would take hours

    def look(index: int) -> None:
        record = spec.record(store, spec.rows[index])
        if record and record.status == "done":
            acc.update((index, view.acc["acc1"]) for view in record.views if view.name == spec.levels[-1].view)

    bar = Progress(
        TextColumn("runs"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[facts]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("runs", total=None, facts="starting")
        for index in range(len(spec.rows)):
            look(index)

        def show(outcome: "Outcome", left: int) -> None:
            nonlocal done
            done += 1
            rest = (time.monotonic() - began) / done * left
            if outcome.status != "done":
                console.print(f"a run {outcome.status}: {outcome.reason}", soft_wrap=True, markup=False)
            if outcome.cell.run in row_of:
                look(row_of[outcome.cell.run])
            largest = list(so_far(spec, acc).items())[:3]
            gains = ", ".join(f"{name} {gain:+.2f}" for name, gain in largest)
            facts = f"{done} done, {left} left, {words.duration(rest)}" + (f"; so far {gains}" if gains else "")
            bar.update(task, total=done + left, completed=done, facts=facts)
            if not console.is_terminal:
                console.print(facts, soft_wrap=True)

        yield show


def _facts(now: "Snapshot") -> str:
    return (
        f"loss {now.loss:.3f}, Acc@1 {now.acc1:.0f} %, {now.images_per_second:,.0f} images/s, "
        f"{words.duration(now.seconds_left)} left, {100 * now.data_wait:.0f} % waiting for data"
    )
