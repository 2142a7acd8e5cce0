"""long_training: the same recipe for several times as many examples."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Plan, Ratio
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class LongTraining(Technique):
    """Hoffer et al. 2017, https://arxiv.org/abs/1705.08741; length as in Wightman et al. 2021."""

    name: ClassVar = "long_training"
    slots: ClassVar = ("examples_seen",)
    zero: ClassVar = {"ratio": 1.0}
    card: ClassVar = Card(
        title="Long training",
        what="Run the same recipe for several times as many examples.",
        why="With random augmentation every pass is a new data set, so more of them bring information instead of "
        "memorising. Without enough augmentation or regularisation the gain ends early, or turns.",
        equation="examples_seen = ratio x the baseline's",
        scaling="600 of 90 epochs, as a ratio to the task's own baseline length. It costs that ratio in time.",
        interacts={
            "trivialaugment": "noisy techniques need the length: on short runs they may hurt",
            "mixup": "it pays with length: compare its authors' 90 and 200 epochs",
            "cutmix": "its authors train for 300 epochs, since such regularisers converge late",
            "ema": "the half-life is a share of training, so it grows along",
        },
    )

    ratio: Annotated[Ratio, Field(description="training length relative to the baseline's")] = 600 / 90

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"examples_seen": max(1, round(base.examples_seen * self.ratio))}
