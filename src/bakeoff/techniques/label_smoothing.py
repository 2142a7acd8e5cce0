"""label_smoothing: train against targets that leave every class some mass."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Fraction, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class LabelSmoothing(Technique):
    """Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7."""

    name: ClassVar = "label_smoothing"
    slots: ClassVar = ("loss.label_smoothing",)
    zero: ClassVar = {"epsilon": 0.0}
    strengths: ClassVar = ("epsilon", (0.05, 0.1, 0.2))
    card: ClassVar = Card(
        title="Label smoothing",
        what="Train against a softened target: a share of the mass is spread over all classes alike.",
        why="The gap between logits that the loss asks for becomes finite, so the network stops growing ever more "
        "confident; classes form tight clusters and probabilities are better calibrated.",
        equation="y' = (1 - epsilon) y + epsilon / K, for K classes",
        scaling="epsilon = 0.1 as in the post, on every task. The mass per wrong class depends on K: 0.0001 with "
        "1,000 classes, 0.01 with 10, so the same epsilon is a heavier dose on small problems.",
        interacts={
            "mixup": "mixed targets are smoothed once, after mixing",
            "cutmix": "mixed targets are smoothed once, after mixing",
        },
    )

    epsilon: Annotated[Fraction, Field(description="share of the target's mass spread over all classes")] = 0.1

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"loss.label_smoothing": self.epsilon} if self.epsilon else {}
