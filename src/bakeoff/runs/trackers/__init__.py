"""Trackers of other people, each told the same: a run begins, how it goes, how it ended.

They run in a process of their own (`launch.tracking`), so that none can slow a run or break it.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol, cast

from pydantic import Field, TypeAdapter

from bakeoff.encoding import Value
from bakeoff.errors import RequestError, unknown

Scalars = dict[str, float]


class Begin(Value):
    """A run begins. name: for people. group: its study, or its task. params: of its plan, and where it runs."""

    kind: Literal["begin"] = "begin"
    run: str
    name: str
    group: str
    params: dict[str, str | int | float | bool | None]


class Log(Value):
    """Where a run stands at a step. time: seconds since 1970; None where it wasn't watched."""

    kind: Literal["log"] = "log"
    run: str
    step: int
    time: float | None
    values: Scalars


class End(Value):
    """How a run ended, and what it is worth: "report/acc1" in percent, and so on. step: its last."""

    kind: Literal["end"] = "end"
    run: str
    status: str
    reason: str
    step: int
    values: Scalars


Message = Begin | Log | End
MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Begin | Log | End, Field(discriminator="kind")])


class Tracker(Protocol):
    """What a tracker is told. Between `begin` and `end` of a run there is no other run."""

    def begin(self, begin: Begin) -> None:
        """A run begins."""

    def log(self, log: Log) -> None:
        """It goes on."""

    def end(self, end: End) -> None:
        """It came to an end."""

    def close(self) -> None:
        """There is no further run."""


# Kind -> where it writes by default, the package that it needs, and the extra that brings it.
KINDS = {
    "jsonl": ("tracking/runs.jsonl", "", ""),
    "tensorboard": ("tracking/tensorboard", "tensorboard", "track-tensorboard"),
    "mlflow": ("sqlite:///tracking/mlflow.db", "mlflow", "track-mlflow"),
    "wandb": ("tracking/wandb", "wandb", "track-wandb"),
    "trackio": ("tracking/trackio", "trackio", "track-trackio"),
}


@dataclass(frozen=True)
class Tracking:
    """A tracker that is asked for: its kind, and where it writes."""

    kind: str
    where: str

    @classmethod
    def read(cls, text: str) -> "Tracking":
        """From "tensorboard" or "tensorboard=FOLDER". Raises RequestError for what isn't known or isn't installed."""
        kind, _, where = text.partition("=")
        if kind not in KINDS:
            raise unknown("tracker", kind, KINDS)
        usual, package, extra = KINDS[kind]
        if package and importlib.util.find_spec(package) is None:
            raise RequestError(f"--track {kind} needs {package}: pip install 'bakeoff[{extra}]'")
        return cls(kind, where or usual)

    def open(self) -> Tracker:
        """The tracker itself, with its package loaded."""
        module = importlib.import_module(f"bakeoff.runs.trackers.{self.kind}_tracker")
        return cast(Tracker, module.Tracker(self.where))


def local(where: str) -> Path:
    """A folder that exists."""
    Path(where).mkdir(parents=True, exist_ok=True)
    return Path(where)


def tell(message: Message, tracker: Tracker) -> None:
    """Tell a tracker something."""
    match message:
        case Begin():
            tracker.begin(message)
        case Log():
            tracker.log(message)
        case End():
            tracker.end(message)
