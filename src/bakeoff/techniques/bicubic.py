"""bicubic: bicubic instead of bilinear interpolation."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bakeoff.plan import Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Bicubic(Technique):
    """Torchvision's `--interpolation bicubic`."""

    name: ClassVar = "bicubic"
    slots: ClassVar = ("interpolation",)
    card: ClassVar = Card(
        title="Bicubic interpolation",
        what="Resize and warp images with bicubic instead of bilinear interpolation.",
        why="It keeps edges sharper, at some cost in time; what counts is that training and "
        "evaluation use the same one.",
        equation="each output pixel is a weighted mean of 4 x 4 pixels, with the weights of a cubic",
        scaling="It has no unit. Where images are neither resized nor warped, it changes nothing.",
        interacts={
            "nearest": "both set the interpolation: choose one",
        },
    )

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"interpolation": "bicubic"}
