"""What a study varies and how a run of it is made: one seam, with our own trainer's jobs and any command behind it."""

from collections.abc import Sequence
from typing import Protocol, Self

from bakeoff.ablation.design import Design
from bakeoff.launch.queue import Batch
from bakeoff.runs.workspace import Workspace
from bakeoff.study.spec import DesignPoint, StudySpec
from bakeoff.task import Task


class Subject(Protocol):
    """What is varied: `trained.Trained`, techniques of our trainer; `commanded.Commanded`, factors of a command."""

    @property
    def where(self) -> Workspace:
        """Where it happens."""

    @property
    def task(self) -> Task | None:
        """The task that workers need the data of; None where they need none of ours."""

    def fitted(self, design: Design) -> Self:
        """The same with what isn't asked for made to suit the design."""

    def laid_out(self, design: Design) -> StudySpec:
        """A study of such a design; nothing is run. Raises RequestError for a size that the design can't have."""

    def arranged(self, spec: StudySpec, like: StudySpec | None = None) -> StudySpec:
        """A study with its processes and threads settled. like: a study of the same subject that is settled already."""

    def estimated(self, spec: StudySpec) -> float | None:
        """Seconds that a study takes by what is known without running anything."""

    def time(self, spec: StudySpec) -> None:
        """Find out how long runs take, where `seconds` doesn't know."""

    def seconds(self, spec: StudySpec) -> float:
        """Seconds that a study takes, by what was timed; NaN where nothing was."""

    def noise(self, design: Design) -> float | None:
        """The run-to-run sd in points of the configurations of such a design, where it was measured."""

    def for_less(self, share: float) -> str:
        """The advice to train for a share of the length, to go on a sentence; nothing where there is none."""

    def batch(self, spec: StudySpec, rows: Sequence[DesignPoint]) -> Batch:
        """Rows of a study as what any worker can make."""

    def changed(self, spec: StudySpec) -> bool:
        """Whether what a study's runs are made of isn't what it was when it was laid out."""
