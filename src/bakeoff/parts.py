"""Parts: what a plan's open slots stand of, image operations, mixers and terms of the loss; some come from outside.

A part brings its data and its maths. Ours are defined beside the Plan, and the engine has their maths, batched; one
from outside is a subclass of ImageOp, Mixer or LossTerm with an `apply` of its own.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import ConfigDict, PlainValidator, SerializeAsAny, ValidationError
from pydantic_core import PydanticCustomError

from bakeoff.encoding import Value
from bakeoff.errors import RequestError, explain_validation

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from bakeoff.rng import Draws


class Part(Value):
    """What several may stand of in one slot, among them some from outside: a subclass brings its data and its maths.

    A subclass names itself, `kind: Literal["grid_mask"] = "grid_mask"`, and is known by that from then on. Where its
    file wasn't named, a plan with it is read as data all the same: it keeps its digest, and can't be trained.
    """

    slot: ClassVar[str]  # the collection in which it stands
    what: ClassVar[str]  # the same for people
    kinds: ClassVar[dict[str, type[Any]]]  # kind -> the class that stands for it

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make the kind known. Raises RequestError for one of our own."""
        if (field := cls.model_fields["kind"]).is_required():
            return
        known = cls.kinds.get(field.default)
        if known is not None and _ours(known) and not _ours(cls):
            raise RequestError(f"{cls.what} '{field.default}' is one of bakeoff's own; choose another kind")
        cls.kinds[field.default] = cls

    @property
    def known(self) -> bool:
        """Whether the class of this kind is known in this process."""
        return self.kind in self.kinds

    def _no_maths(self) -> RequestError:
        return RequestError(
            f"{self.what} '{self.kind}' isn't known here; name the file or package that it comes from, as in "
            "--with ./mine.py:NAME"
        )


class ImageOp(Part):
    """Something done to each training image by itself.

    family: at most one operation of a family stands in a plan; a kind of no family is its own. normalised: it is
    applied to float32 images after normalisation, where 0 is the mean, and not to uint8 ones before.
    """

    slot: ClassVar[str] = "image_ops"
    what: ClassVar[str] = "image operation"
    kinds: ClassVar[dict[str, type[Any]]] = {}
    family: ClassVar[str] = ""
    normalised: ClassVar[bool] = False

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Make the kind known, a family of its own where it has none."""
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.family and not cls.model_fields["kind"].is_required():
            cls.family = cls.model_fields["kind"].default
        if cls.family == "crop" and not _ours(cls):
            raise RequestError(f"image operation '{cls.__name__}': family crop is for those that bakeoff decodes with")

    def apply(self, images: "Tensor", draws: "Draws") -> "Tensor":
        """The changed images; `images` stays as it is.

        images: (N, C, H, W), uint8, or float32 if the operation is `normalised`; what is returned has the same shape
        and type. draws: `draws("box", 4)` are (N, 4) float32 in [0, 1), an independent row for each image and for each
        purpose: what becomes of an image must depend on its own row only.
        """
        raise self._no_maths()


class Mixer(Part):
    """Something done to a batch that mixes images with each other, and their targets with them. kind: its name.

    One mixer of the plan is drawn for every batch.
    """

    slot: ClassVar[str] = "mixers"
    what: ClassVar[str] = "mixer"
    kinds: ClassVar[dict[str, type[Any]]] = {}

    def apply(
        self, images: "Tensor", targets: "Tensor", partners: "Tensor", generator: "np.random.Generator"
    ) -> "tuple[Tensor, Tensor]":
        """The mixed images and targets; those that come in stay as they are.

        images: (N, C, H, W) float32, normalised. targets: (N, K) float32, rows on the simplex, and still so in what is
        returned. partners: (N,) int64, a permutation: with which image each is mixed. generator: the mixer's own for
        this batch.
        """
        raise self._no_maths()


class LossTerm(Part):
    """Something added to the cross-entropy. kind: its name."""

    slot: ClassVar[str] = "loss.terms"
    what: ClassVar[str] = "loss term"
    kinds: ClassVar[dict[str, type[Any]]] = {}

    def apply(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """A scalar, the mean over the batch, through which gradients flow.

        logits: (N, K) float32. targets: (N, K) float32, rows on the simplex: one-hot, or as mixers made them, and not
        smoothed, since label smoothing belongs to the cross-entropy.
        """
        raise self._no_maths()


class _UnknownImageOp(ImageOp):
    model_config = ConfigDict(extra="allow")


class _UnknownMixer(Mixer):
    model_config = ConfigDict(extra="allow")


class _UnknownLossTerm(LossTerm):
    model_config = ConfigDict(extra="allow")


P = TypeVar("P", bound=Part)


def _read(root: type[P], stand_in: type[P], value: Any) -> P:
    """A part by its kind: of the class that is known by it, else as data."""
    if isinstance(value, root):
        return value
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        raise ValueError(f"should be one {root.what}, with its kind")
    part: type[P] = root.kinds.get(kind, stand_in)
    try:
        return part.model_validate(value)
    except ValidationError as error:
        raise PydanticCustomError("part", "{why}", {"why": f"{kind}: {explain_validation(error)}"}) from None


def _ours(part: type) -> bool:
    return part.__module__.partition(".")[0] == "bakeoff"


def one_of_each(parts: Sequence[P], group: str) -> None:
    """Raise ValueError where two parts have the same `group` (an attribute: family or kind)."""
    groups = [getattr(part, group) or part.kind for part in parts]
    if len(set(groups)) < len(groups):
        what = "image operations of one family" if group == "family" else f"{parts[0].what}s of one kind"
        raise ValueError(f"two {what}: {', '.join(part.kind for part in parts)}")


ImageOps = tuple[Annotated[SerializeAsAny[ImageOp], PlainValidator(partial(_read, ImageOp, _UnknownImageOp))], ...]
Mixers = tuple[Annotated[SerializeAsAny[Mixer], PlainValidator(partial(_read, Mixer, _UnknownMixer))], ...]
LossTerms = tuple[Annotated[SerializeAsAny[LossTerm], PlainValidator(partial(_read, LossTerm, _UnknownLossTerm))], ...]
