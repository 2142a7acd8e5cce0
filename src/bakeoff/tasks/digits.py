"""Digits: 8x8 pixels, part of scikit-learn, so it needs no data folder and takes seconds."""

from pathlib import Path

import numpy as np
import torch

from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.fingerprint import assemble
from bakeoff.data.splits import stratified
from bakeoff.plan import PadCrop
from bakeoff.task import Limits, Task


def _load(data: Path) -> Dataset:
    from sklearn.datasets import load_digits  # here, since it takes a second

    digits = load_digits()
    pixels = torch.from_numpy(np.rint(digits.images * (255 / 16)).astype(np.uint8))[:, None]  # from 0..16
    labels = torch.from_numpy(digits.target.astype(np.int64))
    splits = {
        key: Resident(pixels[rows], labels[rows], tuple(f"digits/{row}" for row in rows))
        for key, rows in zip(("train", "select", "report"), stratified(labels.numpy(), (200, 798, 799), 0), strict=True)
    }
    return assemble([str(digit) for digit in range(10)], splits)


DIGITS = Task(
    name="digits",
    about="200 handwritten digits of 8x8 px to learn from, 1,597 to test on; comes with scikit-learn",
    classes=10,
    channels=1,
    px=8,
    resize_px=8,
    train_examples=200,
    epochs=60,
    batch_size=32,
    model="cnn",
    crop=PadCrop(),
    limits=Limits(flip=False, max_rotation=15.0, max_shear=0.3),
    load=_load,
    weight_decay=5e-4,
    noise_pp=0.8,  # studies/digits
    noise_in_recipe_pp=0.3,  # docs/log.md: .22 to .28 in an audit, .28 to .39 at the ends of studies/digits
)
