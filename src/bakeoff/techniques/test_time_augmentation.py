"""test_time_augmentation: show an image several times and average what the network says."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bakeoff.plan import Fraction, Plan
from bakeoff.task import Task
from bakeoff.technique import Card, Claim, Paper, Technique


class TestTimeAugmentation(Technique):
    """Krizhevsky, Sutskever & Hinton 2012, section 4.1; with small shifts as in https://arxiv.org/abs/2404.00498."""

    name: ClassVar = "test_time_augmentation"
    slots: ClassVar = ("eval_view.mirror", "eval_view.shift_px")
    zero: ClassVar = {"mirror": False, "shift": 0.0}
    card: ClassVar = Card(
        title="Test-time augmentation",
        what="At evaluation, show the network each image mirrored and shifted too, and average the probabilities. "
        "Training doesn't change.",
        why="What the network says of one image under changes that mean nothing differs by chance; the mean of several "
        "answers has less of that. It costs as many times the inference: twice for the mirror image, five times for "
        "the shifts, ten times for both.",
        equation="p = mean over v of softmax(f(v(x))),  v(x) = the central crop and four shifted by "
        "(+-s, +-s), s = round(shift x crop_px) px, 1 at least;  each mirrored too",
        scaling="The shift is a share of the crop, from the one pixel of 32 in airbench (2404.00498); AlexNet's four "
        "patches lie in the corners, 16 px of 224 away. Mirrored only where the task's training mirrors. What lies "
        "outside of the image is black, as it is in training.",
        interacts={
            "inference_resize": "a resize to more than the crop leaves pixels of the image for the shifts to show",
            "ema": "both take jitter out of the answer: of the weights there, of the view here",
        },
        papers=(
            Paper(
                authors="Alex Krizhevsky, Ilya Sutskever, Geoffrey E. Hinton",
                title="ImageNet Classification with Deep Convolutional Neural Networks",
                year=2012,
                venue="NeurIPS",
            ),
            Paper(
                authors="Keller Jordan",
                title="94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
                year=2024,
                venue="arXiv",
                arxiv="2404.00498",
            ),
        ),
        claims=(
            Claim(
                dataset="ImageNet-1k (2010)",
                model="AlexNet",
                metric="Acc@1 %",
                baseline=61.0,
                value=62.5,
                gain=1.5,
                where="section 4.1: top-1 error 39.0 % without the ten patches and 37.5 % with them",
                status="from memory",
                by_authors=True,
            ),
        ),
    )

    mirror: Annotated[bool, Field(description="show it mirrored too, where the task's training mirrors images")] = True
    shift: Annotated[Fraction, Field(description="of the four shifted crops, as a share of the crop; 0: none")] = 1 / 32

    def edit(self, base: Plan, task: Task | None = None) -> Mapping[str, Any]:
        edits: dict[str, Any] = {}
        if self.mirror and base.op("flip") is not None:
            edits["eval_view.mirror"] = True
        if self.shift:
            edits["eval_view.shift_px"] = max(1, round(self.shift * base.eval_view.crop_px))
        return edits

    def not_applicable_reason(self, base: Plan, task: Task) -> str | None:
        if self.mirror and not self.edit(base):
            return f"images of {task.name} are not mirrored, and no shift is asked for"
        return None
