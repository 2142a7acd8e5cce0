"""inference_resize: evaluate at a resize nearer the crop."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Plan, Ratio
from bakeoff.task import Task
from bakeoff.technique import Card, Technique


class InferenceResize(Technique):
    """The post's reading of Touvron et al. 2019, https://arxiv.org/abs/1906.06423: no retraining, no fine-tuning."""

    name: ClassVar = "inference_resize"
    slots: ClassVar = ("eval_view.resize_px",)
    card: ClassVar = Card(
        title="Inference resize tuning",
        what="At evaluation, resize to a size nearer that of the central crop. Training doesn't change.",
        why="Resizing to much more than the crop cuts the border off and shows objects larger; a value nearer the crop "
        "keeps more of the image and fits what training showed.",
        equation="resize_px = max(crop_px, round(ratio x crop_px))",
        scaling="232 px for a crop of 224, as a ratio to the task's crop. The post chose it on half of the validation "
        "set and checked it on the other half; here, tune it on the split `select` only.",
        interacts={
            "fixres": "two remedies for one mismatch: with both in, each gains less than alone",
        },
    )

    ratio: Annotated[Ratio, Field(ge=1.0, description="resized shorter side relative to the crop")] = 232 / 224

    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        return {"eval_view.resize_px": self._resized(base)}

    def not_applicable_reason(self, base: Plan, task: Task) -> str | None:
        if self._resized(base) == base.eval_view.resize_px:
            return f"images are resized to {base.eval_view.resize_px} px already: nothing would change"
        return None

    def _resized(self, base: Plan) -> int:
        crop = base.eval_view.crop_px
        return max(crop, round(crop * self.ratio))
