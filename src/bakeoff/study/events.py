"""What happens in studies and derivations, beside the runs that end."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bakeoff.events import Event
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results
from bakeoff.study.decide import SearchState
from bakeoff.study.preview import SizeOption
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import DesignPoint, StudySpec

Stage = Literal["opening", "search", "strengths", "proof"]


@dataclass(frozen=True)
class StudyEstimated(Event):
    """How long a study takes by the speed of the machine alone, in seconds; a few of its steps are timed next."""

    runs: int
    seconds: float


@dataclass(frozen=True)
class StudyShortened(Event):
    """Runs are trained for a share of their length, so that a study fits into a time, in seconds."""

    length: float
    budget: float


@dataclass(frozen=True)
class StudyPlanned(Event):
    """A study is laid out; nothing has run.

    sizes: what its own size and others take and tell. noise: run-to-run sd in points that was measured on the task
    before, if it was. store: where its runs will be.
    """

    spec: StudySpec
    sizes: Sequence[SizeOption]
    noise: float | None
    store: Store

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `bakeoff ablate --plan-only --json` prints it."""
        return {
            "study": self.spec.name,
            "design": self.spec.design,
            "runs": len(self.spec.rows),
            "training": self.spec.training,
            "evaluation": self.spec.evaluation,
            "not_applicable": self.spec.not_applicable,
            "looks": self.spec.looks,
            "choices": [
                {name: None if math.isnan(value) else value for name, value in vars(size).items()}
                for size in self.sizes
            ],
        }


@dataclass(frozen=True)
class CommandChanged(Event):
    """A study of a command isn't the one that there was, since files that it depends on aren't what they were.

    earlier: that study. files: those that were changed, came or went.
    """

    earlier: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class StudyGoesOn(Event):
    """A study that ends when it is settled was looked at after `seeds` seeds and goes on, up to `until` of them.

    open: the techniques that aren't settled.
    """

    seeds: int
    until: int
    open: tuple[str, ...]


@dataclass(frozen=True)
class StudyEnlarged(Event):
    """A study goes on in a larger one, since its intervals aren't as narrow as asked for.

    half_width: that was asked for, in points. seconds: that the further runs take, about.
    """

    first: Results
    larger: StudySpec
    half_width: float
    seconds: float
    store: Store


@dataclass(frozen=True)
class SearchPlanned(Event):
    """A derivation is laid out; nothing has run."""

    asked: SearchSpec

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `bakeoff derive --plan-only --json` prints it."""
        asked, initial = self.asked, self.asked.initial
        return {
            "study": asked.name,
            "objective": asked.objective,
            "budget": asked.budget,
            "unit": asked.unit,
            "least": asked.least,
            "candidates": list(initial.names),
            "always": list(asked.always),
            "not_applicable": initial.not_applicable,
            "opening": len(initial.rows),
            "earlier_runs": len(asked.warm_start),
            "shorter_runs": len(asked.low_fidelity),
        }


@dataclass(frozen=True)
class SearchStage(Event):
    """A derivation is about to make `rows`. now: what led to it; None at the opening."""

    asked: SearchSpec
    stage: Stage
    now: SearchState | None
    rows: Sequence[DesignPoint]
