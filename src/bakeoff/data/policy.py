"""TrivialAugment, RandAugment and AutoAugment on uint8 batches: an operation and a magnitude of its own per image.

Operations, magnitudes and probabilities are torchvision's (torchvision/transforms/v2/_auto_augment.py). Shears and
rotations interpolate as the plan says, and as they do on Pillow's images, which are what torchvision's training script
hands them, with black outside. There are three changes. A limit that the task puts on rotation or shear takes the place
of a larger end of the range. Translations of TrivialAugment are a share of the side: 32 px are meant for 224. Colour
leaves images of one channel as they are.

Every operation acts on the rows that drew it, and a magnitude of 0 means that there is nothing to do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import torch
from torch import Tensor

from bakeoff import plan
from bakeoff.data import geometry
from bakeoff.rng import Draws, sent


class Kind(IntEnum):
    """The operations, in torchvision's order. What a magnitude is stands beside each."""

    IDENTITY = 0
    SHEAR_X = 1  # tangent of the angle
    SHEAR_Y = 2
    TRANSLATE_X = 3  # whole pixels
    TRANSLATE_Y = 4
    ROTATE = 5  # degrees
    BRIGHTNESS = 6  # factor - 1
    COLOR = 7
    CONTRAST = 8
    SHARPNESS = 9
    POSTERIZE = 10  # bits dropped
    SOLARIZE = 11  # how many of the 256 levels are inverted, from the brightest down
    AUTOCONTRAST = 12  # 1
    EQUALIZE = 13  # 1


SIGNED_UP_TO = Kind.SHARPNESS  # magnitudes of these are negated for half of the images


@dataclass(frozen=True)
class Space:
    """The ends of the ranges of magnitudes."""

    shear: float
    shift: float  # share of the side
    rotation: float  # degrees
    factor: float
    bits: int

    def table(self, bins: int, op: plan.Policy, height: int, width: int, strength: float = 1.0) -> Tensor:
        """(14, bins) float32: magnitude of each kind at each of `bins` levels, unsigned."""
        level = torch.arange(bins, dtype=torch.float32)
        zero, one = torch.zeros(bins), torch.ones(bins)

        def up_to(end: float) -> Tensor:
            return torch.linspace(0.0, end * strength, bins)

        shear = up_to(min(self.shear, op.max_shear))
        factor = up_to(self.factor)
        bits = (8 - strength * level / ((bins - 1) / self.bits)).round()
        threshold = (255 * torch.linspace(1.0, 1.0 - strength, bins)).ceil()
        shifts = up_to(self.shift * width).trunc(), up_to(self.shift * height).trunc()
        turn = up_to(min(self.rotation, op.max_rotation))
        color = factor, factor, factor, factor, 8 - bits, 256 - threshold
        return torch.stack((zero, shear, shear, *shifts, turn, *color, one, one))


NARROW = Space(shear=0.3, shift=150 / 331, rotation=30.0, factor=0.9, bits=4)  # AutoAugment and RandAugment

# Cubuk et al. 2019, https://arxiv.org/abs/1805.09501, table 9: (operation, probability, level of 10), twice.
# `INVERT` is a solarize of all 256 levels.
_IMAGENET = """
POSTERIZE 0.4 8, ROTATE 0.6 9       | SOLARIZE 0.6 5, AUTOCONTRAST 0.6 0 | EQUALIZE 0.8 0, EQUALIZE 0.6 0
POSTERIZE 0.6 7, POSTERIZE 0.6 6    | EQUALIZE 0.4 0, SOLARIZE 0.2 4     | EQUALIZE 0.4 0, ROTATE 0.8 8
SOLARIZE 0.6 3, EQUALIZE 0.6 0      | POSTERIZE 0.8 5, EQUALIZE 1.0 0    | ROTATE 0.2 3, SOLARIZE 0.6 8
EQUALIZE 0.6 0, POSTERIZE 0.4 6     | ROTATE 0.8 8, COLOR 0.4 0          | ROTATE 0.4 9, EQUALIZE 0.6 0
EQUALIZE 0.0 0, EQUALIZE 0.8 0      | INVERT 0.6 0, EQUALIZE 1.0 0       | COLOR 0.6 4, CONTRAST 1.0 8
ROTATE 0.8 8, COLOR 1.0 2           | COLOR 0.8 8, SOLARIZE 0.8 7        | SHARPNESS 0.4 7, INVERT 0.6 0
SHEAR_X 0.6 5, EQUALIZE 1.0 0       | COLOR 0.4 0, EQUALIZE 0.6 0        | EQUALIZE 0.4 0, SOLARIZE 0.2 4
SOLARIZE 0.6 5, AUTOCONTRAST 0.6 0  | INVERT 0.6 0, EQUALIZE 1.0 0       | COLOR 0.6 4, CONTRAST 1.0 8
EQUALIZE 0.8 0, EQUALIZE 0.6 0
"""


def trivial_augment(images: Tensor, op: plan.TrivialAugment, draws: Draws, interpolation: str) -> Tensor:
    """TrivialAugment, wide (Müller and Hutter 2021, https://arxiv.org/abs/2103.10158). (N, C, H, W) uint8, both ways.

    At `strength` 0 nothing is done, not even what has no magnitude.
    """
    if op.strength == 0:
        return images
    table = _trivial_table(op, *images.shape[2:])
    u = draws("policy", 3)
    kinds = geometry.uniform_integers(u[:, 0], len(Kind))
    levels = geometry.uniform_integers(u[:, 1], op.bins)
    return apply(images, kinds, _signed(kinds, table[kinds, levels], u[:, 2]), interpolation)


def rand_augment(images: Tensor, op: plan.RandAugment, draws: Draws, interpolation: str) -> Tensor:
    """RandAugment (Cubuk et al. 2020, https://arxiv.org/abs/1909.13719). (N, C, H, W) uint8, both ways."""
    magnitudes = _narrow_table(op, op.bins, *images.shape[2:])[:, op.magnitude]
    u = draws("policy", 2 * op.ops)
    for i in range(op.ops):
        kinds = geometry.uniform_integers(u[:, 2 * i], len(Kind))
        images = apply(images, kinds, _signed(kinds, magnitudes[kinds], u[:, 2 * i + 1]), interpolation)
    return images


def auto_augment(images: Tensor, op: plan.AutoAugment, draws: Draws, interpolation: str) -> Tensor:
    """AutoAugment with the policy found on ImageNet. (N, C, H, W) uint8, both ways."""
    kinds, chances, magnitudes = _sub_policies(op, *images.shape[2:])
    u = draws("policy", 5)
    drawn = geometry.uniform_integers(u[:, 0], len(kinds))
    for i in range(2):
        kind = kinds[drawn, i]
        magnitude = _signed(kind, magnitudes[drawn, i], u[:, 2 + 2 * i])
        images = apply(images, kind, magnitude * (u[:, 1 + 2 * i] < chances[drawn, i]), interpolation)
    return images


def apply(images: Tensor, kinds: Tensor, magnitudes: Tensor, interpolation: str) -> Tensor:
    """Apply to each image the operation `kinds` (N,) int64 at `magnitudes` (N,) float32, signed; both on the host."""
    # Shears and rotations share a kernel and so a group, as do shifts, by whole pixels, of which there is nothing to
    # interpolate; what has no magnitude is left alone as group 0.
    shifts = (kinds == Kind.TRANSLATE_X) | (kinds == Kind.TRANSLATE_Y)
    groups = kinds.clamp(min=Kind.ROTATE).masked_fill_(shifts, Kind.TRANSLATE_X) * (magnitudes != 0)

    def change(group: int, rows: Tensor, part: Tensor) -> Tensor:
        magnitude = magnitudes[rows]
        if group in (Kind.TRANSLATE_X, Kind.ROTATE):
            matrices = _matrices(kinds[rows], magnitude, *part.shape[2:])
            return geometry.affine(part, matrices, interpolation if group == Kind.ROTATE else "nearest")
        return _KERNELS[Kind(group)](part, sent(magnitude, part.device)[:, None, None, None])

    return by_group(images, groups, len(Kind), change)


def by_group(images: Tensor, groups: Tensor, count: int, change: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
    """Images with `change(group, rows, images[rows])` in the place of the rows of each group from 1; 0 stays.

    groups: (N,) int64 from 0 to `count` - 1, on the host; so are `rows`.
    """
    order = groups.argsort(stable=True)
    sizes = torch.bincount(groups, minlength=count).tolist()
    if sizes[0] == len(images):
        return images
    parts, device = [], images.device
    for group, (rows, there) in enumerate(zip(order.split(sizes), sent(order, device).split(sizes), strict=True)):
        if len(rows):
            part = images.index_select(0, there)
            parts.append(change(group, rows, part) if group else part)
    return torch.cat(parts).index_select(0, sent(order.argsort(), device))


@lru_cache(maxsize=64)
def _trivial_table(op: plan.TrivialAugment, height: int, width: int) -> Tensor:
    wide = Space(shear=0.99, shift=op.shift, rotation=135.0, factor=0.99, bits=6)
    return wide.table(op.bins, op, height, width, op.strength)


@lru_cache(maxsize=64)
def _narrow_table(op: plan.Policy, bins: int, height: int, width: int) -> Tensor:
    return NARROW.table(bins, op, height, width)


@lru_cache(maxsize=64)
def _sub_policies(op: plan.AutoAugment, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Kinds, probabilities and unsigned magnitudes of the sub-policies, (25, 2) each."""
    table = _narrow_table(op, 10, height, width)
    kinds, chances, magnitudes = [], [], []
    for step in _IMAGENET.replace("|", ",").replace("\n", ",").split(","):
        if words := step.split():
            kind = Kind.SOLARIZE if words[0] == "INVERT" else Kind[words[0]]
            kinds.append(kind)
            chances.append(float(words[1]))
            magnitudes.append(256.0 if words[0] == "INVERT" else float(table[kind, int(words[2])]))
    return torch.tensor(kinds).view(-1, 2), torch.tensor(chances).view(-1, 2), torch.tensor(magnitudes).view(-1, 2)


def _signed(kinds: Tensor, magnitudes: Tensor, u: Tensor) -> Tensor:
    return torch.where((kinds <= SIGNED_UP_TO) & (u < 0.5), -magnitudes, magnitudes)


def _matrices(kinds: Tensor, m: Tensor, height: int, width: int) -> Tensor:
    """(N, 2, 3) for `geometry.affine`. Shears keep the upper left corner, rotations the centre."""
    zero = torch.zeros_like(m)
    shear_x, shear_y, move_x, move_y, turn = (m.where(kinds == k, zero) for k in range(Kind.SHEAR_X, Kind.ROTATE + 1))
    sin, cos = turn.deg2rad().sin(), turn.deg2rad().cos()
    x = torch.stack((cos, shear_x - sin, shear_x * (height / 2) - move_x), dim=1)
    y = torch.stack((shear_y + sin, cos, shear_y * (width / 2) - move_y), dim=1)
    return torch.stack((x, y), dim=1)


def _to_uint8(x: Tensor) -> Tensor:
    """Cut off at whole levels, as torchvision's blends do."""
    return geometry.to_uint8(x.clamp_(0, 255))


def _gray(x: Tensor) -> Tensor:
    """(N, C, H, W) float32 in grey levels -> (N, 1, H, W), whole levels."""
    if x.shape[1] == 1:
        return x
    r, g, b = x[:, :1], x[:, 1:2], x[:, 2:]
    return r.mul(0.2989).add_(g, alpha=0.587).add_(b, alpha=0.114).floor_()


def _brightness(images: Tensor, m: Tensor) -> Tensor:
    return _to_uint8(images * (1 + m))


def _color(images: Tensor, m: Tensor) -> Tensor:
    if images.shape[1] == 1:
        return images
    x = images.to(torch.float32)
    gray = _gray(x)
    return _to_uint8(x.mul_(1 + m).sub_(gray.mul_(m)))


def _contrast(images: Tensor, m: Tensor) -> Tensor:
    x = images.to(torch.float32)
    mean = _gray(x).mean((1, 2, 3), keepdim=True)
    return _to_uint8(x.mul_(1 + m).sub_(mean.mul_(m)))


def _sharpness(images: Tensor, m: Tensor) -> Tensor:
    if min(images.shape[2:]) <= 2:
        return images
    x = images.to(torch.float32)
    inner = x[:, :, 1:-1, 1:-1]
    rows = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    blurred = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    blurred = blurred.add_(inner, alpha=4).div_(13).round_()  # all nine by 1/13, the middle by 5/13
    inner.sub_(blurred.sub_(inner).mul_(m))
    return _to_uint8(x)


def _posterize(images: Tensor, m: Tensor) -> Tensor:
    return images.bitwise_and((256 - m.exp2()).to(torch.uint8))


def _solarize(images: Tensor, m: Tensor) -> Tensor:
    bright = images.clone().ge_((256 - m).to(torch.uint8))
    return bright.mul_(255).bitwise_xor_(images)


def _autocontrast(images: Tensor, m: Tensor) -> Tensor:
    x = images.to(torch.float32)
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    flat = low == high
    scale = ((high - low) * (1 / 255)).masked_fill_(flat, 1)
    return _to_uint8(x.sub_(low.masked_fill_(flat, 0)).div_(scale))


def _equalize(images: Tensor, m: Tensor) -> Tensor:
    planes = images.flatten(0, 1).flatten(1)  # (N C, H W)
    start = 256 * torch.arange(len(planes), dtype=torch.int32, device=images.device)
    where = planes.to(torch.int32).add_(start[:, None])
    histogram = _counts(where.view(-1), 256 * len(planes)).view(-1, 256)
    brightest = histogram.gather(1, planes.amax(1, keepdim=True).long())
    step = (planes.shape[1] - brightest) // 255
    below = histogram.cumsum(1) - histogram
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device)).to(torch.uint8)
    return table.view(-1).index_select(0, where.view(-1)).view_as(images)


def _counts(values: Tensor, count: int) -> Tensor:
    """How often each whole number below `count` is there, (count,) int64. values: flat, int32."""
    if values.device.type == "cpu":
        return torch.bincount(values, minlength=count)
    zeros = torch.zeros(count, dtype=torch.int64, device=values.device)  # bincount would wait, to see the largest
    return zeros.scatter_add_(0, values.long(), zeros.new_ones(()).expand(len(values)))


_KERNELS: dict[Kind, Callable[[Tensor, Tensor], Tensor]] = {
    Kind.BRIGHTNESS: _brightness,
    Kind.COLOR: _color,
    Kind.CONTRAST: _contrast,
    Kind.SHARPNESS: _sharpness,
    Kind.POSTERIZE: _posterize,
    Kind.SOLARIZE: _solarize,
    Kind.AUTOCONTRAST: _autocontrast,
    Kind.EQUALIZE: _equalize,
}
