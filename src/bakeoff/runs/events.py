"""What happens to a run, beside how far its training is."""

from dataclasses import dataclass

from bakeoff.events import Event
from bakeoff.runs.record import RunRecord


@dataclass(frozen=True)
class RunBegan(Event):
    """A run is about to be trained, or gone on with."""

    record: RunRecord


@dataclass(frozen=True)
class RunKept(Event):
    """A run that was trained now came to an end and is in the store, with its evaluations."""

    record: RunRecord


@dataclass(frozen=True)
class TrackingStopped(Event):
    """A tracker failed or hung, for `reason`, and is told nothing more; the runs go on without it."""

    tracker: str
    reason: str
