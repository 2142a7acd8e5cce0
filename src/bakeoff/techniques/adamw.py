"""adamw: Adam with decoupled weight decay."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import Plan, Positive
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class AdamW(Technique):
    """Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101, as torch.optim.AdamW writes it."""

    name: ClassVar = "adamw"
    slots: ClassVar = ("optimizer",)
    card: ClassVar = Card(
        title="AdamW",
        what="Adam with weight decay that acts on the weights and not through the gradient. (The post tried Adam; "
        "AdamW it doesn't name.)",
        why="In Adam, a decay term in the gradient is divided by the gradient's running size, so weights with large "
        "gradients hardly decay; decoupling gives all the same decay.",
        equation="w = w - lr (m^ / (sqrt(v^) + eps) + wd w), with m^, v^ as in Adam",
        scaling="The learning rate is 0.01 x the SGD rate of the `lr` slot: 0.001 for 0.1. The weight decay is left to "
        "the `decay` slot, and works as lr x wd per step: at the baseline's 1e-4 next to none. SGD with momentum 0.9 "
        "pulls 1,000 times harder at the same value; the like of it here is --set decay.weight_decay=0.1.",
        interacts={
            "nesterov": "both are the optimizer: choose one",
            "adam": "both are the optimizer: choose one",
            "rmsprop": "both are the optimizer: choose one",
            "weight_decay_tuning": "a fifth of a decay that is too small for AdamW to begin with; raise the baseline's",
            "lr_optimizations": "the linear rule for the rate was found for SGD and needn't hold here",
        },
    )

    lr_ratio: Annotated[Positive, Field(description="learning rate relative to SGD's")] = 0.01

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"optimizer": plan.Adam(lr_ratio=self.lr_ratio, decoupled=True)}
