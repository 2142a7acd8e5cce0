"""weight_decay_tuning: less weight decay, and none on normalisation layers."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import DecayRule, NonNegative, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class WeightDecayTuning(Technique):
    """He et al. 2019 (Bag of Tricks), https://arxiv.org/abs/1812.01187, section 3.1, for the normalisation layers."""

    name: ClassVar = "weight_decay_tuning"
    slots: ClassVar = ("decay",)
    zero: ClassVar = {"ratio": 1.0, "norm": None}
    strengths: ClassVar = ("ratio", (0.1, 0.2, 0.4))
    card: ClassVar = Card(
        title="Weight decay tuning",
        what="Lower the weight decay once other regularisers are in, and switch it off for the scales and shifts of "
        "normalisation layers.",
        why="Augmentation and mixing already regularise, so the best weight decay falls. In a normalised network "
        "decay mainly sets the effective learning rate; shrinking a normalisation scale doesn't make the function "
        "simpler the way shrinking weights is meant to.",
        equation="g = dL/dw + ratio x wd x w for weights and biases;  g = dL/dw + norm x w for normalisation layers",
        scaling="2e-5 of 1e-4: a fifth of the task's own baseline. Biases outside normalisation layers keep the "
        "decay of the weights, as with torchvision's norm_weight_decay. Layers are told apart by type, not by name. "
        "Small data may differ: for CIFAR, the code of google-research/sam calls decay on BatchNorm critical.",
        interacts={
            "lr_optimizations": "the pull on the weights is learning rate x weight decay: raising one is like raising "
            "the other",
            "mixup": "the post tuned the value with mixing in; alone, a fifth may be too little",
            "cutmix": "the post tuned the value with mixing in; alone, a fifth may be too little",
            "adamw": "its decay works through its small learning rate, so a fifth of the SGD value is next to none",
        },
    )

    ratio: Annotated[NonNegative, Field(description="weight decay relative to the baseline's")] = 0.2
    norm: Annotated[
        NonNegative | None, Field(description="weight decay of normalisation layers; none: as in the baseline")
    ] = 0.0

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {
            "decay": DecayRule(
                weight_decay=base.decay.weight_decay * self.ratio,
                norm=base.decay.norm if self.norm is None else self.norm,
                bias=base.decay.bias,
            )
        }
