"""cutmix: paste a rectangle of one image into another and mix the targets by area."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import NonNegative, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Cutmix(Technique):
    """Yun et al. 2019, https://arxiv.org/abs/1905.04899."""

    name: ClassVar = "cutmix"
    slots: ClassVar = ("mixers",)
    zero: ClassVar = {"alpha": 0.0}
    strengths: ClassVar = ("alpha", (0.5, 1.0, 2.0))
    card: ClassVar = Card(
        title="CutMix",
        what="Paste a random rectangle of one image of the batch into another, and mix their targets by area.",
        why="It hides parts as erasing does, but no pixel is wasted, and pixels stay natural, unlike mixup's: the "
        "network learns to name several objects from partial views.",
        equation="lambda ~ Beta(alpha, alpha);  box of area (1 - lambda) H W, clipped at the border;  "
        "y = s y_i + (1 - s) y_j, with s the share of pixels kept from i",
        scaling="alpha = 1.0 as in the post, on every task (lambda is then uniform): it has no unit.",
        interacts={
            "mixup": "one of the two is drawn per batch, so adding cutmix halves the dose of mixup",
            "label_smoothing": "mixed targets are smoothed once, after mixing",
            "random_erasing": "both hide a rectangle",
            "long_training": "its authors train for 300 epochs, since such regularisers converge late",
            "weight_decay_tuning": "mixing regularises, so the best weight decay is lower with it",
            "repeated_augmentation": "partners are drawn by a permutation; a neighbour could be a copy of the image",
        },
    )

    alpha: Annotated[
        NonNegative, Field(description="of the Beta distribution; 1: any area alike, 0: leave images alone")
    ] = 1.0

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"mixers": plan.Cutmix(alpha=self.alpha)} if self.alpha else {}
