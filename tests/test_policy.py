"""Automatic augmentation against torchvision, operation by operation, and what it draws."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as tv
import torchvision.transforms.v2.functional as tvf
from pydantic import ValidationError
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2._auto_augment import _AutoAugmentBase

from bakeoff import plan
from bakeoff.data import augment
from bakeoff.data import policy as policies
from bakeoff.data.policy import Kind, Space
from tests.helpers import draws, greatest_difference, pictures

NAMES = list(tv.TrivialAugmentWide._AUGMENTATION_SPACE)
GEOMETRIC = [Kind.SHEAR_X, Kind.SHEAR_Y, Kind.TRANSLATE_X, Kind.TRANSLATE_Y, Kind.ROTATE]


def reference(policy: _AutoAugmentBase, name: str, images: Tensor, magnitude: float) -> Tensor:
    result = policy._apply_image_or_video_transform(
        images, name, magnitude, interpolation=InterpolationMode.NEAREST, fill=policy._fill
    )
    assert isinstance(result, Tensor)
    return result


def on_pillow(policy: _AutoAugmentBase, name: str, images: Tensor, magnitude: float, interpolation: str) -> Tensor:
    """What torchvision's training script does: Pillow's images, and `fill` left at None."""
    mode = InterpolationMode(interpolation)
    done = [
        policy._apply_image_or_video_transform(tvf.to_pil_image(image), name, magnitude, mode, policy._fill)
        for image in images
    ]
    return torch.stack([tvf.pil_to_tensor(image) for image in done])


def on_an_edge(degrees: float, px: int) -> Tensor:
    """Where a rotation takes the centre of a new pixel to the edge between two old ones, to within float32's error."""
    y, x = np.mgrid[:px, :px] - (px - 1) / 2
    angle = math.radians(degrees)
    old_x, old_y = math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y
    off = [np.abs((old + (px - 1) / 2) % 1 - 0.5) for old in (old_x, old_y)]
    return torch.from_numpy(np.minimum(*off) < 1e-5)


def at_every_magnitude(kind: Kind, images: Tensor, interpolation: str) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Each magnitude of torchvision's range, what ours makes of the images, and where float32 may decide otherwise."""
    px, n = images.shape[-1], len(images)
    magnitudes, signed = list(tv.TrivialAugmentWide._AUGMENTATION_SPACE.values())[kind]
    levels = magnitudes(31, px, px)
    levels = torch.zeros(1) if levels is None else levels.float()
    ours = Space(0.99, 32 / px, 135.0, 0.99, 6).table(31, plan.TrivialAugment(), px, px)[kind, : len(levels)]
    if signed:
        levels, ours = torch.cat((levels, -levels)), torch.cat((ours, -ours))
    repeated = images.repeat(len(levels), 1, 1, 1)
    kinds = torch.full((len(repeated),), int(kind))
    got = policies.apply(repeated, kinds, ours.repeat_interleave(n), interpolation)
    for magnitude, result in zip(levels.tolist(), got.split(n), strict=True):
        free = on_an_edge(magnitude, px) if kind == Kind.ROTATE else torch.zeros(px, px, dtype=torch.bool)
        assert not free.any() or abs(magnitude) in (45, 135)
        yield magnitude, result, free


@pytest.mark.parametrize("px", [8, 28, 32, 33])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_operation_at_every_magnitude_equals_torchvisions(kind: Kind, channels: int, px: int) -> None:
    images = pictures(4, channels, px)
    for magnitude, got, free in at_every_magnitude(kind, images, "nearest"):
        expected = reference(tv.TrivialAugmentWide(), NAMES[kind], images, magnitude)
        assert greatest_difference(got.masked_fill(free, 0), expected.masked_fill(free, 0)) <= 1, magnitude


@pytest.mark.parametrize("px", [8, 33])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("kind", GEOMETRIC)
def test_shears_shifts_and_rotations_interpolate_as_torchvisions(
    kind: Kind, interpolation: str, channels: int, px: int
) -> None:
    images = pictures(4, channels, px)
    for magnitude, got, free in at_every_magnitude(kind, images, interpolation):
        expected = on_pillow(tv.TrivialAugmentWide(), NAMES[kind], images, magnitude, interpolation)
        assert greatest_difference(got.masked_fill(free, 0), expected.masked_fill(free, 0)) <= 1, magnitude


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_images_that_are_not_square_are_warped_as_torchvisions(interpolation: str) -> None:
    images = pictures(4, 3, 20, 33)
    for kind, magnitude in ((Kind.SHEAR_X, 0.3), (Kind.SHEAR_Y, -0.7), (Kind.ROTATE, 100.0)):
        got = policies.apply(images, torch.full((4,), int(kind)), torch.full((4,), magnitude), interpolation)
        expected = on_pillow(tv.TrivialAugmentWide(), NAMES[kind], images, magnitude, interpolation)
        assert greatest_difference(got, expected) <= 1, kind


@pytest.mark.parametrize("op", [plan.TrivialAugment(), plan.RandAugment(), plan.AutoAugment()])
def test_a_policy_follows_the_plans_interpolation(op: plan.Policy) -> None:
    """What is neither sheared nor turned is the same whatever the interpolation."""
    images = pictures(400, 3, 12)
    shown = {name: augment.policy(images, op, draws(400), name) for name in ("nearest", "bilinear", "bicubic")}
    for name in ("bilinear", "bicubic"):
        others = (shown[name] != shown["nearest"]).flatten(1).any(1)
        assert 0.03 < others.double().mean() < 0.5
    still = op.model_copy(update={"max_rotation": 0.0, "max_shear": 0.0})
    assert not still.warps
    results = [augment.policy(images, still, draws(400), name) for name in shown]
    assert all(torch.equal(result, results[0]) for result in results)


@pytest.mark.parametrize("theirs", [tv.RandAugment(), tv.AutoAugment()], ids=["rand", "auto"])
def test_the_narrow_space_is_torchvisions(theirs: _AutoAugmentBase) -> None:
    bins, height, width = 31 if isinstance(theirs, tv.RandAugment) else 10, 32, 48
    table = policies.NARROW.table(bins, plan.RandAugment(), height, width)
    ramp = torch.arange(256, dtype=torch.uint8)
    compared = 0
    for kind, name in zip(Kind, tv.TrivialAugmentWide._AUGMENTATION_SPACE, strict=True):
        if name in theirs._AUGMENTATION_SPACE and Kind.IDENTITY < kind < Kind.AUTOCONTRAST:
            levels = theirs._AUGMENTATION_SPACE[name][0](bins, height, width).float()
            if kind == Kind.SOLARIZE:
                levels = torch.tensor([(tvf.solarize(ramp, 255 * t) != ramp).sum() for t in levels.tolist()])
            elif kind == Kind.POSTERIZE:
                levels = 8 - levels
            elif kind in (Kind.TRANSLATE_X, Kind.TRANSLATE_Y):
                levels = levels.int()
            assert table[kind].tolist() == levels.tolist(), kind
            compared += 1
    assert compared == 11


def test_autoaugment_has_torchvisions_sub_policies() -> None:
    kinds, chances, magnitudes = policies._sub_policies(plan.AutoAugment(), 32, 32)
    theirs = tv.AutoAugment()
    images = pictures(4, 3, 32)
    assert kinds.shape == chances.shape == magnitudes.shape == (25, 2)
    for i, sub_policy in enumerate(theirs._policies):
        for j, (name, probability, level) in enumerate(sub_policy):
            levels = theirs._AUGMENTATION_SPACE[name][0](10, 32, 32)
            magnitude = float(levels[level]) if levels is not None else 0.0
            expected = reference(theirs, name, images, magnitude)
            got = policies.apply(images, kinds[i, j].expand(4), magnitudes[i, j].expand(4), "nearest")
            assert chances[i, j] == pytest.approx(probability)
            assert greatest_difference(got, expected) <= 1, (i, j, name)


def test_translations_scale_with_the_side() -> None:
    at_224 = policies._trivial_table(plan.TrivialAugment(), 224, 224)
    assert at_224[Kind.TRANSLATE_X].tolist() == torch.linspace(0, 32, 31).int().tolist()
    at_28 = policies._trivial_table(plan.TrivialAugment(), 28, 56)
    assert at_28[Kind.TRANSLATE_Y].max() == 4
    assert at_28[Kind.TRANSLATE_X].max() == 8


def drawn(
    monkeypatch: pytest.MonkeyPatch, op: plan.TrivialAugment | plan.RandAugment | plan.AutoAugment, n: int
) -> tuple[Tensor, Tensor]:
    """Kinds and magnitudes that a policy draws for n images of 32 px."""
    calls: list[tuple[Tensor, Tensor]] = []

    def spy(images: Tensor, kinds: Tensor, magnitudes: Tensor, interpolation: str) -> Tensor:
        calls.append((kinds, magnitudes))
        return images

    monkeypatch.setattr(policies, "apply", spy)
    augment.policy(torch.zeros(n, 1, 32, 32, dtype=torch.uint8), op, draws(n), "bilinear")
    return torch.cat([kinds for kinds, _ in calls]), torch.cat([magnitudes for _, magnitudes in calls])


def test_trivial_augment_draws_kinds_levels_and_signs_uniformly(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds, magnitudes = drawn(monkeypatch, plan.TrivialAugment(), 28_000)
    counts = torch.bincount(kinds, minlength=14).double()
    assert ((counts - 2000) ** 2 / 2000).sum() < 34.5  # chi-square, 13 degrees of freedom, p = 0.001
    turns = magnitudes[kinds == Kind.ROTATE]
    assert len(turns.unique()) == 61
    assert turns.abs().max() == 135
    assert (turns > 0).double().mean().item() == pytest.approx(30 / 62, abs=0.04)
    assert (magnitudes[kinds == Kind.POSTERIZE] >= 0).all()


def test_rand_augment_uses_one_magnitude_and_autoaugment_its_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds, magnitudes = drawn(monkeypatch, plan.RandAugment(ops=3), 2000)
    assert len(kinds) == 6000
    assert magnitudes[kinds == Kind.ROTATE].unique().tolist() == [-9.0, 9.0]
    monkeypatch.undo()
    _, chances, _ = policies._sub_policies(plan.AutoAugment(), 32, 32)
    _, magnitudes = drawn(monkeypatch, plan.AutoAugment(), 20_000)
    used = (magnitudes.view(2, -1) != 0).double().mean(1)
    # Colour at level 0 is in the policy and does nothing: 0.4 of two sub-policies of 25.
    expected = chances.double().mean(0) - torch.tensor([1 * 0.4, 1 * 0.4]) / 25
    assert used.tolist() == pytest.approx(expected.tolist(), abs=0.015)


@pytest.mark.parametrize("op", [plan.TrivialAugment, plan.RandAugment, plan.AutoAugment])
def test_limits_hold(op: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    kinds, magnitudes = drawn(monkeypatch, op(max_rotation=12.0, max_shear=0.1), 5000)
    assert 0 < magnitudes[kinds == Kind.ROTATE].abs().max() <= 12.0
    assert 0 < magnitudes[kinds == Kind.SHEAR_X].abs().max() <= 0.1


def test_no_strength_and_no_operations_change_nothing() -> None:
    images = pictures(500, 3, 12)
    assert torch.equal(augment.policy(images, plan.TrivialAugment(strength=0.0), draws(500), "bilinear"), images)
    assert torch.equal(augment.policy(images, plan.RandAugment(ops=0), draws(500), "bilinear"), images)


def test_strength_scales_every_magnitude() -> None:
    full = policies._trivial_table(plan.TrivialAugment(), 224, 224)
    half = policies._trivial_table(plan.TrivialAugment(strength=0.5), 224, 224)
    assert torch.allclose(half[: Kind.TRANSLATE_X], full[: Kind.TRANSLATE_X] / 2)
    assert torch.allclose(half[Kind.ROTATE : Kind.POSTERIZE], full[Kind.ROTATE : Kind.POSTERIZE] / 2)
    assert half[Kind.TRANSLATE_X].max() == 16
    assert half[Kind.POSTERIZE].max() == 3
    assert half[Kind.SOLARIZE].max() == 128


def test_rand_augment_refuses_a_magnitude_without_a_bin() -> None:
    with pytest.raises(ValidationError, match="more bins than its magnitude"):
        plan.RandAugment(magnitude=31)
