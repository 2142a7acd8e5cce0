"""What happens, told to trackers beside the observer, in words that all of them understand."""

import json
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bakeoff.events import Doing, Event, Observer, RunEnded, TrainingProgress, unobserved
from bakeoff.files import printable
from bakeoff.launch import tracking
from bakeoff.launch.tracking import TrackerProcess
from bakeoff.plan import leaves
from bakeoff.runs.events import RunBegan, RunKept, TrackingStopped
from bakeoff.runs.record import RunRecord
from bakeoff.runs.trackers import Begin, End, Log, Message
from bakeoff.runs.workspace import Workspace
from bakeoff.study.events import SearchPlanned, StudyEnlarged, StudyPlanned


@contextmanager
def tracked(where: Workspace, observer: Observer) -> Iterator[Observer]:
    """An observer that tells the workspace's trackers too. At the end they have a while to write what they were told.

    Runs of a study are told whole when they end; of a training, how it goes.
    """
    if not where.track:
        yield observer
        return
    told = _Told(where, observer)
    try:
        yield told
    finally:
        told.close()


class _Told:
    """Tells an observer, and trackers."""

    def __init__(self, where: Workspace, observer: Observer) -> None:
        self._where, self._observer, self._run = where, observer, ""
        self._group = ""
        self._trackers = [TrackerProcess(each) for each in where.track]

    def __call__(self, event: Event) -> None:
        self._observer(event)
        for message in self._messages(event):
            for each in self._trackers:
                each.put(message)
        self._warn()

    def close(self) -> None:
        self._observer(Doing("waiting for trackers to write what they were told"))
        until = time.monotonic() + tracking.PATIENCE
        for each in self._trackers:
            each.end()
        for each in self._trackers:
            each.wait(until)
        self._warn()

    def _warn(self) -> None:
        for each in self._trackers:
            if each.failure and not each.told:
                each.told = True
                self._observer(TrackingStopped(each.tracking.kind, each.failure))
                if self._observer is unobserved:
                    warnings.warn(f"tracking by {each.tracking.kind} stopped: {each.failure}", stacklevel=2)

    def _messages(self, event: Event) -> Iterator[Message]:
        match event:
            case RunBegan(record):
                self._run = record.run_id
                yield _begin(record, record.task)
            case TrainingProgress() if self._run:
                values = {name: getattr(event, name) for name in ("loss", "acc1", "images_per_second", "data_wait")}
                yield Log(run=self._run, step=event.step, time=time.time(), values=_finite(values))
            case RunKept(record):
                yield _end(record)
            case RunEnded():  # of a study: its own process trained it
                kept = self._where.store.get(event.run)
                yield _begin(kept, self._group or kept.task)
                for step, loss in zip(kept.losses.step, kept.losses.loss, strict=True):
                    yield Log(run=kept.run_id, step=step, time=None, values=_finite({"loss": loss}))
                yield _end(kept)
            case StudyPlanned():
                self._group = event.spec.name
            case StudyEnlarged():
                self._group = event.larger.name
            case SearchPlanned():
                self._group = event.asked.name


def _begin(record: RunRecord, group: str) -> Begin:
    techniques = [name for item in record.recipe for name in item]
    facts = {
        "task": record.task, "seed": record.seed, "techniques": ", ".join(techniques), "device": record.device,
        "threads": record.threads, "data_fingerprint": record.data_fingerprint, "plan_digest": record.plan_digest,
        **{f"version.{name}": value for name, value in record.versions.items()},
    }  # fmt: skip
    plan = {f"plan.{path}": _plain(value) for path, value in leaves(record.plan)}
    name = f"{', '.join(techniques) or 'baseline'}, seed {record.seed}"
    return Begin(run=record.run_id, name=printable(name), group=_name(group), params={**facts, **plan})


def _end(record: RunRecord) -> End:
    values = {"seconds": record.seconds, "images_per_second": record.images_per_second}
    values |= {f"{split}/{name}": value for split, found in record.metrics.items() for name, value in found.items()}
    status, reason = record.status, printable(record.reason)
    return End(run=record.run_id, status=status, reason=reason, step=record.steps, values=_finite(values))


def _plain(value: Any) -> str | int | float | bool | None:
    return value if value is None or isinstance(value, str | int | float | bool) else json.dumps(value)


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}


def _name(group: str) -> str:
    """A study's or a task's name as a folder may be called."""
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in group).strip(".-") or "runs"
