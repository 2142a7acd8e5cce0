"""repeated_augmentation: several copies of an image per batch, each augmented differently."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Copies, Plan, Repeated
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class RepeatedAugmentation(Technique):
    """Hoffer et al. 2020, https://arxiv.org/abs/1901.09335; sampler of Berman et al. 2019 and Touvron et al. 2021."""

    name: ClassVar = "repeated_augmentation"
    slots: ClassVar = ("sampler",)
    zero: ClassVar = {"copies": 1}
    strengths: ClassVar = ("copies", (2, 4, 8))
    card: ClassVar = Card(
        title="Repeated augmentation",
        what="Put several copies of the same image into a batch, each augmented differently.",
        why="Gradients of copies of one image are correlated, which lowers the variance of their sum and pushes the "
        "network to agree with itself across augmentations.",
        equation="batch = {augment_c(x_i): c = 1 .. copies}, for batch / copies images i",
        scaling="4 copies as in the post. The number of examples seen stays, so a pass over all images takes 4 times "
        "as many of them, and each distinct image is shown in a quarter as many passes. torchvision's sampler ends "
        "an epoch after a quarter of the images instead; no pass is cut short here.",
        interacts={
            "trivialaugment": "without random augmentation the copies are equal, and the batch is just smaller",
            "mixup": "partners are drawn by a permutation; a neighbour could be a copy of the image",
            "cutmix": "partners are drawn by a permutation; a neighbour could be a copy of the image",
            "long_training": "fewer distinct images per example seen: short runs lose most",
        },
    )

    copies: Annotated[Copies, Field(description="copies of an image in a row; 1: as usual")] = 4

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"sampler": Repeated(copies=self.copies)} if self.copies > 1 else {}
