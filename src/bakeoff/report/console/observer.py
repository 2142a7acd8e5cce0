"""What happens, shown: news in lines that stay, how far it is in a bar."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from bakeoff.events import (
    CheckpointNotKept,
    CheckpointSetAside,
    CopyPlanned,
    DataFound,
    Doing,
    Event,
    ImagesCopied,
    ImagesRead,
    PlanChosen,
    RunEnded,
    TechniqueSkipped,
    TrainingPlanned,
    TrainingProgress,
    WorkerNews,
)
from bakeoff.judging.judge import PairJudged, RunFailed
from bakeoff.report import words
from bakeoff.report.console import data, derivation, judged, training
from bakeoff.report.console.bar import Bar, Known
from bakeoff.report.console.preview import show_enlargement, show_preview
from bakeoff.report.console.text import say
from bakeoff.report.console.views import Display
from bakeoff.runs.events import TrackingStopped
from bakeoff.runs.store import Store
from bakeoff.study.analyse import so_far
from bakeoff.study.decide import SearchState
from bakeoff.study.events import (
    CommandChanged,
    SearchPlanned,
    SearchStage,
    StudyEnlarged,
    StudyEstimated,
    StudyGoesOn,
    StudyPlanned,
    StudyShortened,
)
from bakeoff.study.gather import read, read_row
from bakeoff.study.spec import StudySpec

_FAILURES = 3  # failed runs that are told one by one; the others are counted
_LOOK_SHARE = 0.05  # of the time, that goes into looking at the results so far
_EFFECTS = 3  # largest ones, that are shown while a study runs


class Progress:
    """An observer that shows trainings, studies and derivations; its context ends the bar.

    When it is interrupted, it says what is known of a derivation.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self._began = time.monotonic()
        self._done = self._failed = 0
        self._stage = "runs"
        self._interim: _Interim | None = None
        self._asked: SearchPlanned | None = None
        self._state: SearchState | None = None
        self._last = ""

    def __enter__(self) -> Self:
        self.display.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.display.close(self._last)
        if kind is not None and issubclass(kind, KeyboardInterrupt) and self._asked:
            asked, now = self._asked.asked, self._state
            known = derivation.incumbent(asked, now) if now else "nothing is known yet: the opening hasn't ended"
            self.display.say(known)

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        match event:
            case TechniqueSkipped():
                self.display.say(f"left out: {event.technique}, {event.reason}")
            case PlanChosen():
                self._news(training.chosen(event))
            case TrainingPlanned():
                self._news(training.planned(event))
            case CheckpointSetAside():
                for line in training.set_aside(event):
                    self.display.warn(line)
            case CheckpointNotKept():
                for line in training.not_kept(event):
                    self.display.warn(line)
            case Doing():
                self.display.bar(Bar(event.what))
            case TrainingProgress():
                self._training(event)
            case DataFound():
                for note in event.notes:
                    self.display.say(f"data: {note}")
            case CopyPlanned():
                self._news(data.copying(event))
            case ImagesCopied():
                self._counted("copying", event.done, event.total, "image")
            case ImagesRead():
                self._counted(event.what, event.done, event.total, "image")
            case StudyEstimated():  # where there is room for it, since it depends on the machine
                took = words.duration(event.seconds)
                text = f"{event.runs} runs, about {took} by the speed of this machine; more exactly soon"
                self.display.table(lambda console: say(console, text))
            case StudyShortened():
                self.display.say(
                    f"every run is trained for {event.length:g} of its length, so that the smallest study fits into "
                    f"{words.duration(event.budget)} (--length {event.length:g})"
                )
            case StudyPlanned():
                self.display.table(lambda console: show_preview(console, event))
                self._begin("runs", _Interim(event.spec, event.store))
            case CommandChanged():
                self.display.say(
                    f"{words.listed(event.files[:5])} {'is' if len(event.files) == 1 else 'are'} not what "
                    f"{'it was' if len(event.files) == 1 else 'they were'} in {event.earlier}: this is another study, "
                    "with runs of its own"
                )
            case StudyGoesOn():
                self.display.say(
                    f"after {event.seeds} seeds {words.listed(event.open)} {'is' if len(event.open) == 1 else 'are'} "
                    f"not settled: on to {event.until} seeds"
                )
            case StudyEnlarged():
                self.display.table(lambda console: show_enlargement(console, event))
                self._begin("runs", _Interim(event.larger, event.store))
            case SearchPlanned():
                self._asked = event
                self.display.table(lambda console: derivation.show_plan(console, event.asked))
            case SearchStage():
                self._news(derivation.news(event, self._stage, self._state))
                self._state = event.now or self._state
                self._begin(event.stage, None)
            case RunEnded():
                self._run(event)
            case PairJudged():
                self.display.bar(judged.bar(event))
            case RunFailed():
                self.display.say(judged.failure(event))
            case TrackingStopped():
                self.display.warn(f"tracking by {event.tracker} stopped: {event.reason}")
            case WorkerNews():
                self.display.say(_told(event))

    def _begin(self, stage: str, interim: "_Interim | None") -> None:
        self._began, self._done, self._stage, self._interim = time.monotonic(), 0, stage, interim
        self.display.bar(Bar(stage, facts=("training the first ones",), known=self._known()))

    def _counted(self, what: str, done: int, total: int, noun: str) -> None:
        self.display.bar(Bar(what, done / max(total, 1), facts=(f"{done:,} of {words.counted(total, noun)}",)))
        self._last = f"{what}: {words.counted(total, noun)}"

    def _training(self, now: TrainingProgress) -> None:
        facts = (
            f"loss {now.loss:.3f}",
            f"Acc@1 {now.acc1:.0f} %",
            f"{now.images_per_second:,.0f} images/s",
            f"{100 * now.data_wait:.0f} % waiting for data",
            f"step {now.step:,} of {now.steps:,}",
        )
        self.display.bar(Bar("training", now.step / now.steps, now.seconds_left, facts))
        self._last = f"trained: {words.counted(now.steps, 'step')}"

    def _run(self, ended: RunEnded) -> None:
        self._done += 1
        took = time.monotonic() - self._began
        if ended.status != "done":
            self._failed += 1
            if self._failed <= _FAILURES:
                self.display.say(f"a run {ended.status}: {ended.reason}")
            elif self._failed == _FAILURES + 1:
                self.display.say("more runs failed; they are counted")
        if self._interim:
            self._interim.after(ended.run)
        done = (f"{self._done} done", f"{ended.left} left", *([f"{self._failed} failed"] if self._failed else []))
        share = self._done / (self._done + ended.left)
        left = took / self._done * ended.left if ended.left else None
        self.display.bar(Bar(self._stage, share, left, done, self._known()))
        self._last = f"{self._stage}: {', '.join(done)}"

    def _news(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.display.say(line)

    def _known(self) -> Known:
        """What the runs so far say."""
        if self._interim and self._interim.known:
            return (("so far", self._interim.known),)
        if self._asked and self._state:
            return derivation.known(self._asked.asked, self._state)
        return ()


def _told(news: WorkerNews) -> str:
    """A line of a worker's."""
    what = f"run {news.run} of {news.study}" if news.run else news.study
    why = f": {news.reason}" if news.reason else ""
    took = f" in {words.duration(news.seconds)}" if news.seconds else ""
    return f"{what} {news.status}{took}{why}"


class _Interim:
    """Effects while a study runs that are known already, with intervals that hold however often one looks.

    Only the run that ended is read again, and what is known is worked out as often as takes little of the time.
    """

    def __init__(self, spec: StudySpec, store: Store) -> None:
        self.spec, self.store = spec, store
        self.row_of = {run: index for index, row in enumerate(spec.rows) for run in row.runs}
        self.records = read(store, spec, spec.rows)
        self.known: tuple[str, ...] = ()
        self._next = 0.0

    def after(self, run: str) -> None:
        """Take a run in that ended."""
        if run not in self.row_of:
            return
        index = self.row_of[run]
        views = [setting.view for setting in self.spec.eval_settings]
        self.records[index] = read_row(self.store, self.spec.rows[index], views)
        began = time.monotonic()
        if began < self._next:
            return
        effects = [effect for effect in so_far(self.spec, self.records) if effect.low > 0 or effect.high < 0]
        largest = sorted(effects, key=lambda effect: -abs(effect.gain_pp))[:_EFFECTS]
        digits = words.digits(effects)
        self.known = tuple(
            f"{effect.technique} {effect.gain_pp:+.{digits}f} ({effect.low:+.{digits}f} to {effect.high:+.{digits}f})"
            for effect in largest
        )
        ended = time.monotonic()
        self._next = ended + (ended - began) / _LOOK_SHARE
