"""What several test files need: small plans and small data."""

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bakeoff.data.dataset import Dataset, Resident
from bakeoff.plan import DecayRule, EvalView, Model, PadCrop, Plan, Schedule
from bakeoff.rng import Draws

DATA = Path(os.environ.get("BAKEOFF_DATA") or Path(__file__).parents[2] / "shared" / "data")


def needs(*parts: str) -> pytest.MarkDecorator:
    """Skip a test where a data set is missing."""
    path = DATA.joinpath(*parts)
    return pytest.mark.skipif(not path.exists(), reason=f"no data at {path} (set BAKEOFF_DATA)")


def small_plan(**slots) -> Plan:
    """A plan that trains in a moment on `small_data`."""
    base = {
        "model": Model(name="cnn", classes=3, channels=1, px=8, knobs={"width": 4}),
        "examples_seen": 24 * 8,
        "batch_size": 8,
        "image_ops": (PadCrop(),),
        "train_px": 8,
        "eval_view": EvalView(resize_px=8, crop_px=8),
        "lr": Schedule(per_256=1.6, shape="cosine", warmup=0.1),
        "decay": DecayRule(weight_decay=1e-4),
    }
    return Plan(**{**base, **slots})


def small_data(train: int = 30, channels: int = 1, classes: int = 3, px: int = 8, seed: int = 0) -> Dataset:
    """Noisy images whose class is where the bright band is: learnable, and not at once."""
    generator = torch.Generator().manual_seed(seed)

    def split(count: int) -> Resident:
        labels = torch.arange(count) % classes
        images = torch.randint(0, 120, (count, channels, px, px), generator=generator, dtype=torch.uint8)
        for image, label in zip(images, labels.tolist(), strict=True):
            image[:, label * px // classes : (label + 1) * px // classes] += 110
        return Resident(images, labels)

    splits = {"train": split(train), "select": split(24), "report": split(25)}
    return Dataset(
        classes=tuple("abcdefghij"[:classes]),
        splits=splits,
        mean=(0.3,) * channels,
        std=(0.25,) * channels,
        fingerprint="0" * 16,
    )


def draws(n: int, seed: int = 0) -> Draws:
    """Of n images."""
    return Draws(seed, torch.stack((torch.zeros(n), torch.arange(n), torch.zeros(n)), dim=1).long())


def pictures(n: int, channels: int, height: int, width: int | None = None, seed: int = 0) -> Tensor:
    """Noise, noise of low contrast, one grey, and a ramp, in turn."""
    width = width or height
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)
    images[1::4] = images[1::4] // 3 + 40
    images[2::4] = 77
    images[3::4] = (torch.arange(height * width) % 256).view(height, width).to(torch.uint8)
    return images


def greatest_difference(a: Tensor, b: Tensor) -> int:
    """In grey levels."""
    return int((a.int() - b.int()).abs().max())
