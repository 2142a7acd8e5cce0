"""What happens while something is made, as typed events: they go to an observer, be it a terminal or a notebook."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar, cast


@dataclass(frozen=True)
class Event:
    """Something that happened. Other rooms have more of them: studies, searches."""


@dataclass(frozen=True)
class TechniqueSkipped(Event):
    """The task or the model rules a technique of the recipe out, for `reason`."""

    technique: str
    reason: str


@dataclass(frozen=True)
class Offer:
    """A training that a machine can make of a data set.

    px: side of the images. passes: over the training images. seconds: that it takes here,
    about. flags: what asks for it, on any machine.
    """

    model: str
    px: int
    passes: float
    seconds: float
    flags: str


@dataclass(frozen=True)
class PlanChosen(Event):
    """For somebody's own data a size, a network and a length were chosen, since none were asked for.

    about: the data in words. dearer: what is worth trying where there is more time, the cheapest first.
    """

    task: str
    about: str
    taken: Offer
    dearer: tuple[Offer, ...]


@dataclass(frozen=True)
class TrainingPlanned(Event):
    """What a training will do and take; nothing is trained yet.

    passes: over the training images, repeated copies counted. seconds: on this device, about. bytes: of memory, at
    least. notes: what is worth knowing before.
    """

    model: str
    px: int
    steps: int
    batch_size: int
    examples: int
    passes: float
    device: str
    seconds: float
    bytes: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Doing(Event):
    """What begins now, in words, where it may take a while: "timing a run of the baseline"."""

    what: str


@dataclass(frozen=True)
class TrainingProgress(Event):
    """Where a training stands, ten times a second at most.

    loss: mean of the last steps. acc1: percent, of the last training batch as the network saw it. data_wait: share of
    the time spent waiting for data.
    """

    step: int
    steps: int
    loss: float
    acc1: float
    images_per_second: float
    seconds_left: float
    data_wait: float


@dataclass(frozen=True)
class CheckpointSetAside(Event):
    """The kept state of a run can't be used, and has another name now; training goes on from `step`, 0: starts again.

    path: what it was called. reason: "it is empty". aside: what it is called now.
    """

    path: str
    reason: str
    aside: str
    step: int


@dataclass(frozen=True)
class CheckpointNotKept(Event):
    """The state of a run couldn't be kept, as on a full disk, and training goes on without; told once.

    path: where it was to be. reason: "no space left on device". step: at which.
    """

    path: str
    reason: str
    step: int


@dataclass(frozen=True)
class DataFound(Event):
    """Labelled images were found: how they were read, what was passed over, and what is missing, a sentence each."""

    task: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ImagesRead(Event):
    """So many of the images are looked at, once: their contents are hashed ("hashing") or decoded ("reading")."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class CopyPlanned(Event):
    """A copy of a folder of images is about to be made, `begun` of them are there already.

    px: shorter side, at most. bytes_before, bytes_after: of the images, and of their copies, about. seconds: that it
    takes, about. speedup: how many times as fast the copies are decoded. The last three are by some of the images.
    """

    images: int
    begun: int
    px: int
    format: str
    output: str
    bytes_before: int
    bytes_after: int
    seconds: float
    speedup: float


@dataclass(frozen=True)
class ImagesCopied(Event):
    """So many of the images are copied."""

    done: int
    total: int


@dataclass(frozen=True)
class WorkerNews(Event):
    """A worker has `begun` a run, by its id, or it came to an end there, as in `RunEnded`; `unable`: to make any.

    study: that wants it. seconds: of training.
    """

    study: str
    run: str
    status: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class RunEnded(Event):
    """A run of a study came to an end: `done`, `diverged` or `crashed`, the last two with the reason.

    run: its id. seconds: of training. left: how many more are to come.
    """

    run: str
    status: str
    reason: str
    seconds: float
    left: int


Observer = Callable[[Event], None]


def unobserved(event: Event) -> None:
    """The observer that looks away."""


_present: ContextVar[Observer] = ContextVar("observer", default=unobserved)
_P = ParamSpec("_P")
_T = TypeVar("_T")


@contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Within the block, `tell` tells this observer."""
    before = _present.set(observer)
    try:
        yield
    finally:
        _present.reset(before)


def observed(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function whose argument `observer` is told, as by `observing`."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with observing(cast(Observer, kwargs.get("observer", unobserved))):
            return function(*args, **kwargs)

    return call


def tell(event: Event) -> None:
    """Tell whoever is observing. For what lies below a task's `load`, which takes no observer."""
    _present.get()(event)
