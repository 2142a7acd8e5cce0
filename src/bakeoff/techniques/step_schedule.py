"""step_schedule: the learning rate drops at each third of training."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Plan, Positive
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class StepSchedule(Technique):
    """The schedule of He et al. 2016, https://arxiv.org/abs/1512.03385: torchvision's StepLR(30, 0.1) of 90 epochs."""

    name: ClassVar = "step_schedule"
    slots: ClassVar = ("lr",)
    card: ClassVar = Card(
        title="Step schedule",
        what="Multiply the learning rate by gamma at each third of training. This is the baseline's own schedule, made "
        "explicit: with the default gamma it changes nothing.",
        why="A high rate explores until the loss stalls, a drop then settles it; the milestones have to be chosen.",
        equation="lr = peak x gamma ** floor(3 t), t = share of training done",
        scaling="30 of 90 epochs, as thirds of any training length.",
        interacts={
            "lr_optimizations": "both set the schedule: choose one",
            "exponential_schedule": "both set the schedule: choose one",
        },
    )

    gamma: Annotated[Positive, Field(description="factor at each third of training")] = 0.1

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"lr": base.lr.model_copy(update={"shape": "step", "gamma": self.gamma})}
