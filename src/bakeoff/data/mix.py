"""mixup and CutMix on a batch: images and targets change together.

One mixer is drawn per batch. Each has a random generator of its own, so that a second one doesn't shift the weights
of the first.
"""

import math
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor

from bakeoff import plan
from bakeoff.errors import RequestError, blamed
from bakeoff.parts import Mixer
from bakeoff.rng import generator, sent


def mix(images: Tensor, targets: Tensor, mixers: tuple[Mixer, ...], seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Mix every image of a batch with another, by one of the mixers.

    images: (N, C, H, W) float. targets: (N, K) float, rows on the simplex; they stay on it. No mixers: no change.
    Partners come from a random permutation: neighbours may be copies of one image.
    """
    if not mixers:
        return images, targets
    mixer = mixers[generator(seed, "mix", step, "choice").integers(len(mixers))]
    order = generator(seed, "mix", step, "pairs").permutation(len(images))
    partners = sent(torch.from_numpy(order), images.device)
    return apply(mixer, images, targets, partners, generator(seed, "mix", step, mixer.kind))


@singledispatch
def apply(
    mixer: Mixer, images: Tensor, targets: Tensor, partners: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """One mixer of any kind: arguments as for `Mixer.apply`, which one from outside brings.

    Raises RequestError where that returns other shapes than it got.
    """
    with blamed(f"mixer '{mixer.kind}'"):
        mixed, blended = mixer.apply(images, targets, partners, random)
    if mixed.shape != images.shape or blended.shape != targets.shape:
        raise RequestError(
            f"mixer '{mixer.kind}' made {tuple(mixed.shape)} and {tuple(blended.shape)} of {tuple(images.shape)} and "
            f"{tuple(targets.shape)}; it should keep both"
        )
    return mixed, blended


@apply.register
def _(
    mixer: plan.Mixup, images: Tensor, targets: Tensor, partners: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    weight = float(random.beta(mixer.alpha, mixer.alpha))
    return blend(images, partners, weight), blend(targets, partners, weight)


@apply.register
def _(
    mixer: plan.Cutmix, images: Tensor, targets: Tensor, partners: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    weight = float(random.beta(mixer.alpha, mixer.alpha))
    height, width = images.shape[2:]
    box = cutmix_box(height, width, weight, int(random.integers(height)), int(random.integers(width)))
    top, bottom, left, right = box
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return paste(images, partners, box), blend(targets, partners, kept)


def blend(x: Tensor, partners: Tensor, weight: float) -> Tensor:
    """`weight` of each row and the rest of its partner (Zhang et al. 2018, https://arxiv.org/abs/1710.09412)."""
    return _rows(x, partners).mul_(1 - weight).add_(x, alpha=weight)


def cutmix_box(height: int, width: int, weight: float, y: int, x: int) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of CutMix's rectangle (Yun et al. 2019, https://arxiv.org/abs/1905.04899).

    Its centre is (y, x), it covers 1 - `weight` of the area, and it is cut off at the border, so that the area that
    is left must be measured.
    """
    half = 0.5 * math.sqrt(1 - weight)
    down, across = int(half * height), int(half * width)
    return max(y - down, 0), min(y + down, height), max(x - across, 0), min(x + across, width)


def paste(images: Tensor, partners: Tensor, box: tuple[int, int, int, int]) -> Tensor:
    """Images with the partner's pixels inside a box: top, bottom, left, right."""
    top, bottom, left, right = box
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = images[:, :, top:bottom, left:right].index_select(0, partners)
    return mixed


def _rows(x: Tensor, index: Tensor) -> Tensor:
    """Those rows, laid out in memory as `x` is: `index_select` alone would put the channels first."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return x.movedim(1, 3).index_select(0, index).movedim(3, 1)
    return x.index_select(0, index)
