"""What happens, shown on a terminal: a bar, or a plain line now and then where nothing can be redrawn."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from bakeoff.events import DataFound, Event, ImagesCopied, ImagesRead, RunEnded, TechniqueSkipped, TrainingProgress
from bakeoff.report import words
from bakeoff.report.console import derivation
from bakeoff.report.console.preview import show_enlargement, show_preview
from bakeoff.runs.store import Store
from bakeoff.study.analyse import so_far
from bakeoff.study.events import SearchPlanned, SearchStage, StudyEnlarged, StudyPlanned
from bakeoff.study.gather import read_row
from bakeoff.study.spec import StudySpec

_LINE_SECONDS = 5.0
_READING_SECONDS = 2.0


class Terminal:
    """An observer that shows trainings, studies and derivations; its context ends the bar.

    When it is interrupted, it says what is known of a derivation.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, facts="starting", visible=False)
        self._began = self._told = time.monotonic()
        self._done = 0
        self._interim: _Interim | None = None
        self._known = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._bar.stop()
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._known:
            self._say(self._known)

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        match event:
            case TechniqueSkipped():
                self._say(f"left out: {event.technique}, {event.reason}")
            case TrainingProgress():
                self._training(event)
            case DataFound():
                for note in event.notes:
                    self._say(f"data: {note}")
            case ImagesCopied() | ImagesRead():
                self._images(event)
            case StudyPlanned():
                show_preview(self.console, event)
                self._begin("runs", _Interim(event.spec, event.store))
            case StudyEnlarged():
                show_enlargement(self.console, event)
                self._begin("runs", _Interim(event.larger, event.store))
            case SearchPlanned():
                derivation.show_plan(self.console, event.asked)
                self._known = "nothing is known yet: the opening hasn't ended"
            case SearchStage():
                for line in derivation.planned(event):
                    self._say(line)
                if event.now is not None:
                    self._known = derivation.incumbent(event.asked, event.now)
                self._begin(event.stage, None)
            case RunEnded():
                self._run(event)

    def _images(self, now: ImagesCopied | ImagesRead) -> None:
        what = "copying" if isinstance(now, ImagesCopied) else now.what
        facts = f"{now.done:,} of {now.total:,} images"
        if self.console.is_terminal:
            going = now.done < now.total
            self._bar.update(
                self._task, description=what, total=now.total, completed=now.done, facts=facts, visible=going
            )
        elif time.monotonic() - self._told >= _READING_SECONDS:
            self._told = time.monotonic()
            self._say(f"{what} {facts}")

    def _begin(self, what: str, interim: "_Interim | None") -> None:
        self._began, self._done, self._interim = time.monotonic(), 0, interim
        self._bar.reset(self._task, description=what, total=None, facts="starting", visible=True)

    def _training(self, now: TrainingProgress) -> None:
        facts = (
            f"loss {now.loss:.3f}, Acc@1 {now.acc1:.0f} %, {now.images_per_second:,.0f} images/s, "
            f"{words.duration(now.seconds_left)} left, {100 * now.data_wait:.0f} % waiting for data"
        )
        if self.console.is_terminal:
            shown = f"{100 * now.step / now.steps:3.0f} %  {facts}"
            self._bar.update(
                self._task, description="training", total=now.steps, completed=now.step, facts=shown, visible=True
            )
        elif time.monotonic() - self._told >= _LINE_SECONDS:
            self._told = time.monotonic()
            self._say(f"step {now.step:,} of {now.steps:,}, {facts}")

    def _run(self, ended: RunEnded) -> None:
        self._done += 1
        rest = (time.monotonic() - self._began) / self._done * ended.left
        if ended.status != "done":
            self._say(f"a run {ended.status}: {ended.reason}")
        gains = self._interim.after(ended.run) if self._interim else ""
        facts = f"{self._done} done, {ended.left} left, {words.duration(rest)}{gains}"
        self._bar.update(self._task, total=self._done + ended.left, completed=self._done, facts=facts)
        if not self.console.is_terminal and self._interim:
            self._say(facts)

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, markup=False, highlight=False)


class _Interim:
    """Rough gains while a study runs: to read all of its runs again after each of them would take hours."""

    def __init__(self, spec: StudySpec, store: Store) -> None:
        self.spec, self.store = spec, store
        self.row_of = {run: index for index, row in enumerate(spec.rows) for run in row.runs}
        self.acc: dict[int, float] = {}
        for index in range(len(spec.rows)):
            self._look(index)

    def after(self, run: str) -> str:
        """What the runs so far say, in words."""
        if run in self.row_of:
            self._look(self.row_of[run])
        largest = list(so_far(self.spec, self.acc).items())[:3]
        gains = ", ".join(f"{name} {gain:+.2f}" for name, gain in largest)
        return f"; so far {gains}" if gains else ""

    def _look(self, index: int) -> None:
        record = read_row(self.store, self.spec.rows[index], [self.spec.eval_settings[-1].view])
        if record and record.status == "done":
            self.acc.update((index, view.acc["acc1"]) for view in record.views)
