"""Augmentation of whole batches on any device: every image has its own draws, and no loop runs over images.

The plan has its operations in their order: those on uint8; then normalise; then those on float32, such as erasing, so
that what is erased is the mean. An image's result depends on its own row of `draws` only, never on the rest of the
batch. Our own operations are registered with `apply`; one from outside brings its own.

What is done to which image is decided on the host, by the draws; it travels to the images (`rng.sent`), and nothing
comes back, so that the host never waits for a device.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff import plan
from bakeoff.data import geometry
from bakeoff.data.policy import auto_augment, by_group, rand_augment, trivial_augment
from bakeoff.errors import RequestError, blamed
from bakeoff.parts import ImageOp
from bakeoff.plan import Plan
from bakeoff.rng import Draws, sent


def augment(images: Tensor, plan: Plan, draws: Draws, mean: Tensor, std: Tensor, *, cropped: bool = False) -> Tensor:
    """All of a plan's image operations.

    images: (N, C, H, W) uint8; with `cropped`, already cropped to the plan's `train_px`. mean, std: (C,) in [0, 1].
    Returns (N, C, train_px, train_px) float32, normalised.
    """
    if not cropped:
        images = crop(images, plan.op("crop"), draws, plan.train_px, plan.interpolation)
    for op in plan.image_ops:
        if op.family != "crop" and not op.normalised:
            images = apply(op, images, draws, plan.interpolation)
    # On a CPU it's batches that are laid out, while they are in its caches.
    images = normalize(images, mean, std, channels_last=plan.precision.channels_last and images.device.type != "cpu")
    for op in plan.image_ops:
        if op.normalised:
            images = apply(op, images, draws, plan.interpolation)
    return images


@singledispatch
def apply(op: ImageOp, images: Tensor, draws: Draws, interpolation: str) -> Tensor:
    """One operation of any kind, except a crop; `images` may be written to.

    images: (N, C, H, W) uint8, or float32 where the operation is `normalised`. interpolation: the plan's, for ours that
    warp. Raises RequestError where an operation from outside returns anything else than it got.
    """
    with blamed(f"image operation '{op.kind}'"):
        changed = op.apply(images, replace(draws, scope=op.kind, device=images.device))
    if changed.shape != images.shape or changed.dtype != images.dtype:
        raise RequestError(
            f"image operation '{op.kind}' made {tuple(changed.shape)} {changed.dtype} of {tuple(images.shape)} "
            f"{images.dtype}; it should keep both"
        )
    return changed


def crop(
    images: Tensor, op: plan.PadCrop | plan.ResizedCrop | None, draws: Draws, px: int, interpolation: str
) -> Tensor:
    """Random crops to px x px; without an operation, the whole image with its shorter side at `px`, centred.

    images: (N, C, H, W) uint8. interpolation: bilinear, bicubic or nearest. Returns (N, C, px, px) uint8.
    PadCrop with `px` equal to the side is the classic pad-and-crop; ResizedCrop is Szegedy et al. 2015,
    https://arxiv.org/abs/1409.4842.
    """
    n, _, height, width = images.shape
    if op is None:
        return eval_view(images, plan.EvalView(resize_px=px, crop_px=px), interpolation)
    if isinstance(op, plan.ResizedCrop):
        heights = torch.full((n,), height)
        boxes = geometry.resized_crop_boxes(op, draws, heights, torch.full_like(heights, width))
        return geometry.resample(images, boxes, px, interpolation)
    u = draws("crop", 2)
    starts, ends = [], []
    for lane, side in enumerate((height, width)):
        shift, middle = round(op.shift * side), geometry.centre_start(side, px)
        starts.append(middle - shift + geometry.uniform_integers(u[:, lane], 2 * shift + 1))
        ends += [middle - shift, middle + shift]
    return geometry.windows(images, starts[0], starts[1], px, (ends[0], ends[1], ends[2], ends[3]))


@apply.register
def _(op: plan.HorizontalFlip, images: Tensor, draws: Draws, interpolation: str) -> Tensor:
    return flip(images, op, draws)


@apply.register
def _(op: plan.Policy, images: Tensor, draws: Draws, interpolation: str) -> Tensor:
    return policy(images, op, draws, interpolation)


@apply.register
def _(op: plan.RandomErasing, images: Tensor, draws: Draws, interpolation: str) -> Tensor:
    return _erase_(images, op, draws)


def flip(images: Tensor, op: plan.HorizontalFlip, draws: Draws) -> Tensor:
    """Mirror images left and right with probability `p`. (N, C, H, W) uint8, both ways."""
    flipped = (draws("flip", 1)[:, 0] < op.p).long()
    return by_group(images, flipped, 2, lambda _group, _rows, part: part.flip(3))


def policy(images: Tensor, op: plan.Policy, draws: Draws, interpolation: str) -> Tensor:
    """One of the automatic augmentations. (N, C, H, W) uint8, both ways. interpolation: of shears and rotations."""
    if isinstance(op, plan.TrivialAugment):
        return trivial_augment(images, op, draws, interpolation)
    if isinstance(op, plan.RandAugment):
        return rand_augment(images, op, draws, interpolation)
    assert isinstance(op, plan.AutoAugment)
    return auto_augment(images, op, draws, interpolation)


def normalize(images: Tensor, mean: Tensor, std: Tensor, channels_last: bool = False) -> Tensor:
    """(x / 255 - mean) / std, as float32. images: (N, C, H, W) uint8. mean, std: (C,) in [0, 1]."""
    scale = (1 / (255 * std)).to(images.device, torch.float32)[:, None, None]
    offset = (-mean / std).to(images.device, torch.float32)[:, None, None]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return images.to(torch.float32).mul_(scale).add_(offset).contiguous(memory_format=layout)


def erase(images: Tensor, op: plan.RandomErasing, draws: Draws) -> Tensor:
    """Set a random rectangle to 0 with probability `p` (Zhong et al. 2020, https://arxiv.org/abs/1708.04896).

    images: (N, C, H, W) float32, normalised, so that 0 is the mean. Ten tries for a rectangle smaller than the image
    on both axes, as torchvision's RandomErasing.
    """
    return _erase_(images.clone(), op, draws)


def eval_view(images: Tensor, view: plan.EvalView, interpolation: str) -> Tensor:
    """Resize the shorter side to `resize_px`, antialiased, then cut out the central square of `crop_px`.

    images: (N, C, H, W) uint8. Returns (N, C, crop_px, crop_px) uint8, 0 where the crop is larger than the image; with
    `shift_px`, so many pixels more on every side, for `versions`. Sizes and the centre are as in torchvision's Resize
    and CenterCrop, pixels within one grey level of Pillow.
    """
    height, width = images.shape[2:]
    short = min(height, width)
    size = [view.resize_px * height // short, view.resize_px * width // short]
    if size != [height, width]:
        images = _resize(images, size, interpolation)
    top, left = (geometry.centre_start(side, view.crop_px) - view.shift_px for side in size)
    px = shown_px(view)
    return F.pad(images, (-left, left + px - size[1], -top, top + px - size[0]))


def shown_px(view: plan.EvalView) -> int:
    """Side of what `eval_view` returns."""
    return view.crop_px + 2 * view.shift_px


def versions(images: Tensor, view: plan.EvalView) -> Iterator[Tensor]:
    """What the network sees of images from `eval_view`: (N, C, crop_px, crop_px) each, the central square first."""
    px, shift = view.crop_px, view.shift_px
    corners = [(shift, shift), *itertools.product((0, 2 * shift), repeat=2)] if shift else [(0, 0)]
    for top, left in corners:
        part = images[:, :, top : top + px, left : left + px]
        yield part
        if view.mirror:
            yield part.flip(3)


def _resize(images: Tensor, size: list[int], interpolation: str) -> Tensor:
    if interpolation == "nearest":
        return F.interpolate(images, size, mode="nearest-exact")
    if images.device.type == "cpu":
        return F.interpolate(images, size, mode=interpolation, antialias=True)
    resized = F.interpolate(images.to(torch.float32), size, mode=interpolation, antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def _erase_(images: Tensor, op: plan.RandomErasing, draws: Draws) -> Tensor:
    rows = (draws("erase", 1)[:, 0] < op.p).nonzero()[:, 0]
    u = draws.select(rows)("erased box", geometry.LANES)
    heights = torch.full((len(rows),), images.shape[2])
    widths = torch.full_like(heights, images.shape[3])
    # The operation's aspect is torchvision's, height / width: boxes of the transposed image.
    found, boxes = geometry.random_rectangles(u, op.area, op.aspect, widths, heights, margin=1)
    device = images.device
    left, top, w, h = sent(boxes * found[:, None], device).unbind(1)
    rows = sent(rows, device)
    y, x = (torch.arange(side, device=device) for side in images.shape[2:])
    down = (y >= top[:, None]) & (y < (top + h)[:, None])
    across = (x >= left[:, None]) & (x < (left + w)[:, None])
    kept = 1 - down[:, None, :, None].to(images.dtype) * across[:, None, None, :]
    return images.index_copy_(0, rows, images.index_select(0, rows).mul_(kept))
