"""Crops, views, flips and erasing against torchvision, image by image, and what augmentation promises about batches."""

from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as tv
import torchvision.transforms.v2.functional as tvf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode

from bakeoff import plan
from bakeoff.data import augment, geometry
from bakeoff.rng import Draws
from tests.helpers import draws, greatest_difference, pictures

OPS: list[Any] = [
    plan.PadCrop(),
    plan.ResizedCrop(),
    plan.HorizontalFlip(),
    plan.TrivialAugment(),
    plan.RandAugment(),
    plan.AutoAugment(),
    plan.RandomErasing(p=0.5),
]


def run(op: Any, images: Tensor, d: Draws, px: int = 24) -> Tensor:
    if op.family == "crop":
        return augment.crop(images, op, d, px, "bilinear")
    if op.family == "erase":
        return augment.erase(images.float(), op, d)
    return augment.flip(images, op, d) if op.family == "flip" else augment.policy(images, op, d, "bilinear")


# --- Crops and views --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "px"), [(32, 32), (28, 20), (9, 14), (33, 32)])
def test_pad_crop_is_a_shifted_central_window(side: int, px: int) -> None:
    op = plan.PadCrop(shift=0.125)
    shift = round(side * 0.125)
    images = pictures(300, 3, side).clamp(min=1)
    padded = tvf.pad(images, [px, px, px, px])
    middle = px + geometry.centre_start(side, px)
    steps = range(-shift, shift + 1)
    windows = {
        (dy, dx): padded[:, :, middle + dy : middle + dy + px, middle + dx : middle + dx + px]
        for dy in steps
        for dx in steps
    }
    got = augment.crop(images, op, draws(300), px, "bilinear")
    noise = range(0, 300, 4)  # in these, no two windows are alike
    offsets = [next(key for key, window in windows.items() if torch.equal(got[i], window[i])) for i in noise]
    assert {dy for dy, _ in offsets} == {dx for _, dx in offsets} == set(steps)
    still = augment.crop(images, plan.PadCrop(shift=0.0), draws(300), px, "bilinear")
    assert torch.equal(still, tvf.center_crop(images, [px, px]))


@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(4, 60),
    width=st.integers(4, 60),
    px=st.integers(2, 48),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60)
def test_resample_equals_torch_and_pillow(channels: int, height: int, width: int, px: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    images = pictures(4, channels, height, width, seed)
    h, w = random.integers(1, height, 4, endpoint=True), random.integers(1, width, 4, endpoint=True)
    top, left = random.integers(0, height - h, endpoint=True), random.integers(0, width - w, endpoint=True)
    boxes = torch.from_numpy(np.stack((top, left, h, w), 1))
    for interpolation in ("bilinear", "bicubic"):
        got = geometry.resample(images, boxes, px, interpolation)
        for image, box, small in zip(images, boxes.tolist(), got, strict=True):
            part = tvf.crop(image, *box)
            expected = tvf.resize(part, [px, px], InterpolationMode(interpolation), antialias=True)
            assert greatest_difference(small, expected) <= 1
            if interpolation == "bilinear":
                pillow = tvf.to_pil_image(part).resize((px, px), Image.Resampling.BILINEAR)
                assert greatest_difference(small, tvf.pil_to_tensor(pillow)) <= 1
    got = geometry.resample(images, boxes, px, "nearest")
    for image, (t, le, hh, ww), small in zip(images, boxes.tolist(), got, strict=True):
        rows = [t + (2 * i + 1) * hh // (2 * px) for i in range(px)]
        columns = [le + (2 * i + 1) * ww // (2 * px) for i in range(px)]
        assert torch.equal(small, image[:, rows][:, :, columns])


@given(
    height=st.integers(4, 60),
    width=st.integers(4, 60),
    resize_px=st.integers(2, 48),
    crop_px=st.integers(2, 56),
    interpolation=st.sampled_from(["bilinear", "bicubic", "nearest"]),
)
@settings(max_examples=60)
def test_eval_view_is_torchvisions_resize_and_centre_crop(
    height: int, width: int, resize_px: int, crop_px: int, interpolation: str
) -> None:
    images = pictures(3, 3, height, width)
    view = plan.EvalView(resize_px=resize_px, crop_px=crop_px)
    mode = InterpolationMode.NEAREST_EXACT if interpolation == "nearest" else InterpolationMode(interpolation)
    resized = tvf.resize(images, [resize_px], mode, antialias=True)
    expected = tvf.center_crop(resized, [crop_px, crop_px])
    got = augment.eval_view(images, view, interpolation)
    assert got.dtype == torch.uint8
    assert torch.equal(got, expected)


def test_resized_crop_boxes_follow_torchvisions_distribution() -> None:
    op, n = plan.ResizedCrop(), 4000
    boxes = geometry.resized_crop_boxes(op, draws(n), torch.full((n,), 60), torch.full((n,), 90)).double()
    theirs = tv.RandomResizedCrop(32)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        params = [theirs.make_params([torch.zeros(3, 60, 90)]) for _ in range(n)]
    for i, name in enumerate(("top", "left", "height", "width")):
        expected = torch.tensor([float(p[name]) for p in params], dtype=torch.float64)
        error = (expected.var() * 2 / n).sqrt()
        assert abs(boxes[:, i].mean() - expected.mean()) < 4 * error, name
        assert boxes[:, i].std() == pytest.approx(float(expected.std()), rel=0.06), name


@given(heights=st.integers(1, 200), widths=st.integers(1, 200))
@settings(max_examples=50)
def test_resized_crop_boxes_lie_in_the_image(heights: int, widths: int) -> None:
    n = 50
    boxes = geometry.resized_crop_boxes(
        plan.ResizedCrop(), draws(n), torch.full((n,), heights), torch.full((n,), widths)
    )
    top, left, h, w = boxes.unbind(1)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (top + h <= heights).all()
    assert (left + w <= widths).all()


def test_resized_crop_falls_back_to_the_centre() -> None:
    op = plan.ResizedCrop(area=(1.0, 1.0), aspect=(3 / 4, 4 / 3))  # the whole of an elongated image never fits
    boxes = geometry.resized_crop_boxes(op, draws(2), torch.tensor([30, 100]), torch.tensor([100, 30]))
    assert boxes.tolist() == [[0, 30, 30, 40], [30, 0, 40, 30]]


# --- Flip, normalise, erase -------------------------------------------------------------------------------------------


def test_flip_mirrors_the_share_p() -> None:
    images = pictures(1, 3, 9).expand(4000, -1, -1, -1).contiguous()
    got = augment.flip(images, plan.HorizontalFlip(p=0.3), draws(4000))
    mirrored = (got == images.flip(3)).flatten(1).all(1)
    assert torch.equal(got[~mirrored], images[~mirrored])
    assert mirrored.double().mean().item() == pytest.approx(0.3, abs=0.025)
    for p, expected in ((0.0, images), (1.0, images.flip(3))):
        assert torch.equal(augment.flip(images, plan.HorizontalFlip(p=p), draws(4000)), expected)


@pytest.mark.parametrize("channels_last", [False, True])
def test_normalize(channels_last: bool) -> None:
    images = pictures(4, 3, 8)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.3])
    got = augment.normalize(images, mean, std, channels_last)
    expected = tvf.normalize(images.double() / 255, mean.tolist(), std.tolist())
    assert got.dtype == torch.float32
    assert torch.allclose(got.double(), expected, atol=1e-6)
    assert got.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def erased_boxes(got: Tensor) -> Tensor:
    """(M, 2) height and width of what is 0, for the images that have any; it must be one rectangle."""
    gone = (got == 0).all(1)
    gone = gone[gone.flatten(1).any(1)]
    height, width = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(gone.flatten(1).sum(1), height * width)
    return torch.stack((height, width), 1).double()


def test_erase_follows_torchvisions_distribution() -> None:
    n, op = 6000, plan.RandomErasing(p=0.5)
    images = torch.ones(n, 2, 30, 40)
    got = augment.erase(images, op, draws(n))
    assert (images == 1).all()  # the argument stays as it was
    boxes = erased_boxes(got)
    assert len(boxes) / n == pytest.approx(0.5, abs=0.03)
    theirs = tv.RandomErasing()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        params = [theirs.make_params([torch.ones(2, 30, 40)]) for _ in range(3000)]
    for i, name in enumerate("hw"):
        expected = torch.tensor([float(p[name]) for p in params if p["v"] is not None], dtype=torch.float64)
        error = (expected.var() * (1 / len(boxes) + 1 / len(expected))).sqrt()
        assert abs(boxes[:, i].mean() - expected.mean()) < 4 * error
        assert boxes[:, i].std() == pytest.approx(float(expected.std()), rel=0.08)


def test_erase_never_takes_the_whole_image_and_p_0_takes_nothing() -> None:
    images = torch.ones(500, 1, 8, 8)
    op = plan.RandomErasing(p=1.0, area=(0.9, 1.0), aspect=(1.0, 1.0))
    assert torch.equal(augment.erase(images, op, draws(500)), images)
    assert torch.equal(augment.erase(images, plan.RandomErasing(p=0.0), draws(500)), images)


# --- Batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.kind)
def test_an_image_does_not_depend_on_its_batch(op: Any, channels: int) -> None:
    n = 60
    images, d = pictures(n, channels, 32, 40), draws(n)
    together = run(op, images, d)
    alone = torch.cat([run(op, images[i : i + 1], Draws(d.seed, d.rows[i : i + 1])) for i in range(n)])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.kind)
def test_every_operation_does_something_and_another_seed_something_else(op: Any) -> None:
    images = pictures(40, 3, 24)
    first, second = (run(op, images, draws(40, seed)) for seed in (1, 2))
    assert not torch.equal(first, images.to(first.dtype))
    assert not torch.equal(first, second)


def test_a_technique_does_not_shift_anothers_draws() -> None:
    base: dict[str, Any] = {
        "model": plan.Model(name="cnn", classes=2, channels=3, px=16),
        "examples_seen": 1,
        "batch_size": 1,
        "train_px": 16,
        "eval_view": plan.EvalView(resize_px=16, crop_px=16),
        "lr": plan.Schedule(per_256=0.1),
        "decay": plan.DecayRule(weight_decay=0.0),
    }
    images, d = pictures(64, 3, 24), draws(64)
    mean, std = torch.full((3,), 0.5), torch.full((3,), 0.25)
    ops = (plan.PadCrop(), plan.HorizontalFlip(), plan.TrivialAugment(), plan.RandomErasing(p=0.5))
    everything = augment.augment(images, plan.Plan(**base, image_ops=ops), d, mean, std)

    by_hand = augment.crop(images, plan.PadCrop(), d, 16, "bilinear")
    cropped = augment.augment(by_hand, plan.Plan(**base, image_ops=ops), d, mean, std, cropped=True)
    by_hand = augment.policy(augment.flip(by_hand, plan.HorizontalFlip(), d), plan.TrivialAugment(), d, "bilinear")
    by_hand = augment.erase(augment.normalize(by_hand, mean, std), plan.RandomErasing(p=0.5), d)
    assert torch.equal(everything, by_hand)
    assert torch.equal(cropped, by_hand)

    bare = augment.augment(images, plan.Plan(**base), d, mean, std)
    expected = augment.eval_view(images, plan.EvalView(resize_px=16, crop_px=16), "bilinear")
    assert torch.equal(bare, augment.normalize(expected, mean, std))
