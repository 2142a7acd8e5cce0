"""A picture of what a technique does, computed by the code that trains: nothing in it is drawn by hand.

Many techniques have a picture of their own. Any other, from anywhere, has the one in `beside`: what it changes, without
and with it.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bakeoff import techniques
from bakeoff.report.render.svg import kind_of, save
from bakeoff.rng import torch_seeded
from bakeoff.teach.pictures import augmentation, mixing, optimizers, sizes, training
from bakeoff.teach.pictures.beside import beside
from bakeoff.teach.pictures.canvas import STYLE
from bakeoff.teach.pictures.subject import Subject, subject
from bakeoff.technique import Technique

__all__ = ["DRAWN", "figure", "write"]

# Drawn for one technique each, with what is particular to it; any other technique has `beside`.
DRAWN: dict[str, Callable[[Subject], Figure]] = {
    "lr_optimizations": training.schedule,
    "trivialaugment": augmentation.trivial,
    "long_training": training.length,
    "random_erasing": augmentation.erasing,
    "label_smoothing": training.smoothing,
    "mixup": mixing.mixed,
    "cutmix": mixing.mixed,
    "weight_decay_tuning": training.decay,
    "fixres": sizes.fixres,
    "ema": training.average,
    "inference_resize": sizes.inference,
    "repeated_augmentation": mixing.copies,
    "nesterov": optimizers.paths,
    "adam": optimizers.paths,
    "adamw": optimizers.paths,
    "rmsprop": optimizers.paths,
    "step_schedule": training.schedule,
    "exponential_schedule": training.schedule,
    "autoaugment": augmentation.auto,
    "randaugment": augmentation.rand,
    "bicubic": sizes.interpolation,
    "nearest": sizes.interpolation,
    "sync_batchnorm": training.statistics,
}


def figure(technique: str | type[Technique], *, images: ArrayLike | None = None, seed: int = 0) -> Figure:
    """A picture of what a technique does, at the values that it has in the post's recipe on ImageNet.

    technique: its name, or a class of one's own. images: to show it on, where it is shown on images: two or more,
    uint8, of shape (N, H, W), (N, C, H, W) or (N, H, W, C); two photographs that come with scikit-learn when None. Gray
    ones are taken for digits, which neither flip nor turn far. seed: of what is drawn at random.

    Raises RequestError for a name that isn't a technique's, for images that are none, and for a technique that changes
    nothing.
    """
    technique = techniques.get(technique) if isinstance(technique, str) else technique
    with mpl.rc_context(STYLE), torch_seeded(seed, "picture"):  # torch fills new layers from its global generator
        return DRAWN.get(technique.name, beside)(subject(technique, images, seed))


def write(technique: str | type[Technique], path: Path, *, images: ArrayLike | None = None, seed: int = 0) -> None:
    """Draw `figure(technique)` to a file: .png, .svg or .pdf, as `path` ends. RequestError if that can't be."""
    kind_of(path)  # before drawing, which takes a while
    drawn = figure(technique, images=images, seed=seed)
    with mpl.rc_context(STYLE):
        save(drawn, path)
