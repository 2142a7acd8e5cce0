"""trivialaugment: one random operation at a random strength per image."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff import plan
from bakeoff.plan import Fraction, Levels, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class TrivialAugment(Technique):
    """Mueller & Hutter 2021, https://arxiv.org/abs/2103.10158; the wide space, torchvision's `ta_wide`."""

    name: ClassVar = "trivialaugment"
    slots: ClassVar = ("image_ops",)
    zero: ClassVar = {"strength": 0.0}
    strengths: ClassVar = ("strength", (0.5, 0.75, 1.0))
    card: ClassVar = Card(
        title="TrivialAugment (wide)",
        what="Change every image by one operation, drawn from a list of 14 (rotate, shear, shift, brightness, "
        "posterize, ...), at a strength drawn from the operation's whole range.",
        why="As much variety as a searched policy, with nothing to search; one operation per image keeps it "
        "recognisable.",
        equation="op ~ Uniform(14 operations);  m ~ Uniform({0, ..., bins - 1});  x' = op(x, strength m / (bins - 1))",
        scaling="Shifts are a share of the side (32 of 224 px), so that a digit of 28 px stays in its picture; "
        "rotation and shear end at the task's limits (a 6 must not become a 9); colour strengths have no unit.",
        interacts={
            "long_training": "makes every pass new, which is what makes more passes worth their time",
            "random_erasing": "applied before it, so erased pixels stay erased",
            "autoaugment": "both are the automatic augmentation: choose one",
            "randaugment": "both are the automatic augmentation: choose one",
        },
    )

    strength: Annotated[Fraction, Field(description="scales every range; 0 leaves images as they are")] = 1.0
    bins: Annotated[Levels, Field(description="number of strengths that a range is cut into")] = 31
    shift: Annotated[Fraction, Field(description="largest shift, as a share of the side")] = 32 / 224

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        if not self.strength:
            return {}
        limits = task.limits
        return {
            "image_ops": plan.TrivialAugment(
                bins=self.bins,
                shift=self.shift,
                strength=self.strength,
                max_rotation=limits.max_rotation,
                max_shear=limits.max_shear,
            )
        }
