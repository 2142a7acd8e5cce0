"""adam: steps scaled by the running size of each gradient."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import Plan, Positive
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Adam(Technique):
    """Kingma & Ba 2015, https://arxiv.org/abs/1412.6980."""

    name: ClassVar = "adam"
    slots: ClassVar = ("optimizer",)
    card: ClassVar = Card(
        title="Adam",
        what="Scale each parameter's step by the running size of its gradient.",
        why="It moves fast early and needs less tuning of the rate; on image classifiers its solutions often "
        "generalise no better than those of tuned SGD.",
        equation="m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w = w - lr m^ / (sqrt(v^) + eps), m^ and v^ freed "
        "of their start at 0",
        scaling="The learning rate is 0.01 x the SGD rate of the `lr` slot: 0.001 for 0.1. Weight decay acts through "
        "the gradient (L2), with the baseline's value.",
        interacts={
            "nesterov": "both are the optimizer: choose one",
            "adamw": "both are the optimizer: choose one",
            "rmsprop": "both are the optimizer: choose one",
            "lr_optimizations": "the linear rule for the rate was found for SGD and needn't hold here",
        },
    )

    lr_ratio: Annotated[Positive, Field(description="learning rate relative to SGD's")] = 0.01

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"optimizer": plan.Adam(lr_ratio=self.lr_ratio)}
