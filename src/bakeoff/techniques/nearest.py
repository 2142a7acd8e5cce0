"""nearest: nearest instead of bilinear interpolation."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bakeoff.plan import Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class Nearest(Technique):
    """Torchvision's `--interpolation nearest`."""

    name: ClassVar = "nearest"
    slots: ClassVar = ("interpolation",)
    card: ClassVar = Card(
        title="Nearest interpolation",
        what="Resize and warp images by taking the nearest pixel instead of bilinear interpolation.",
        why="It is the cheapest, at the price of jagged edges; what counts is that training and "
        "evaluation use the same one.",
        equation="each output pixel is the one input pixel nearest to it",
        scaling="It has no unit. Where images are neither resized nor warped, it changes nothing.",
        interacts={
            "bicubic": "both set the interpolation: choose one",
        },
    )

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"interpolation": "nearest"}
