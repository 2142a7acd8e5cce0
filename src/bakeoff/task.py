"""What a Task is: a data set with its splits, a model, a training budget, and what keeps its labels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from bakeoff.plan import DecayRule, EvalView, HorizontalFlip, Model, PadCrop, Plan, Precision, ResizedCrop, Schedule

if TYPE_CHECKING:
    from bakeoff.data.dataset import Dataset
    from bakeoff.data.sources import Source


@dataclass(frozen=True)
class Limits:
    """Which augmentations leave an image in its class.

    flip: mirroring left and right. max_rotation: in degrees. max_shear: the tangent of the angle.
    """

    flip: bool = True
    max_rotation: float = 180.0
    max_shear: float = 1.0


_LEAST_STEPS = 400  # of training, however few images there are


class Overrides(TypedDict, total=False):
    """What `Task.from_...` sets by default and may be set otherwise: the fields of Task of those names."""

    about: str
    px: int
    resize_px: int
    epochs: float
    batch_size: int
    model: str
    crop: PadCrop | ResizedCrop
    limits: Limits
    large_batch: int
    weight_decay: float
    precision: Precision
    noise_pp: float | None


@dataclass(frozen=True)
class Task:
    """A classification problem and the baseline that the post's baseline becomes on it.

    On `imagenet` every value is the post's own. Elsewhere lengths, sizes and strengths are the task's, and techniques
    state the post's values relative to them.

    name, about: what it's called, and a line about it. classes, channels: how many. px: side of the square that is
    cropped at evaluation, for which the model is built; resize_px: to which the shorter side is resized before that.
    train_examples: images to learn from. epochs, batch_size, weight_decay, precision: of the baseline. model: its
    network, by name. crop: its random crop. limits: which augmentations leave an image in its class. load: data folder
    -> the Dataset. large_batch: times the batch size, which is what lr_optimizations goes to. noise_pp: run-to-run sd
    of Acc@1 in points, where it was measured.
    """

    name: str
    about: str
    classes: int
    channels: int
    px: int
    resize_px: int
    train_examples: int
    epochs: float
    batch_size: int
    model: str
    crop: PadCrop | ResizedCrop
    limits: Limits
    load: Callable[[Path], "Dataset"] = field(repr=False)
    large_batch: int = 1
    weight_decay: float = 1e-4
    precision: Precision = Precision()
    noise_pp: float | None = None

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

    @classmethod
    def of(cls, source: "Source", **overrides: Unpack[Overrides]) -> "Task":
        """A task of data that nobody knows: small images of one size at that size, others at 224 px.

        overrides: `epochs=20`, `limits=Limits(flip=False)` and so on.
        """
        batch = 128 if source.train >= 2000 else 32
        task = cls(
            name=source.name,
            about=f"{source.images:,} images in {source.classes} classes",
            classes=source.classes,
            channels=source.channels,
            px=224,
            resize_px=256,
            train_examples=source.train,
            epochs=max(10, math.ceil(_LEAST_STEPS * batch / source.train)),
            batch_size=batch,
            model="resnet18",
            crop=ResizedCrop(),
            limits=Limits(),
            load=source.load,
            precision=Precision(dtype="auto"),
        )
        if (side := source.side) is not None:
            small = replace(task, px=side, resize_px=side, model="cnn", crop=PadCrop(), weight_decay=5e-4)
            task = replace(small, precision=Precision())
        return replace(task, **overrides)

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        name: str = "arrays",
        validation: tuple[Any, Any] | None = None,
        test: tuple[Any, Any] | None = None,
        classes: Sequence[str] | None = None,
        white: float | None = None,
        channels: Literal["first", "last"] | None = None,
        **overrides: Unpack[Overrides],
    ) -> "Task":
        """A task of arrays or tensors in memory, which are copied.

        images: (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels, black being 0. labels: (N,) names, or
        whole numbers. name: what runs and reports call it. validation: images and labels whose halves become `select`
        and `report`; None: 15 % of the training images each, drawn class by class, the same every time. test: images
        and labels that only `evaluate` opens, if asked. classes: their names in order, which numbered labels count
        from 0; None: the labels that there are, sorted. white: the value that is white; None: 1 for floats and
        booleans, 255 for integers. channels: where the channels are, if both places would do.

        Images of up to 96 px are shown at the size of their shorter side, as a square from the middle where they aren't
        square; larger ones at 224 px. overrides: `epochs=20`, `limits=Limits(flip=False)` and so on.

        Raises RequestError for images and labels that don't fit each other, values that are no pixels (normalised,
        NaN), fewer than two classes, and too few images of a class.
        """
        from bakeoff.data.sources.arrays import arrays_source

        source = arrays_source(
            images, labels, name=name, validation=validation, test=test, classes=classes, white=white, channels=channels
        )
        return cls.of(source, **overrides)

    @classmethod
    def from_table(
        cls,
        path: Path | str,
        *,
        image: str | None = None,
        label: str | None = None,
        split: str | None = None,
        skip_bad: bool = False,
        **overrides: Unpack[Overrides],
    ) -> "Task":
        """A task of the image files that a table lists: CSV, TSV or Parquet (which needs the extra `parquet`).

        path: of the table; paths in it are relative to its folder. image, label, split: names of its columns; None:
        those of the usual names (path, file, filename, image; label, class, target; split, if there is one, with train,
        val and test in it). skip_bad: leave out images that are missing or can't be read. overrides: as for
        `from_arrays`, and so are splits and sizes.

        Raises RequestError with the row where something is missing, twice there, empty, or can't be read.
        """
        from bakeoff.data.sources.table import table_source

        return cls.of(table_source(Path(path), image, label, split, skip_bad), **overrides)

    @classmethod
    def from_huggingface(
        cls,
        source: Path | str,
        *,
        config: str | None = None,
        image: str | None = None,
        label: str | None = None,
        skip_bad: bool = False,
        **overrides: Unpack[Overrides],
    ) -> "Task":
        """A task of a Hugging Face data set; needs the extra `huggingface`.

        source: a folder that `save_to_disk` made, a folder of Parquet files, or a name on the Hub, which is downloaded
        into that library's own cache. config: which of several data sets of that name. image, label: names of its
        columns; None: those of these types. Its validation set is halved into `select` and `report`; without one, they
        are drawn from the training images. overrides: as for `from_arrays`.

        Raises RequestError when it can't be had or understood.
        """
        from bakeoff.data.sources.huggingface import huggingface_source

        return cls.of(huggingface_source(str(source), config, image, label, skip_bad), **overrides)
