"""What happens while something is made, as typed events: they go to an observer, be it a terminal or a notebook."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something that happened. Other rooms have more of them: studies, searches."""


@dataclass(frozen=True)
class TechniqueSkipped(Event):
    """The task or the model rules a technique of the recipe out, for `reason`."""

    technique: str
    reason: str


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
class ImagesCopied(Event):
    """So many of the images are copied."""

    done: int
    total: int


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
