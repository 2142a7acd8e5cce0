"""The Plan: everything that decides how one classifier is trained and evaluated, as plain data.

A Plan has a few typed slots. Techniques change slots; the engine reads them; neither knows the other. Plans are
immutable, survive a round trip through JSON, and are identified by a digest of that JSON, in which a field that 0.1
didn't have is absent at its default (bakeoff.encoding): a field may be added with a default, and all ids stay.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from bakeoff.encoding import Value
from bakeoff.errors import RequestError, UnknownName, unknown
from bakeoff.parts import ImageOp, ImageOps, LossTerm, LossTerms, Mixer, Mixers, Part, one_of_each
from bakeoff.reader import LONGEST

LEAST_PX, MOST_PX = 2, 2**14  # of a side; torch resizes no coloured image to 1 x 1


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):  # which Python takes for 0 or 1
        raise PydanticCustomError("number", "Input should be a number")
    return value


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise PydanticCustomError("interval", "Input should be the lower end, then the upper one")
    return ends


_Number = BeforeValidator(_no_truth)
Fraction = Annotated[float, _Number, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, _Number, Field(gt=0.0, ge=1e-38, le=1e38)]  # what training computes with, float32, holds
NonNegative = Annotated[float, _Number, Field(ge=0.0, le=1e38)]
Ratio = Annotated[float, _Number, Field(ge=1 / LONGEST, le=LONGEST)]  # to a length or a side
Count = Annotated[int, _Number, Field(ge=1, le=10**12)]  # of images, over all of training
Pixels = Annotated[int, _Number, Field(ge=LEAST_PX, le=MOST_PX)]
Copies = Annotated[int, _Number, Field(ge=1, le=1000)]
Levels = Annotated[int, _Number, Field(ge=2, le=10_000)]  # that a range is cut into
_Beta = Annotated[float, _Number, Field(ge=0.0, lt=1.0)]
_Share = Annotated[float, _Number, Field(ge=1e-6, le=1.0)]
_Aspect = Annotated[float, _Number, Field(ge=1e-3, le=1e3)]
Shares = Annotated[tuple[_Share, _Share], AfterValidator(_rising)]
Aspects = Annotated[tuple[_Aspect, _Aspect], AfterValidator(_rising)]


class Model(Value):
    """A network by name, with the shape of its input and output.

    name: a small net of bakeoff.models, any torchvision model, "timm:NAME", or one from outside. classes, channels: of
    output and input. px: side of the image that it's built for. knobs: arguments of its builder. sync_batchnorm:
    BatchNorm's statistics are those of the batch on all devices.
    """

    name: str
    classes: Annotated[int, _Number, Field(ge=2, le=10**6)]
    channels: Literal[1, 3]
    px: Pixels
    knobs: dict[str, int | float | bool | str] = Field(default={})
    sync_batchnorm: bool = False


class Shuffle(Value):
    """Every image once per pass, in a new order each pass."""

    kind: Literal["shuffle"] = "shuffle"
    copies: ClassVar[int] = 1


class Repeated(Value):
    """Every image `copies` times in a row per pass, each copy augmented differently."""

    kind: Literal["repeated"] = "repeated"
    copies: Annotated[Copies, Field(ge=2)]


Sampler = Annotated[Shuffle | Repeated, Field(discriminator="kind")]


class PadCrop(ImageOp):
    """A window of `train_px` at the image's own scale, its centre shifted by up to `shift` of the image's side."""

    kind: Literal["pad_crop"] = "pad_crop"
    family: ClassVar[str] = "crop"
    shift: Fraction = 0.125  # 4 of 32 px


class ResizedCrop(ImageOp):
    """A random part of the image, resized to `train_px` (the Inception crop)."""

    kind: Literal["resized_crop"] = "resized_crop"
    family: ClassVar[str] = "crop"
    area: Shares = (0.08, 1.0)  # share of the image's area
    aspect: Aspects = (3 / 4, 4 / 3)  # width / height, drawn log-uniformly


class HorizontalFlip(ImageOp):
    """Mirror left and right with probability `p`."""

    kind: Literal["horizontal_flip"] = "horizontal_flip"
    family: ClassVar[str] = "flip"
    p: Fraction = 0.5


class Policy(ImageOp):
    """What the automatic augmentations share: the limits that the task puts on geometric operations."""

    family: ClassVar[str] = "policy"
    max_rotation: Annotated[float, _Number, Field(ge=0.0, le=180.0)] = 180.0  # degrees
    max_shear: Annotated[float, _Number, Field(ge=0.0, le=1e3)] = 1.0  # tangent of the angle

    @property
    def warps(self) -> bool:
        """Whether images are sheared or turned, which takes an interpolation."""
        return self.max_rotation > 0 or self.max_shear > 0


class TrivialAugment(Policy):
    """One operation per image, drawn uniformly from 14, at a strength drawn uniformly from `bins` (ta_wide)."""

    kind: Literal["trivial_augment"] = "trivial_augment"
    bins: Levels = 31
    shift: Fraction = 32 / 224  # largest translation, as a share of the side
    strength: Fraction = 1.0  # scales every magnitude; 0 leaves images as they are


class RandAugment(Policy):
    """`ops` operations per image, one after the other, all at strength `magnitude` of `bins`."""

    kind: Literal["rand_augment"] = "rand_augment"
    ops: Annotated[int, _Number, Field(ge=0, le=100)] = 2
    magnitude: Annotated[int, _Number, Field(ge=0, le=10_000)] = 9
    bins: Levels = 31

    @model_validator(mode="after")
    def _magnitude_is_a_bin(self) -> Self:
        if self.magnitude >= self.bins:
            raise PydanticCustomError("bins", "Input should have more bins than its magnitude")
        return self


class AutoAugment(Policy):
    """One of the 25 sub-policies that were searched on ImageNet per image."""

    kind: Literal["auto_augment"] = "auto_augment"
    policy: Literal["imagenet"] = "imagenet"


class RandomErasing(ImageOp):
    """Set a random rectangle of the normalised image to 0, its mean, with probability `p`."""

    kind: Literal["random_erasing"] = "random_erasing"
    family: ClassVar[str] = "erase"
    normalised: ClassVar[bool] = True
    p: Fraction = 0.1
    area: Shares = (0.02, 0.33)
    aspect: Aspects = (0.3, 3.3)


class Mixup(Mixer):
    """Blend two images and their targets with a weight drawn from Beta(alpha, alpha)."""

    kind: Literal["mixup"] = "mixup"
    alpha: Positive


class Cutmix(Mixer):
    """Paste a rectangle of one image into another; targets mix by area, drawn from Beta(alpha, alpha)."""

    kind: Literal["cutmix"] = "cutmix"
    alpha: Positive


class EvalView(Value):
    """How an image is shown at evaluation: shorter side to `resize_px`, then the central square of `crop_px`.

    With test-time augmentation it is shown several times, and the probabilities are averaged: with `shift_px` also the
    four squares that lie so many pixels up or down and left or right of the centre, with `mirror` each of them mirrored
    too.
    """

    resize_px: Pixels
    crop_px: Pixels
    mirror: bool = False
    shift_px: Annotated[int, _Number, Field(ge=0, le=MOST_PX)] = 0

    @property
    def times(self) -> int:
        """How often the network sees each image."""
        return (5 if self.shift_px else 1) * (2 if self.mirror else 1)


class Loss(Value):
    """Cross-entropy against soft targets, plus terms.

    label_smoothing: share of the targets' mass that goes to all classes alike. terms: one of each kind.
    """

    label_smoothing: Fraction = 0.0
    terms: LossTerms = ()

    @field_validator("terms")
    @classmethod
    def _one_term_per_kind(cls, terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
        one_of_each(terms, "kind")
        return tuple(sorted(terms, key=lambda term: term.kind))


class SGD(Value):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr_ratio: Positive = 1.0  # learning rate relative to the `lr` slot, which is in SGD's units
    momentum: Fraction = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _looks_ahead_by_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise PydanticCustomError("momentum", "Nesterov takes a momentum above 0")
        return self


class Adam(Value):
    """Adam; with `decoupled`, weight decay acts on the weights and not through the gradient (AdamW)."""

    kind: Literal["adam"] = "adam"
    lr_ratio: Positive = 0.01
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: Positive = 1e-8
    decoupled: bool = False


class RMSProp(Value):
    """RMSProp with momentum; `eps` and `alpha` as in torchvision's reference."""

    kind: Literal["rmsprop"] = "rmsprop"
    lr_ratio: Positive = 0.01
    momentum: Fraction = 0.9
    alpha: Fraction = 0.9
    eps: Positive = 0.0316


Optimizer = Annotated[SGD | Adam | RMSProp, Field(discriminator="kind")]


class Schedule(Value):
    """Learning rate over training. Peak = `per_256` x batch size / 256 x the optimizer's `lr_ratio`.

    `warmup` is the share of training over which the rate rises linearly from `warmup_start` x peak. After it:
    `constant`; `step` multiplies by `gamma` at each third of the rest; `cosine` falls to 0; `exponential` falls to
    `gamma` x peak.
    """

    per_256: Positive
    shape: Literal["constant", "step", "cosine", "exponential"] = "step"
    gamma: Positive = 0.1
    warmup: Fraction = 0.0
    warmup_start: Fraction = 0.01


class DecayRule(Value):
    """L2 weight decay, and what it is for the parameters of normalisation layers and for biases (None: the same)."""

    weight_decay: NonNegative
    norm: NonNegative | None = None
    bias: NonNegative | None = None


class Average(Value):
    """Exponential moving average of the weights; its half-life is a share of the whole training."""

    half_life: Positive = 0.027  # 0.99998 as torchvision's reference adjusts it on ImageNet: ln 2 / (2e-5 x 1,281,167)


class Precision(Value):
    """Number format and memory layout. `auto`: bf16 where the device computes in it natively, else fp32."""

    dtype: Literal["fp32", "bf16", "auto"] = "fp32"
    channels_last: bool = True
    compile: bool = False


# The order in which operations are applied: on uint8 crop, flip, policy, then other families by name; normalisation;
# on float32 erase, then other families by name.
FAMILIES = ("crop", "flip", "policy", "erase")


class Plan(Value):
    """One classifier, fully described. Slots are read by the engine and changed by techniques.

    model: the network. examples_seen: images shown in training, copies counted. batch_size: images per optimizer step,
    over all devices. sampler: which image when. image_ops, mixers: random changes to images one by one, and to images
    and targets of a batch. train_px: side of the training images. read_px: shorter side that longer images are reduced
    to when they are read, before all else; None: none is. eval_view: how an image is shown at evaluation.
    interpolation: of every later resize, shear and rotation. loss, optimizer, lr, decay: what is minimised, how, at
    which learning rate, with which weight decay. average: the average of the weights that is evaluated; None: the last
    weights. precision: number format and memory layout. sources: technique, part or model from outside -> digest of its
    source.
    """

    model: Model
    examples_seen: Count
    batch_size: Count
    sampler: Sampler = Shuffle()
    image_ops: ImageOps = ()
    mixers: Mixers = ()
    train_px: Pixels
    read_px: Pixels | None = None
    eval_view: EvalView
    interpolation: Literal["bilinear", "bicubic", "nearest"] = "bilinear"
    loss: Loss = Loss()
    optimizer: Optimizer = SGD()
    lr: Schedule
    decay: DecayRule
    average: Average | None = None
    precision: Precision = Precision()
    sources: dict[str, str] = Field(default={})

    @field_validator("image_ops")
    @classmethod
    def _one_op_per_family(cls, ops: tuple[ImageOp, ...]) -> tuple[ImageOp, ...]:
        one_of_each(ops, "family")
        if not all(op.known for op in ops):
            return ops  # as they were stored: where the unknown one stands can't be told
        built_in = {family: place for place, family in enumerate(FAMILIES)}
        return tuple(sorted(ops, key=lambda op: (op.normalised, built_in.get(op.family, len(built_in)), op.family)))

    @field_validator("mixers")
    @classmethod
    def _one_mixer_per_kind(cls, mixers: tuple[Mixer, ...]) -> tuple[Mixer, ...]:
        one_of_each(mixers, "kind")
        return tuple(sorted(mixers, key=lambda mixer: mixer.kind))

    @property
    def steps(self) -> int:
        """Optimizer steps: every step sees a full batch, and there is at least one."""
        return max(1, round(self.examples_seen / self.batch_size))

    @property
    def peak_lr(self) -> float:
        """Learning rate at the schedule's peak."""
        return self.lr.per_256 * self.batch_size / 256 * self.optimizer.lr_ratio

    @property
    def digest(self) -> str:
        """Identity of the whole plan: 16 hexadecimal digits."""
        return _digest(self.model_dump(mode="json"))

    @property
    def training_digest(self) -> str:
        """Identity of what decides the trained weights.

        The evaluation view is left out, and so is whether the averaged weights are the ones evaluated: every run
        keeps both, so both levels of either are read from the same run.
        """
        data = self.model_dump(mode="json", exclude={"eval_view"})
        data["average"] = self.tracked_average.model_dump(mode="json")
        return _digest(data)

    @property
    def tracked_average(self) -> Average:
        """The average that is kept during training, whether or not it is the one evaluated."""
        return self.average or Average()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that may come from outside: image operations, mixers, terms of the loss."""
        return (*self.image_ops, *self.mixers, *self.loss.terms)

    def op(self, family: str) -> Any:
        """The image operation of one family, or None."""
        return next((op for op in self.image_ops if op.family == family), None)

    def at(self, path: str) -> Any:
        """The value of a slot, or of a field in one ("loss.label_smoothing"). RequestError if there is no such."""
        value: Any = self
        for name in path.split("."):
            if not isinstance(value, Value) or name not in type(value).model_fields or path == "sources":
                raise RequestError(f"'{path}' isn't a slot of the plan or a field in one")
            value = getattr(value, name)
        return value

    def replaced(self, values: Mapping[str, Any]) -> "Plan":
        """With other values of some slots and fields in slots. Raises pydantic's ValidationError."""
        whole: dict[str, Any] = dict(self)
        for path, value in sorted(values.items()):  # a slot before its fields
            slot, _, field = path.partition(".")
            whole[slot] = type(whole[slot]).model_validate({**dict(whole[slot]), field: value}) if field else value
        return Plan.model_validate(whole)

    def check_known(self) -> None:
        """Raise RequestError, with the nearest kind, unless every part is of a kind that is known here."""
        for part in self.parts:
            if not part.known:
                error = unknown(part.what, part.kind, part.kinds)
                whose = f" (here from {', '.join(self.sources)})" if self.sources else ""
                raise UnknownName(f"{error}; one from outside{whose} has to be named, as in --with ./mine.py:NAME")


SLOTS = tuple(slot for slot in Plan.model_fields if slot != "sources")


def diff(a: Plan, b: Plan, slots: Iterable[str] = SLOTS) -> dict[str, tuple[Any, Any]]:
    """Slots, or fields in slots, in which two plans differ, each with its value in `a` and in `b`."""
    pairs = {slot: (a.at(slot), b.at(slot)) for slot in slots}
    return {slot: pair for slot, pair in pairs.items() if pair[0] != pair[1]}


def leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of everything that is not a mapping in nested mappings."""
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, data


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
