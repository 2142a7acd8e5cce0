"""A picture of what a technique does, computed by the code that trains: nothing in it is drawn by hand.

Which picture is drawn follows from the slot of the plan that a technique sets, so a new technique has one if it sets a
slot that others set too. This is the one part of `report` that imports the engine: it shows what the engine does, and
reads no store.
"""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bakeoff import plan as slots
from bakeoff import techniques
from bakeoff.errors import RequestError
from bakeoff.report.pictures import augmentation, mixing, optimizers, sizes, training
from bakeoff.report.pictures.canvas import STYLE
from bakeoff.report.pictures.subject import Subject, subject

__all__ = ["figure"]

_BY_SLOT = {
    "sampler": mixing.copies,
    "train_px": sizes.fixres,
    "eval_view": sizes.inference,
    "interpolation": sizes.interpolation,
    "lr": training.schedule,
    "examples_seen": training.length,
    "decay": training.decay,
    "average": training.average,
    "loss": training.smoothing,
    "model": training.statistics,
    "optimizer": optimizers.paths,
}


def figure(name: str, *, images: ArrayLike | None = None, seed: int = 0) -> Figure:
    """A picture of what a technique does, at the values that it has in the post's recipe on ImageNet.

    images: to show it on, where it is shown on images: two or more, uint8, of shape (N, H, W), (N, C, H, W) or
    (N, H, W, C); two photographs that come with scikit-learn when None. Gray ones are taken for digits, which neither
    flip nor turn far. seed: of what is drawn at random.

    Raises RequestError for a name that isn't a technique's, and for images that are none.
    """
    it = subject(techniques.get(name), images, seed)
    with mpl.rc_context(STYLE):
        return _draw(it, techniques.get(name).slots)


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
    for slot in changed:
        if slot in _BY_SLOT:
            return _BY_SLOT[slot](it)
    raise RequestError(f"there is no picture of '{it.name}'; it sets {', '.join(changed)}")
