"""exponential_schedule: the learning rate falls by the same factor at every step."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Plan, Positive
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class ExponentialSchedule(Technique):
    """The post's alternative to cosine, torch.optim.lr_scheduler.ExponentialLR, given by its end point."""

    name: ClassVar = "exponential_schedule"
    slots: ClassVar = ("lr",)
    card: ClassVar = Card(
        title="Exponential schedule",
        what="Let the learning rate fall by the same factor at every step, down to gamma x the peak at the end.",
        why="A smooth fall without milestones; unlike cosine it keeps some noise to the end, which an average of the "
        "weights can use.",
        equation="lr = peak x gamma ** t, t = share of training done",
        scaling="gamma is the factor over the whole training, whatever its length. The baseline's two drops of 0.1 "
        "end at 0.01 x the peak, and so does this.",
        interacts={
            "ema": "the post found it to go better with EMA than cosine does, at the price of more knobs",
            "lr_optimizations": "both set the schedule: choose one",
            "step_schedule": "both set the schedule: choose one",
        },
    )

    gamma: Annotated[Positive, Field(description="learning rate at the end, as a share of the peak")] = 0.01

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"lr": base.lr.model_copy(update={"shape": "exponential", "gamma": self.gamma})}
