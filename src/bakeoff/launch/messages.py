"""What a worker is told and what it answers: typed values, a line of JSON each between processes."""

from typing import Annotated, Literal

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


class MakeRun(Value):
    """Claim a run of a study that nobody makes, and make it."""

    kind: Literal["make"] = "make"
    study: str


class TimePlans(Value):
    """Train each plan for so many seconds, with so many threads, and keep nothing."""

    kind: Literal["time"] = "time"
    task: str
    plans: tuple[Plan, ...]
    threads: int
    seconds: float


class Answer(Value):
    """How it went.

    status: of a run that was claimed, with its id: begun, while it goes on; done or diverged; crashed, refused or
    interrupted, so that it isn't there. Without a run: nothing, there is none to be claimed; unable, this worker can't
    do what is wanted, trying again doesn't help; done, plans were timed. seconds: of training, or per image.
    """

    status: Literal["begun", "done", "diverged", "crashed", "refused", "interrupted", "nothing", "unable"]
    run: str = ""
    reason: str = ""
    seconds: float = 0.0


Work = Annotated[MakeRun | TimePlans, Field(discriminator="kind")]
WORK: TypeAdapter[MakeRun | TimePlans] = TypeAdapter(Work)
