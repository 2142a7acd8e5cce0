"""The two works of `libraries`, the same for everybody: data, network, optimizer, schedule, length.

`mnist` reads the IDX files and augments nothing. `cifar10` reads a folder of JPEG files, crops with padding, flips,
mixes up, smooths labels and averages the weights. The network is `cnn` of bakeoff.models in channels_last, which halves
its time on a CPU and which the libraries' tutorials don't do: they are given that.
"""

import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from bakeoff import models, tasks
from bakeoff.plan import Model

BATCH = 128
PEAK_LR, MOMENTUM, WEIGHT_DECAY = 0.2, 0.9, 5e-4
WARMUP, WARMUP_START = 0.2, 0.01  # share of the steps; share of the peak
CLASSES = 10
# Of each of CIFAR-10's classes: 5,000 would take the libraries half an hour. Nobody trains on those held out.
_TRAINED_ON, _HELD_OUT = 3000, 250


@dataclass(frozen=True)
class Work:
    """What is trained on what, for how long, and how well.

    target: the accuracy that everybody has to reach, in percent. tolerance: how far a library's mean may be from ours,
    in points: three standard deviations, which between seeds of ours were 0.07 (mnist) and 0.68 (cifar10, four seeds).
    """

    name: str
    source: str  # in the data folder
    channels: Literal[1, 3]
    px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    epochs: int
    repeats: int
    target: float
    tolerance: float
    pad: int = 0  # px of the random crop; 0: nothing of what follows
    mixup: float = 0.0
    smoothing: float = 0.0
    half_life: float = 0.0  # of the weight average, as a share of training
    width: int = 16  # of the network


WORKS = {
    work.name: work
    for work in (
        Work(
            name="mnist",
            source="mnist/MNIST/raw",
            channels=1,
            px=28,
            mean=(0.1307,),
            std=(0.3081,),
            epochs=2,
            repeats=3,
            target=98.8,
            tolerance=0.3,
        ),
        Work(
            name="cifar10",
            source="cifar10-images.tar.gz",
            channels=3,
            px=32,
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            epochs=2,
            repeats=2,
            target=52.0,
            tolerance=2.0,
            pad=4,
            mixup=0.2,
            smoothing=0.1,
            half_life=0.03,
        ),
    )
}


@dataclass(frozen=True)
class Job:
    """A work in a folder that `lay_out` made, with a seed and the number of processes that read files."""

    work: Work
    root: Path
    seed: int = 0
    workers: int = 0

    @property
    def rows(self) -> list[int]:
        """Which of MNIST's official training images are trained on."""
        return [int(row) for row in np.load(self.root / "rows.npy")]

    @property
    def images(self) -> int:
        """Images trained on."""
        return len(self.rows) if self.work.name == "mnist" else sum(1 for _ in self.root.glob("train/*/*"))

    def network(self) -> nn.Module:
        """A new network; its weights come from torch's global generator, as the libraries have it."""
        spec = Model(
            name="cnn",
            classes=CLASSES,
            channels=self.work.channels,
            px=self.work.px,
            knobs={"width": self.work.width},
        )
        return models.build(spec).to(memory_format=torch.channels_last)

    def sgd(self, model: nn.Module) -> SGD:
        """The optimizer, at its fastest on a CPU."""
        return SGD(model.parameters(), PEAK_LR, MOMENTUM, weight_decay=WEIGHT_DECAY, fused=True)

    def schedule(self, optimizer: SGD, steps: int) -> SequentialLR:
        """Linear warm-up and a cosine to 0, to be stepped after every batch."""
        warmup = round(WARMUP * steps)
        rise = LinearLR(optimizer, WARMUP_START, total_iters=warmup)
        return SequentialLR(optimizer, [rise, CosineAnnealingLR(optimizer, steps - warmup)], [warmup])

    def decay(self, steps: int, every: int = 1) -> float:
        """The average's decay per update, for one update every so many of the steps."""
        return float(0.5 ** (every / (self.work.half_life * steps)))


@dataclass
class Laps:
    """Wall seconds of each epoch."""

    seconds: list[float] = field(default_factory=list)
    _since: float = 0.0

    def start(self) -> None:
        """An epoch begins."""
        self._since = time.perf_counter()

    def stop(self) -> None:
        """It has ended."""
        self.seconds.append(time.perf_counter() - self._since)


def lay_out(work: Work, data: Path, root: Path) -> None:
    """Put a work's files into the empty folder `root`.

    mnist: MNIST/raw, and rows.npy with the rows of the official training set that `bakeoff train` learns from. cifar10:
    train/, val/, which ours asks for, and test/.
    """
    if work.name == "mnist":
        (root / "MNIST").symlink_to((data / "mnist" / "MNIST").resolve())
        names = tasks.get("mnist", data).load(data).splits["train"].names
        np.save(root / "rows.npy", [int(name.rpartition("/")[2]) for name in names])
        return
    with tarfile.open(data / "cifar10-images.tar.gz") as archive:
        archive.extractall(root, filter="data")
    for folder in sorted((root / "train").iterdir()):
        (root / "val" / folder.name).mkdir(parents=True)
        rest = sorted(folder.iterdir())[_TRAINED_ON:]
        for path in rest[:_HELD_OUT]:
            path.rename(root / "val" / folder.name / path.name)
        for path in rest[_HELD_OUT:]:
            path.unlink()
