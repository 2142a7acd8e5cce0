"""What a Task is: a data set with its splits, a model, a training budget, and what keeps its labels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from bakeoff.errors import RequestError
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
_LEAST_SHOWN, _MOST_PASSES, _LEAST_PASSES = 30_000, 22, 10  # images shown in training; passes over few, and over many

_SMALL_NET_PX = 64  # up to which the small networks are made for; the others are torchvision's
SMALL_NET, NET = "cnn", "resnet18"


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
    noise_in_recipe_pp: float | None


@dataclass(frozen=True)
class Own:
    """Data that nobody knows, and what of their task was set by whoever made it."""

    source: "Source"
    given: Overrides

    def __eq__(self, other: object) -> bool:
        return self is other  # as data are told apart: by their fingerprint, once they are loaded

    __hash__ = object.__hash__


@dataclass(frozen=True)
class Task:
    """A classification problem and the baseline that the post's baseline becomes on it.

    On `imagenet` lengths, sizes and strengths are the post's own (docs/site/pages/concepts.md has what differs).
    Elsewhere they are the task's, and techniques state the post's values relative to them.

    name, about: what it's called, and a line about it. classes, channels: how many. px: side of the square that is
    cropped at evaluation, for which the model is built; resize_px: to which the shorter side is resized before that.
    read_px: to which the shorter side of longer images is reduced first; None: they are read as they are.
    train_examples: images to learn from. epochs, batch_size, weight_decay, precision: of the baseline. model: its
    network, by name. crop: its random crop. limits: which augmentations leave an image in its class. load: data folder
    -> the Dataset. large_batch: times the batch size, which is what lr_optimizations goes to. noise_pp: run-to-run sd
    of Acc@1 in points over all configurations, where it was measured; noise_in_recipe_pp: of the recipe and of what
    differs from it in one technique, with seeds shared. own: where the data are somebody's own: what is known of them.
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
    read_px: int | None = None
    large_batch: int = 1
    weight_decay: float = 1e-4
    precision: Precision = Precision()
    noise_pp: float | None = None
    noise_in_recipe_pp: float | None = None
    own: "Own | None" = field(default=None, repr=False)

    def base_plan(self, model: str | None = None) -> Plan:
        """The post's baseline on this task: step schedule, weight decay on everything, crop, flip where allowed."""
        return Plan(
            model=Model(name=model or self.model, classes=self.classes, channels=self.channels, px=self.px),
            examples_seen=round(self.epochs * self.train_examples),
            batch_size=self.batch_size,
            image_ops=(self.crop, HorizontalFlip()) if self.limits.flip else (self.crop,),
            train_px=self.px,
            read_px=self.read_px,
            eval_view=EvalView(resize_px=self.resize_px, crop_px=self.px),
            lr=Schedule(per_256=0.1),
            decay=DecayRule(weight_decay=self.weight_decay),
            precision=self.precision,
        )

    def at(self, px: int, model: str | None = None, epochs: float | None = None) -> "Task":
        """The same task with its images shown at `px`: read, trained on and evaluated at sizes that go with it.

        model, epochs: other ones as well. Raises RequestError where the images are smaller.
        """
        if self.own is None:
            if isinstance(self.crop, PadCrop) and px > self.px:
                raise RequestError(f"--px {px} is more than the images of {self.name} have, which is {self.px} px")
            resize = round(self.resize_px * px / self.px)
            read = self.read_px if px == self.px or isinstance(self.crop, ResizedCrop) else px
            sized = replace(self, px=px, resize_px=resize, read_px=read, model=model or self.model)
            return sized if epochs is None else replace(sized, epochs=epochs)
        return _of_own(self.own, px, model, epochs)

    @classmethod
    def of(cls, source: "Source", **given: Unpack[Overrides]) -> "Task":
        """A task of data that nobody knows, at the smallest size at which images are worth learning from.

        `tasks.fit` finds the size that suits a machine. given: `epochs=20`, `limits=Limits(flip=False)` and so on.
        """
        return _of_own(Own(source, given), given.get("px") or source.sizes[0], None, None)

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

        How large they are shown, to which network and how often is chosen for the machine before they are trained on
        (see `bakeoff.tasks.fit`). overrides: `epochs=20`, `px=64`, `limits=Limits(flip=False)` and so on.

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


def usual_model(px: int) -> str:
    """The network for images of a size, where none is asked for."""
    return SMALL_NET if px <= _SMALL_NET_PX else NET


def _of_own(own: Own, px: int, model: str | None, epochs: float | None) -> Task:
    """The task of somebody's data at a size. What comes with the size is a function of the size and the data alone.

    Images of one size are taken to be centred, as in prepared sets: they are shown whole, a little shifted. Others are
    photographs: a random part of them is shown.
    """
    source = own.source
    n = source.train
    batch = 32 if n < 2000 else 64 if n < 10_000 else 128
    passes = (_LEAST_PASSES, math.ceil(_LEAST_STEPS * batch / n), min(_MOST_PASSES, math.ceil(_LEAST_SHOWN / n)))
    uniform = source.uniform
    if uniform and px > source.side:
        raise RequestError(f"--px {px} is more than the images of {source.name} have, which is {source.side} px")
    task = Task(
        name=source.name,
        about=f"{source.images:,} images in {source.classes} classes",
        classes=source.classes,
        channels=source.channels,
        px=px,
        resize_px=px if uniform else round(px * 256 / 224),
        read_px=(px if px < source.side else None) if uniform else round(1.5 * px),
        train_examples=n,
        epochs=max(passes),
        batch_size=batch,
        model=usual_model(px),
        crop=PadCrop() if uniform else ResizedCrop(),
        limits=Limits(),
        load=source.load,
        weight_decay=5e-4 if px <= _SMALL_NET_PX or uniform else 1e-4,
        precision=Precision() if px <= _SMALL_NET_PX else Precision(dtype="auto"),
        own=own,
    )
    chosen: dict[str, Any] = {"px": px, "model": model, "epochs": epochs}
    return replace(task, **{**own.given, **{name: value for name, value in chosen.items() if value is not None}})
