"""CIFAR-10 (Krizhevsky 2009): 32x32 px photographs."""

from pathlib import Path

from bakeoff.data.dataset import Dataset
from bakeoff.data.splits import stratified
from bakeoff.plan import PadCrop
from bakeoff.task import Limits, Task
from bakeoff.tasks.official import load_official


def _load(data: Path) -> Dataset:
    return load_official("CIFAR10", data, lambda labels: stratified(labels, (45_000, 2_500, 2_500), seed=0))


CIFAR10 = Task(
    name="cifar10",
    about="45,000 photographs of 10 classes, 32x32 px, to learn from",
    classes=10,
    channels=3,
    px=32,
    resize_px=32,
    train_examples=45_000,
    epochs=10,
    batch_size=128,
    model="cnn",
    crop=PadCrop(),
    limits=Limits(),
    load=_load,
    weight_decay=5e-4,
)
