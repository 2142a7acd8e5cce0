"""randaugment: several random operations per image, all at one strength."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from bakeoff import plan
from bakeoff.plan import Levels, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class RandAugment(Technique):
    """Cubuk et al. 2020, https://arxiv.org/abs/1909.13719; defaults of torchvision's `ra`."""

    name: ClassVar = "randaugment"
    slots: ClassVar = ("image_ops",)
    zero: ClassVar = {"ops": 0}
    strengths: ClassVar = ("magnitude", (5, 9, 13))
    card: ClassVar = Card(
        title="RandAugment",
        what="Apply several operations per image, drawn from a list of 14, all at one strength.",
        why="Two readable knobs replace the search of AutoAugment; larger models and data sets take more of both.",
        equation="op_1 .. op_n ~ Uniform(14 operations);  x' = op_n(... op_1(x, m) ..., m), m = magnitude / (bins - 1)",
        scaling="2 operations at strength 9 of 31, torchvision's defaults, on every task. Rotation and shear end at "
        "the task's limits.",
        interacts={
            "trivialaugment": "both are the automatic augmentation: choose one",
            "autoaugment": "both are the automatic augmentation: choose one",
        },
    )

    ops: Annotated[int, Field(ge=0, le=100, description="operations per image; 0 leaves images as they are")] = 2
    magnitude: Annotated[int, Field(ge=0, le=10_000, description="strength of all operations, from 0 to bins - 1")] = 9
    bins: Annotated[Levels, Field(validate_default=True, description="strengths that a range is cut into")] = 31

    @field_validator("bins")
    @classmethod
    def _above_magnitude(cls, bins: int, info: ValidationInfo) -> int:
        if bins <= info.data.get("magnitude", 0):
            raise ValueError("bins should be greater than magnitude")
        return bins

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        if not self.ops:
            return {}
        limits = task.limits
        return {
            "image_ops": plan.RandAugment(
                ops=self.ops,
                magnitude=self.magnitude,
                bins=self.bins,
                max_rotation=limits.max_rotation,
                max_shear=limits.max_shear,
            )
        }
