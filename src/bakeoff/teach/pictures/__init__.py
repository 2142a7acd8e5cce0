"""A picture of what a technique does, computed by the code that trains: nothing in it is drawn by hand.

Which picture is drawn follows from the slot of the plan that a technique sets, so a new technique has one if it sets a
slot that others set too. This is the one part of `report` that imports the engine: it shows what the engine does, and
reads no store.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bakeoff import plan as slots
from bakeoff import techniques
from bakeoff.errors import RequestError
from bakeoff.rng import torch_seeded
from bakeoff.teach.pictures import augmentation, mixing, optimizers, sizes, training
from bakeoff.teach.pictures.canvas import STYLE
from bakeoff.teach.pictures.subject import Subject, subject
from bakeoff.technique import Technique

__all__ = ["figure", "picture_of", "write"]

_BY_SLOT = {
    "sampler": mixing.copies,
    "train_px": sizes.fixres,
    "eval_view": sizes.inference,
    "interpolation": sizes.interpolation,
    "lr": training.schedule,
    "examples_seen": training.length,
    "decay": training.decay,
    "average": training.average,
    "loss.label_smoothing": training.smoothing,
    "optimizer": optimizers.paths,
}

# What is left out of a file, so that the same picture is the same bytes.
_FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def figure(name: str, *, images: ArrayLike | None = None, seed: int = 0) -> Figure:
    """A picture of what a technique does, at the values that it has in the post's recipe on ImageNet.

    images: to show it on, where it is shown on images: two or more, uint8, of shape (N, H, W), (N, C, H, W) or
    (N, H, W, C); two photographs that come with scikit-learn when None. Gray ones are taken for digits, which neither
    flip nor turn far. seed: of what is drawn at random.

    Raises RequestError for a name that isn't a technique's, and for images that are none.
    """
    return picture_of(techniques.get(name), images=images, seed=seed)


def picture_of(technique: type[Technique], *, images: ArrayLike | None = None, seed: int = 0) -> Figure:
    """As `figure`, of a technique that needn't be one of ours. RequestError where nothing is drawn for its slots."""
    with mpl.rc_context(STYLE), torch_seeded(seed, "picture"):  # torch fills new layers from its global generator
        return _draw(subject(technique, images, seed), technique.slots)


def write(name: str, path: Path, *, images: ArrayLike | None = None, seed: int = 0) -> None:
    """Draw `figure(name)` to a file: .png, .svg or .pdf, whichever `path` ends in. RequestError if that can't be."""
    kind = path.suffix.removeprefix(".").lower()
    if kind not in _FORMATS:
        raise RequestError(f"a picture ends in {', '.join(f'.{known}' for known in _FORMATS)}, not '{path}'")
    drawn = figure(name, images=images, seed=seed)
    try:
        with mpl.rc_context(STYLE):
            drawn.savefig(path, format=kind, dpi=150, metadata=_FORMATS[kind])
    except OSError as error:
        raise RequestError(f"can't write {path}: {(error.strerror or str(error)).lower()}") from None


def _draw(it: Subject, changed: tuple[str, ...]) -> Figure:
    added: Any = next(
        (op for op in (*it.plan.image_ops, *it.plan.mixers) if op not in (*it.base.image_ops, *it.base.mixers)), None
    )
    match added:
        case slots.TrivialAugment():
            return augmentation.trivial(it, added)
        case slots.RandAugment():
            return augmentation.rand(it, added)
        case slots.AutoAugment():
            return augmentation.auto(it, added)
        case slots.RandomErasing():
            return augmentation.erasing(it, added)
        case slots.Mixup() | slots.Cutmix():
            return mixing.mixed(it, added)
    if it.plan.model.sync_batchnorm:
        return training.statistics(it)
    for slot in changed:
        if slot in _BY_SLOT:
            return _BY_SLOT[slot](it)
    raise RequestError(f"there is no picture of '{it.name}'; it sets {', '.join(changed)}")
