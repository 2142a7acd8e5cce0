"""What a picture is drawn from: a technique's plan beside the baseline's, and images to show it on."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from bakeoff import plan as slots
from bakeoff.data import augment
from bakeoff.errors import RequestError
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.task import Task
from bakeoff.tasks.imagenet import IMAGENET
from bakeoff.tasks.mnist import MNIST
from bakeoff.technique import Technique

CREDIT = "photos: danielbuechele and vultilion on Flickr, CC BY 2.0"
_THUMB = 160  # px: what is enough for a tile


@dataclass(frozen=True)
class Subject:
    """A technique as the post has it, on ImageNet, and what to show it on.

    base, plan: without and with it. images: (N, C, H, W) uint8. names: of the first two images. credit: who took the
    photographs.
    """

    technique: type[Technique]
    base: Plan
    plan: Plan
    images: Tensor
    names: tuple[str, ...]
    seed: int
    credit: str = ""

    @property
    def name(self) -> str:
        """Of the technique."""
        return self.technique.name

    @property
    def title(self) -> str:
        """Of its card."""
        return self.technique.card.title

    @property
    def label(self) -> str:
        """What a line of it is called: the title, or the name where that is too long."""
        return self.title if len(self.title) < 25 else self.name

    @property
    def thumbs(self) -> Tensor:
        """The images as squares no larger than a tile needs, (N, C, px, px) uint8."""
        px = min(_THUMB, *self.images.shape[2:])
        return augment.eval_view(self.images, slots.EvalView(resize_px=px, crop_px=px), "bilinear")

    def in_turn(self, count: int) -> Tensor:
        """`count` thumbs: one after the other, again and again."""
        return self.thumbs[torch.arange(count) % len(self.images)]


def subject(technique: type[Technique], images: ArrayLike | None, seed: int) -> Subject:
    """The technique's plan, and images to show it on: scikit-learn's two photographs unless others are given.

    Gray images are taken for digits, which neither flip nor turn far.
    """
    shown = photographs() if images is None else checked(images)
    gray = shown.shape[1] == 1
    task = replace(IMAGENET, channels=shown.shape[1], limits=MNIST.limits if gray else IMAGENET.limits)
    base, plan = plans(task, technique)
    names = ("temple", "flower") if images is None else ("first", "second")
    return Subject(technique, base, plan, shown, names, seed, "" if images is not None else CREDIT)


def plans(task: Task, technique: type[Technique], base: Plan | None = None) -> tuple[Plan, Plan]:
    """A task's plan without and with a technique at its defaults; twice the same where the task rules it out.

    base: to start from; the task's own when None.
    """
    compiled = compile_plan(task, Recipe(technique.name, (technique(),)), base)
    return compiled.base, compiled.plan


def photographs() -> Tensor:
    """A temple and a flower, (2, 3, 427, 640) uint8; part of scikit-learn."""
    from sklearn.datasets import load_sample_images  # here, since it takes a second

    return torch.from_numpy(np.stack(load_sample_images().images)).permute(0, 3, 1, 2).contiguous()


def digits(count: int) -> Tensor:
    """The first handwritten digits, (count, 1, 8, 8) uint8; part of scikit-learn."""
    from sklearn.datasets import load_digits

    return torch.from_numpy(np.rint(load_digits().images[:count] * (255 / 16)).astype(np.uint8))[:, None]


def checked(images: ArrayLike) -> Tensor:
    """Images as (N, C, H, W). RequestError if they are no such thing."""
    wanted = "two or more, uint8, of 8 px or more, as (N, H, W), (N, C, H, W) or (N, H, W, C)"
    try:
        array = np.asarray(images)
    except ValueError:
        raise RequestError(f"images to draw should be of one size: {wanted}") from None
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    right = array.ndim == 4 and len(array) > 1 and array.shape[1] in (1, 3) and min(array.shape[2:]) >= 8
    if not right or array.dtype != np.uint8:
        raise RequestError(f"images to draw should be {wanted}, not {array.dtype} {np.shape(images)}")
    return torch.from_numpy(np.array(array))
