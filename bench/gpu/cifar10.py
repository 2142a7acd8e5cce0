"""Wall time to airbench94's accuracy on CIFAR-10 with the engine's own techniques, beside its 3.83 s on an A100.

Published: airbench94.py reaches 94.01 % in 3.83 s, mean of 1,000 runs, on an A100-SXM4-80GB with torch 2.1.2; its time
covers training and evaluation with test-time augmentation, on data that are in the GPU's memory (Jordan 2024,
https://arxiv.org/abs/2404.00498; the header of airbench94.py in github.com/KellerJordan/cifar10-airbench). Scaled to
this GPU: 3.83 s x the A100's published rate / the rate measured here, once as if matrix products bounded it and once as
if memory did. Published peaks are never reached, so that favours us.

Ours: 50,000 images to learn from, the test set in two halves. A run each of growing length, judged on one half, decides
the length; fresh seeds of that length are judged on the other. Our seconds are of everything from a plan and images in
memory to kept weights and accuracies on all 10,000.

Our images were encoded as JPEG once more, and that costs accuracy: airbench94.py itself, unchanged, reaches 90.58 % on
them (four runs on an H200, 27 November 2026; 89.67 without test-time augmentation). So that is the job, not 94 %.
"""

import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bakeoff import api
from bakeoff.data.dataset import Dataset
from bakeoff.runs.runner import run_plan
from bakeoff.runs.workspace import Workspace
from bench.clock import wall
from bench.compare import Ratio
from bench.gpu.rates import A100_BYTES, A100_FLOPS, Rates

ARCHIVE = "cifar10-images.tar.gz"
TARGET = 90.58  # percent: airbench94's own on these images
PUBLISHED_SECONDS = 3.83
PILOT = 1000  # seed of the runs that decide the length
GUESS = 10_000.0  # images per second of a run before the first is measured
KEPT = 60.0  # seconds left to the parts that follow

TECHNIQUES = ("lr_optimizations", "label_smoothing", "nesterov")
SETTINGS = ("lr.per_256=0.2", "lr_optimizations.lr_ratio=1.0", "lr_optimizations.warmup=0.2", "precision.dtype=bf16")


@dataclass(frozen=True)
class Sizes:
    """What is trained, and how long."""

    model: str = "resnet18-32"
    batch: int = 512
    epochs: tuple[float, ...] = (10, 14, 20, 28)
    seeds: int = 3


@dataclass(frozen=True)
class Run:
    """One run: seconds of training and of everything, Acc@1 in percent on either half of the test set."""

    epochs: float
    seed: int
    training: float
    everything: float
    select: float
    report: float
    images_per_second: float


def unpack(archive: Path, folder: Path) -> Path:
    """The images as a folder of class folders, the test set as its validation set."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (folder / "test").rename(folder / "val")
    return folder


def to_target(
    data: Path, work: Path, device: torch.device, rates: Rates, left: Callable[[], float], sizes: Sizes
) -> Iterator[Ratio]:
    """Published seconds, scaled in either way, over ours. work: a folder for images and runs. left: seconds."""
    if not (data / ARCHIVE).exists():
        print(f"bench: gpu: CIFAR-10 left out, no {data / ARCHIVE}", file=sys.stderr)
        return
    start = time.perf_counter()
    root = unpack(data / ARCHIVE, work / "cifar10")
    dataset = api.plan_job(f"folder:{root}").task.load(data)
    reading = time.perf_counter() - start
    train = _Trainer(root, dataset, work / "runs", device, sizes)
    speed, pilots, runs = GUESS, list[Run](), list[Run]()

    def fits(epochs: float) -> bool:
        return epochs * len(dataset.splits["train"]) / speed < left() - KEPT

    for epochs in sizes.epochs:
        if pilots and (pilots[-1].select >= TARGET or not fits(epochs)):
            break
        pilots.append(train(epochs, PILOT))
        speed = len(dataset.splits["train"]) * epochs / pilots[-1].everything
    for seed in range(sizes.seeds):
        if not runs or fits(pilots[-1].epochs):
            runs.append(train(pilots[-1].epochs, seed))
    mean = sum(run.report for run in runs) / len(runs)
    for bound, rate, published in (("matmul", rates.matmul, A100_FLOPS), ("copy", rates.copy, A100_BYTES)):
        scaled = PUBLISHED_SECONDS * published / rate
        yield Ratio(
            name=f"cifar10_to_{TARGET:g}, by {bound}",
            over=f"airbench94's {PUBLISHED_SECONDS} s on an A100 scaled by {bound} rate to {scaled:.2f} s / ours",
            ratios=[scaled / run.everything for run in runs],
            bound="at least",
            reached=mean >= TARGET,
            detail={
                "report_acc1_mean": mean,
                "test_acc1_mean": sum((run.select + run.report) / 2 for run in runs) / len(runs),
                "runs": [vars(run) for run in runs],
                "pilots": [vars(run) for run in pilots],
                "published_seconds": PUBLISHED_SECONDS,
                "scaled_seconds": scaled,
                "reading_seconds": reading,
                "images": "JPEG, on which airbench94 reaches the target",
                "model": sizes.model,
                "batch_size": sizes.batch,
                "techniques": TECHNIQUES,
                "settings": SETTINGS,
            },
        )


class _Trainer:
    def __init__(self, root: Path, dataset: Dataset, store: Path, device: torch.device, sizes: Sizes) -> None:
        self._root, self._dataset, self._store, self._device, self._sizes = root, dataset, store, device, sizes

    def __call__(self, epochs: float, seed: int) -> Run:
        settings: Sequence[str] = (
            *SETTINGS,
            f"batch_size={self._sizes.batch}",
            f"examples_seen={round(epochs * len(self._dataset.splits['train']))}",
        )
        job = api.plan_job(
            f"folder:{self._root}", with_=TECHNIQUES, settings=settings, model=self._sizes.model, data=self._root
        )
        where = Workspace.open(store=self._store, data=self._root, device=str(self._device))
        start = wall(self._device)
        record = run_plan(
            job.task.name, job.plan, job.recipe.as_json(), seed, self._dataset, where, extra_evaluations=()
        )
        everything = wall(self._device) - start
        if record.status != "done":
            raise RuntimeError(f"the run of {epochs} epochs, seed {seed}: {record.status}, {record.reason}")
        found: dict[str, Any] = {split: record.metrics[split]["acc1"] for split in ("select", "report")}
        run = Run(epochs, seed, record.seconds, everything, **found, images_per_second=record.images_per_second)
        print(f"bench: gpu: CIFAR-10 {run}", file=sys.stderr, flush=True)
        return run
