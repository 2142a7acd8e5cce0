"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017, https://arxiv.org/abs/1708.07747)."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from bakeoff.data.dataset import Dataset
from bakeoff.data.splits import Indices, balanced, stratified
from bakeoff.plan import PadCrop
from bakeoff.task import Limits, Task
from bakeoff.tasks.official import load_official


def _split(labels: Indices) -> list[Indices]:
    return stratified(labels, (50_000, 5_000, 5_000), seed=0)


def _split_5k(labels: Indices) -> list[Indices]:
    train = balanced(labels, 500, seed=0)
    rest = np.setdiff1d(np.arange(len(labels)), train)
    return [train, *(rest[rows] for rows in stratified(labels[rest], (10_000, 30_000), seed=0))]


def _load(source: str, small: bool, data: Path) -> Dataset:
    return load_official(source, data, _split_5k if small else _split)


MNIST = Task(
    name="mnist",
    about="50,000 handwritten digits of 28x28 px to learn from",
    classes=10,
    channels=1,
    px=28,
    resize_px=28,
    train_examples=50_000,
    epochs=5,
    batch_size=128,
    model="cnn",
    crop=PadCrop(),
    limits=Limits(flip=False, max_rotation=30.0, max_shear=0.5),  # 6 and 9, 1 and 7 stay apart
    load=partial(_load, "MNIST", False),
    weight_decay=5e-4,
)
MNIST_5K = replace(
    MNIST,
    name="mnist-5k",
    about="5,000 of MNIST's digits to learn from, 30,000 to report on: small effects show",
    train_examples=5_000,
    epochs=10,
    batch_size=64,
    noise_pp=0.5,  # studies/mnist-5k
    load=partial(_load, "MNIST", True),
)
FASHION_MNIST = replace(
    MNIST,
    name="fashion-mnist",
    about="50,000 gray pictures of clothes of 28x28 px to learn from",
    limits=Limits(),
    load=partial(_load, "FashionMNIST", False),
)
