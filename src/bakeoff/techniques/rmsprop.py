"""rmsprop: gradients divided by their running root mean square."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import Plan, Positive
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class RMSProp(Technique):
    """Tieleman & Hinton 2012, as torch.optim.RMSprop with the momentum, alpha and eps of torchvision's reference."""

    name: ClassVar = "rmsprop"
    slots: ClassVar = ("optimizer",)
    card: ClassVar = Card(
        title="RMSProp",
        what="Divide each parameter's gradient by its running root mean square, then apply momentum.",
        why="Step sizes become independent of the gradient's scale, layer by layer.",
        equation="s = alpha s + (1 - alpha) g^2;  v = momentum v + g / (sqrt(s) + eps);  w = w - lr v",
        scaling="The learning rate is 0.01 x the SGD rate of the `lr` slot: 0.001 for 0.1. Momentum 0.9, alpha 0.9 and "
        "eps 0.0316 are torchvision's. Weight decay acts through the gradient, with the baseline's value.",
        interacts={
            "nesterov": "both are the optimizer: choose one",
            "adam": "both are the optimizer: choose one",
            "adamw": "both are the optimizer: choose one",
        },
    )

    lr_ratio: Annotated[Positive, Field(description="learning rate relative to SGD's")] = 0.01

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"optimizer": plan.RMSProp(lr_ratio=self.lr_ratio)}
