"""random_erasing: hide a random rectangle of the image."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import Fraction, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class RandomErasing(Technique):
    """Zhong et al. 2020, https://arxiv.org/abs/1708.04896; area and aspect are torchvision's."""

    name: ClassVar = "random_erasing"
    slots: ClassVar = ("image_ops",)
    zero: ClassVar = {"p": 0.0}
    strengths: ClassVar = ("p", (0.05, 0.1, 0.2))
    card: ClassVar = Card(
        title="Random erasing",
        what="With some probability, overwrite a random rectangle of the image with the mean colour.",
        why="It imitates occlusion: the network can't rely on one telling part and has to use the whole object.",
        equation="with probability p: area a ~ U(0.02, 0.33) x H W, log aspect ~ U(log 0.3, log 3.3);  "
        "x[rectangle] = 0 after normalisation",
        scaling="p = 0.1 as in the post, on every task; the rectangle is a share of the image. Erasing follows "
        "normalisation, where 0 is the mean, so the statistics stay.",
        interacts={
            "trivialaugment": "applied after it",
            "cutmix": "both hide a rectangle; cutmix fills it with another image and changes the target, erasing "
            "doesn't",
        },
    )

    p: Annotated[Fraction, Field(description="probability that an image is erased in part")] = 0.1

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"image_ops": plan.RandomErasing(p=self.p)} if self.p else {}
