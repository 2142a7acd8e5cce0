"""What the checks train on: two unlike tasks of made images, which cost a moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from bakeoff.data.dataset import Dataset, Resident
from bakeoff.plan import PadCrop, Plan, ResizedCrop
from bakeoff.task import Limits, Task


def _load(channels: int, classes: int, px: int) -> Dataset:
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> Resident:
        labels = torch.arange(count) % classes
        images = torch.randint(0, 120, (count, channels, px, px), generator=generator, dtype=torch.uint8)
        for image, label in zip(images, labels.tolist(), strict=True):
            image[:, label * px // classes : (label + 1) * px // classes] += 110  # the class is where the band is
        return Resident(images, labels)

    splits = {"train": split(30), "select": split(24), "report": split(25)}
    names = tuple(f"class {label}" for label in range(classes))
    return Dataset(names, splits, (0.3,) * channels, (0.25,) * channels, "0" * 16)


def _gray(data: Path) -> Dataset:
    return _load(1, 3, 8)


def _colour(data: Path) -> Dataset:
    return _load(3, 10, 20)


GRAY = Task(
    name="gray",
    about="3 classes of 8 px that can't be flipped or turned",
    classes=3,
    channels=1,
    px=8,
    resize_px=8,
    train_examples=30,
    epochs=4,
    batch_size=8,
    model="cnn",
    crop=PadCrop(),
    limits=Limits(flip=False, max_rotation=15.0, max_shear=0.2),
    load=_gray,
)
COLOUR = Task(
    name="colour",
    about="10 classes of 20 px in colour",
    classes=10,
    channels=3,
    px=20,
    resize_px=22,
    train_examples=30,
    epochs=4,
    batch_size=8,
    model="cnn",
    crop=ResizedCrop(),
    limits=Limits(),
    load=_colour,
    large_batch=2,
)
TASKS = (GRAY, COLOUR)


def small_plan(task: Task) -> Plan:
    """The base plan of one of these tasks with a narrow network."""
    base = task.base_plan()
    return base.model_copy(update={"model": base.model.model_copy(update={"knobs": {"width": 4}})})


def require(kept: object, promise: str) -> None:
    """Raise AssertionError with the promise, unless it was kept."""
    if not kept:
        raise AssertionError(promise)


@contextmanager
def no_global_draws(what: str) -> Iterator[None]:
    """Raise AssertionError if a global generator of torch or NumPy is drawn from."""
    before = torch.get_rng_state(), np.random.get_state()
    yield
    after = torch.get_rng_state(), np.random.get_state()
    same = torch.equal(before[0], after[0]) and all(
        np.array_equal(a, b) for a, b in zip(before[1], after[1], strict=True)
    )
    require(same, f"{what} draws from a global generator; randomness is an argument")
