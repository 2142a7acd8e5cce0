"""What a worker process is told and what it answers: typed values, a line of JSON each."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from bakeoff.encoding import Value
from bakeoff.plan import Plan
from bakeoff.registry import Extension


class Setup(Value):
    """The first thing that a worker is told: where everything is.

    extensions: techniques, models and tasks from outside, to be loaded before anything else is read. datasets: task ->
    file with its images, where the task itself can't be loaded.
    """

    store: str
    data: str
    device: str
    extensions: tuple[Extension, ...] = ()
    datasets: dict[str, str] = Field(default_factory=dict)


class TrainRun(Value):
    """Make a run. plans: the one to train, then those with the same training part to evaluate too.

    data_fingerprint: of the data that it was planned with.
    """

    kind: Literal["train"] = "train"
    task: str
    recipe: list[dict[str, Any]]
    plans: tuple[Plan, ...]
    seed: int
    data_fingerprint: str


class TimePlans(Value):
    """Train each plan for so many seconds, with so many threads, and keep nothing."""

    kind: Literal["time"] = "time"
    task: str
    plans: tuple[Plan, ...]
    threads: int
    seconds: float


class Answer(Value):
    """How it went; `refused`: trying again doesn't help. seconds: of training, or per image where plans were timed."""

    status: Literal["done", "diverged", "crashed", "interrupted", "refused"]
    reason: str = ""
    seconds: float = 0.0


Work = Annotated[TrainRun | TimePlans, Field(discriminator="kind")]
WORK: TypeAdapter[TrainRun | TimePlans] = TypeAdapter(Work)
