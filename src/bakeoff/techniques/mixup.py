"""mixup: train on blends of two images and their targets."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import NonNegative, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Mixup(Technique):
    """Zhang et al. 2018, https://arxiv.org/abs/1710.09412."""

    name: ClassVar = "mixup"
    slots: ClassVar = ("mixers",)
    zero: ClassVar = {"alpha": 0.0}
    strengths: ClassVar = ("alpha", (0.1, 0.2, 0.4))
    card: ClassVar = Card(
        title="mixup",
        what="Blend two images of the batch pixel by pixel, and their targets by the same weight.",
        why="The network learns to behave linearly between examples, which smooths its decision boundaries and keeps "
        "it from memorising single images.",
        equation="lambda ~ Beta(alpha, alpha);  x = lambda x_i + (1 - lambda) x_j;  y = lambda y_i + (1 - lambda) y_j",
        scaling="alpha = 0.2 as in the post, on every task: it has no unit.",
        interacts={
            "cutmix": "one of the two is drawn per batch, so adding cutmix halves the dose of mixup",
            "label_smoothing": "mixed targets are smoothed once, after mixing",
            "long_training": "it pays with length: compare its authors' 90 and 200 epochs",
            "weight_decay_tuning": "mixing regularises, so the best weight decay is lower with it",
            "repeated_augmentation": "partners are drawn by a permutation; a neighbour could be a copy of the image",
        },
    )

    alpha: Annotated[
        NonNegative, Field(description="of the Beta distribution; small: mostly one image, 0: leave images alone")
    ] = 0.2

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"mixers": plan.Mixup(alpha=self.alpha)} if self.alpha else {}
