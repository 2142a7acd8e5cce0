"""fixres: train on smaller images than are shown at evaluation."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Plan, Ratio
from bakeoff.task import Task
from bakeoff.technique import Card, Technique

ONE_SIZE = ("softmax", "mlp")  # models whose weights are tied to the number of pixels


class FixRes(Technique):
    """Touvron et al. 2019, https://arxiv.org/abs/1906.06423, without the fine-tuning phase, as in the post."""

    name: ClassVar = "fixres"
    slots: ClassVar = ("train_px",)
    zero: ClassVar = {"ratio": 1.0}
    strengths: ClassVar = ("ratio", (0.7, 176 / 224, 0.9))
    card: ClassVar = Card(
        title="FixRes mitigations",
        what="Train on smaller images than are shown at evaluation.",
        why="A random resized crop enlarges objects in training, the central crop at evaluation doesn't; a smaller "
        "training size makes their apparent sizes meet, and training is cheaper.",
        equation="train_px = round(ratio x the baseline's)",
        scaling="176 of 224 px, as a ratio to the task's own size. With a resized crop it mends that mismatch of "
        "sizes. With a pad crop, of small images at fixed scale, there is no such mismatch: it trains on a smaller "
        "window at native scale.",
        interacts={
            "inference_resize": "two remedies for one mismatch: with both in, each gains less than alone",
        },
    )

    ratio: Annotated[Ratio, Field(le=1.0, description="training size relative to the baseline's")] = 176 / 224

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"train_px": self._px(base)}

    def not_applicable_reason(self, base: Plan, task: Task) -> str | None:
        if base.model.name in ONE_SIZE:
            return f"{base.model.name} takes images of one size only"
        if self._px(base) == base.train_px:
            return f"{self.ratio:.3g} x {base.train_px} px rounds to {base.train_px} px: nothing would change"
        return None

    def _px(self, base: Plan) -> int:
        return max(1, round(base.train_px * self.ratio))
