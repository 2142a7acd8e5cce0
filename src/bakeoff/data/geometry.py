"""Crops, resizing and affine maps of uint8 batches, each image with parameters of its own.

Boxes are (N, 4) int64: top, left, height, width in pixels. Parameters are on the host, wherever the images are.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff import plan
from bakeoff.rng import Draws, sent

TRIES = 10  # rectangles drawn before giving up, as torchvision does
LANES = 4 * TRIES  # random numbers that `random_rectangles` uses per image

# Half goes up, as in Pillow. The rest is well over float32's error, so that an exact half rounds alike in whatever
# order a device or a batch size makes a matrix product add.
_ROUND = 0.5 + 2.0**-10


def uniform_integers(u: Tensor, count: Tensor | int) -> Tensor:
    """Integers from 0 to `count` - 1, from uniform numbers `u` in [0, 1); int64, shape of `u`."""
    return (u * count).long().clamp_(max=count - 1)


def random_rectangles(
    u: Tensor, area: tuple[float, float], aspect: tuple[float, float], heights: Tensor, widths: Tensor, margin: int = 0
) -> tuple[Tensor, Tensor]:
    """The first of ten random rectangles that fits into each image.

    u: (N, LANES) uniform in [0, 1). area: share of the image. aspect: width / height, drawn log-uniformly.
    heights, widths: (N,) of the images, which a rectangle must stay below by `margin` pixels.

    Returns which images have one, (N,) bool, and the boxes, (N, 4); a box means nothing where there is none.
    """
    lanes = u.view(-1, TRIES, 4)
    log_low, log_high = math.log(aspect[0]), math.log(aspect[1])
    height, width = heights[:, None], widths[:, None]
    pixels = height * width * (area[0] + lanes[..., 0] * (area[1] - area[0]))
    ratio = torch.exp(log_low + lanes[..., 1] * (log_high - log_low))
    w = (pixels * ratio).sqrt().round().long()
    h = (pixels / ratio).sqrt().round().long()
    fits = (w > 0) & (h > 0) & (w <= width - margin) & (h <= height - margin)
    top = uniform_integers(lanes[..., 2], (height - h + 1).clamp(min=1))
    left = uniform_integers(lanes[..., 3], (width - w + 1).clamp(min=1))
    tries = torch.stack((top, left, h, w), dim=2)
    first = (fits * torch.arange(TRIES, 0, -1)).argmax(1)
    return fits.any(1), tries[torch.arange(len(u)), first]


def resized_crop_boxes(op: plan.ResizedCrop, draws: Draws, heights: Tensor, widths: Tensor) -> Tensor:
    """Boxes of the Inception crop, (N, 4), by the rule of torchvision's RandomResizedCrop.

    heights, widths: (N,) int64 of the images. Ten tries; then the central crop whose aspect is the nearest allowed.
    """
    found, boxes = random_rectangles(draws("crop", LANES), op.area, op.aspect, heights, widths)
    low, high = min(op.aspect), max(op.aspect)
    ratio = widths / heights
    h = torch.where(ratio < low, (widths / low).round().long(), heights)
    w = torch.where(ratio > high, (heights * high).round().long(), widths)
    centre = torch.stack(((heights - h) // 2, (widths - w) // 2, h, w), dim=1)
    return torch.where(found[:, None], boxes, centre)


def centre_start(side: int, px: int) -> int:
    """First pixel of the central `px` of `side`, as torchvision's CenterCrop has it; negative if `px` is larger."""
    return round((side - px) / 2) if px <= side else -((px - side) // 2)


def windows(images: Tensor, top: Tensor, left: Tensor, px: int, reach: tuple[int, int, int, int]) -> Tensor:
    """A window of px x px per image, 0 where it leaves the image.

    images: (N, C, H, W). top, left: (N,) int64. reach: least and greatest top, least and greatest left that may come,
    known without looking at `top` and `left`. Returns (N, C, px, px).
    """
    n, channels, height, width = images.shape
    above, before = max(0, -reach[0]), max(0, -reach[2])
    below, after = max(0, reach[1] + px - height), max(0, reach[3] + px - width)
    padded = F.pad(images, (before, after, above, below))
    rows, columns = padded.shape[2:]
    # Every row of a window is `px` neighbours in memory: one copy of px bytes each, instead of one per pixel.
    device = images.device
    plane = torch.arange(n * channels, device=device).view(n, channels, 1) * (rows * columns)
    corner = sent((top + above) * columns + (left + before), device)[:, None, None]
    start = (plane + corner) + torch.arange(px, device=device) * columns
    runs = padded.view(-1).unfold(0, px, 1)
    return runs.index_select(0, start.view(-1)).view(n, channels, px, px)


def resample(images: Tensor, boxes: Tensor, px: int, interpolation: str) -> Tensor:
    """Cut a box out of every image and resize it to px x px, antialiased, within one grey level of torch's uint8 path.

    images: (N, C, H, W) uint8. boxes: (N, 4) inside the image. interpolation: bilinear, bicubic or nearest.
    Returns (N, C, px, px) uint8. Rows come first, and what bicubic overshoots is cut off between the two passes,
    because torch and Pillow do both.
    """
    count = max(1, _at_once(images.device) // max(images[0].numel(), images.shape[1] * px**2))
    parts = zip(images.split(count), sent(boxes, images.device).split(count), strict=True)
    return torch.cat([_resample(part, box, px, interpolation) for part, box in parts])


def _at_once(device: torch.device) -> int:
    """How many values are resampled at once. More is slower on a CPU: new pages for buffers cost more than the work."""
    return 2**19 if device.type == "cpu" else 2**24


def _resample(images: Tensor, boxes: Tensor, px: int, interpolation: str) -> Tensor:
    n, channels, height, width = images.shape
    top, left, h, w = boxes.unbind(1)
    across = _weights(left, w, width, px, interpolation)  # (N, px, W)
    down = _weights(top, h, height, px, interpolation)  # (N, px, H)
    lines = images.transpose(1, 2).to(torch.float32, memory_format=torch.contiguous_format)  # (N, H, C, W)
    narrow = lines.view(n, height * channels, width) @ across.transpose(1, 2)
    small = down @ narrow.clamp_(0, 255).view(n, height, channels * px)
    small = to_uint8(small.add_(_ROUND).clamp_(0, 255))
    return small.view(n, px, channels, px).transpose(1, 2).contiguous()


def _weights(start: Tensor, size: Tensor, side: int, px: int, interpolation: str) -> Tensor:
    """What each of `side` pixels adds to each of `px`, (N, px, side) float32, rows summing to 1."""
    pixel = torch.arange(side, device=start.device) - start[:, None]  # (N, side), from the start of the box
    odd = 2 * torch.arange(px, device=start.device) + 1
    twice = odd * size[:, None]  # (N, px): centres of the new pixels, from the start of the box, times 2 px
    if interpolation == "nearest":
        return (pixel[:, None] == (twice // (2 * px))[:, :, None]).to(torch.float32)
    spread = (size / px).clamp(min=1.0)[:, None]  # the filter widens where there is less room
    old = (pixel + 0.5) / spread
    new = twice / (2 * px) / spread
    x = (old[:, None] - new[:, :, None]).abs_()
    weight = x.neg_().add_(1).clamp_(min=0) if interpolation == "bilinear" else _keys(x, -0.5)
    weight *= ((pixel >= 0) & (pixel < size[:, None]))[:, None].to(torch.float32)
    return weight.div_(weight.sum(2, keepdim=True))


def _keys(x: Tensor, a: float) -> Tensor:
    """Keys' cubic kernel (1981) at distances x >= 0. Pillow's a is -0.5 where it resizes and -1 where it warps."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def affine(images: Tensor, matrices: Tensor, interpolation: str) -> Tensor:
    """Affine maps, black where the source is outside, as Pillow's `Image.transform`, within one grey level.

    images: (N, C, H, W) uint8. matrices: (N, 2, 3) float32 from new to old coordinates (x, y, 1), in pixels from the
    image's centre. interpolation: bilinear, bicubic or nearest; of pixels beyond the edge, the edge's repeat.
    """
    matrices = sent(matrices, images.device)
    if interpolation == "nearest":
        return _nearest(images, *_sources(matrices, *images.shape[2:]))
    warp = _bilinear if interpolation == "bilinear" else _bicubic
    count = max(1, _at_once(images.device) // images[0].numel())
    parts = zip(images.split(count), matrices.split(count), strict=True)
    return torch.cat([warp(part, *_sources(matrix, *part.shape[2:])) for part, matrix in parts])


def _sources(matrices: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where every new pixel comes from: x and y, (N, H, W) float32, whole at the centres of old pixels."""
    x = torch.arange(width, device=matrices.device) - (width - 1) / 2
    y = torch.arange(height, device=matrices.device) - (height - 1) / 2

    def source(row: Tensor, side: int) -> Tensor:
        along = row[:, 0, None] * x
        across = row[:, 1, None] * y + row[:, 2, None] + (side - 1) / 2
        return along[:, None, :] + across[:, :, None]

    return source(matrices[:, 0], width), source(matrices[:, 1], height)


def _nearest(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    # A border of zeros one pixel wide is where everything outside lands, so no test per pixel is needed.
    x, y = x.round_().clamp_(-1, width), y.round_().clamp_(-1, height)
    padded = F.pad(images, (1, 1, 1, 1)).view(n, channels, -1)
    return _pixels(padded, y.mul_(width + 2).add_(x).add_(width + 3))


def _bilinear(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    height, width = images.shape[2:]
    outside = _outside(x, y, height, width)
    # From -1 to 1 over the image, as `grid_sample` has it; far out, all that it finds is zeros.
    x = x.clamp_(0, width - 1).add_(0.5).mul_(2 / width).sub_(1).masked_fill_(outside, 3)
    y = y.clamp_(0, height - 1).add_(0.5).mul_(2 / height).sub_(1)
    grid = torch.stack((x, y)).permute(1, 2, 3, 0)  # on a CPU much faster than to interleave them
    return to_uint8(F.grid_sample(images.to(torch.float32), grid, align_corners=False).add_(_ROUND))


def _bicubic(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    n, channels, height, width = images.shape
    flat = images.view(n, channels, -1)
    left, top = x.floor().sub_(1), y.floor().sub_(1)
    result = torch.zeros(images.shape, device=images.device)
    for i in range(4):
        line = torch.zeros_like(result)
        for j in range(4):
            pixels = _pixels(flat, (top + i).clamp_(0, height - 1).mul_(width).add_((left + j).clamp_(0, width - 1)))
            line += pixels * _keys((x - left - j).abs_(), -1.0)[:, None]
        result += line.mul_(_keys((y - top - i).abs_(), -1.0)[:, None])
    result.masked_fill_(_outside(x, y, height, width)[:, None], 0)
    return to_uint8(result.add_(_ROUND).clamp_(0, 255))


def _outside(x: Tensor, y: Tensor, height: int, width: int) -> Tensor:
    return (x < -0.5) | (x >= width - 0.5) | (y < -0.5) | (y >= height - 0.5)


def _pixels(planes: Tensor, index: Tensor) -> Tensor:
    """Of planes (N, C, P) the pixels at the places `index`, (N, H, W) float32 and whole; (N, C, H, W)."""
    index = index.to(torch.int32).to(torch.int64)  # much faster on a CPU than in one step
    n, channels = planes.shape[:2]
    found = planes.gather(2, index.view(n, 1, -1).expand(-1, channels, -1))
    return found.view(n, channels, *index.shape[1:])


def to_uint8(x: Tensor) -> Tensor:
    """Numbers from 0 to 255, cut off at whole ones. By way of int32: on a CPU three times as fast as in one step."""
    return x.to(torch.int32).to(torch.uint8)
