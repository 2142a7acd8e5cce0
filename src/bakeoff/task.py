"""What a Task is: a data set with its splits, a model, a training budget, and what keeps its labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.plan import DecayRule, EvalView, HorizontalFlip, Model, PadCrop, Plan, Precision, ResizedCrop, Schedule

if TYPE_CHECKING:
    from bakeoff.data.dataset import Dataset


@dataclass(frozen=True)
class Limits:
    """Which augmentations leave an image in its class."""

    flip: bool = True  # mirroring left and right
    max_rotation: float = 180.0  # degrees
    max_shear: float = 1.0  # tangent


@dataclass(frozen=True)
class Task:
    """A classification problem and the baseline that the post's baseline becomes on it.

    On `imagenet` every value is the post's own. Elsewhere lengths, sizes and strengths are the task's, and techniques
    state the post's values relative to them.
    """

    name: str
    about: str  # one line
    classes: int
    channels: int
    px: int  # side of the square that is cropped at evaluation; the model is built for it
    resize_px: int  # side to which the shorter side is resized before that crop
    train_examples: int
    epochs: float  # baseline training length
    batch_size: int
    model: str
    crop: PadCrop | ResizedCrop
    limits: Limits
    load: Callable[[Path], "Dataset"]  # data folder -> splits
    large_batch: int = 1  # times the batch size, which is what lr_optimizations goes to
    weight_decay: float = 1e-4
    precision: Precision = Precision()
    noise_pp: float | None = None  # run-to-run sd of Acc@1 in points, where it was measured

    def base_plan(self, model: str | None = None) -> Plan:
        """The post's baseline on this task: step schedule, weight decay on everything, crop, flip where allowed."""
        return Plan(
            model=Model(name=model or self.model, classes=self.classes, channels=self.channels, px=self.px),
            examples_seen=round(self.epochs * self.train_examples),
            batch_size=self.batch_size,
            image_ops=(self.crop, HorizontalFlip()) if self.limits.flip else (self.crop,),
            train_px=self.px,
            eval_view=EvalView(resize_px=self.resize_px, crop_px=self.px),
            lr=Schedule(per_256=0.1),
            decay=DecayRule(weight_decay=self.weight_decay),
            precision=self.precision,
        )
