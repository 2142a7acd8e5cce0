"""autoaugment: pairs of operations from a policy that was searched on ImageNet."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bakeoff import plan
from bakeoff.plan import Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class AutoAugment(Technique):
    """Cubuk et al. 2019, https://arxiv.org/abs/1805.09501; the policy searched on ImageNet."""

    name: ClassVar = "autoaugment"
    slots: ClassVar = ("image_ops",)
    card: ClassVar = Card(
        title="AutoAugment",
        what="Apply one of 25 pairs of operations per image, each with a probability and a strength found by a search "
        "on ImageNet.",
        why="Which changes leave an image in its class differs between data sets, and a search can find out. It is "
        "dear; its result is reused here.",
        equation="(op1, p1, m1), (op2, p2, m2) ~ Uniform(25 pairs);  x' = op2(op1(x)), each with its probability",
        scaling="The policy is ImageNet's on every task. Rotation and shear end at the task's limits.",
        interacts={
            "trivialaugment": "both are the automatic augmentation: choose one",
            "randaugment": "both are the automatic augmentation: choose one",
        },
    )

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        limits = task.limits
        return {"image_ops": plan.AutoAugment(max_rotation=limits.max_rotation, max_shear=limits.max_shear)}
