"""nesterov: SGD with momentum that looks ahead."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bakeoff.plan import SGD, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Nesterov(Technique):
    """Sutskever et al. 2013, as torch.optim.SGD(nesterov=True) writes it."""

    name: ClassVar = "nesterov"
    slots: ClassVar = ("optimizer",)
    card: ClassVar = Card(
        title="Nesterov momentum",
        what="SGD whose step looks ahead along the momentum.",
        why="Momentum overshoots; looking ahead corrects a step before it is made instead of after.",
        equation="v = momentum v + g;  w = w - lr (g + momentum v)",
        scaling="Momentum and learning rate stay those of the baseline's SGD.",
        interacts={
            "adam": "both are the optimizer: choose one",
            "adamw": "both are the optimizer: choose one",
            "rmsprop": "both are the optimizer: choose one",
        },
    )

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"optimizer": base.optimizer.model_copy(update={"nesterov": True})}

    def not_applicable_reason(self, base: Plan, task: Task) -> str | None:
        if not isinstance(base.optimizer, SGD) or not base.optimizer.momentum:
            return "the baseline's optimizer is not SGD with momentum"
        return None
