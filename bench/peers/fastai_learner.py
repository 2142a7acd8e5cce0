"""fastai's Learner.

MNIST as chapter 4 of its book has it: tensors and labels, zipped, in its DataLoader. The folder as its vision tutorial
has it: ImageDataLoaders, with images padded and cropped one by one, flipped and normalised per batch, its MixUp and its
smoothed loss. It has no average of the weights. The optimizer is torch's in its wrapper. The test set is looked at
once, at the end.
"""

from functools import partial
from typing import Any

import torch
from fastai.basics import (
    Callback,
    CancelValidException,
    CrossEntropyLossFlat,
    DataLoader,
    DataLoaders,
    LabelSmoothingCrossEntropyFlat,
    Learner,
    OptimWrapper,
    accuracy,
)
from fastai.callback.mixup import MixUp
from fastai.callback.schedule import ParamScheduler, SchedCos, SchedLin, combine_scheds
from fastai.vision.all import CropPad, Flip, ImageDataLoaders, Normalize, RandomCrop
from torchvision import datasets

from bench.works import BATCH, MOMENTUM, PEAK_LR, WARMUP, WARMUP_START, WEIGHT_DECAY, Job, Laps


class _Timed(Callback):
    def __init__(self, laps: Laps) -> None:
        self.laps = laps

    def before_train(self) -> None:
        self.laps.start()

    def after_train(self) -> None:
        self.laps.stop()


class _NoValidation(Callback):
    def before_validate(self) -> None:
        raise CancelValidException


def run(job: Job, laps: Laps) -> float:
    """Train, then percent right on the test set."""
    work = job.work
    dls = _zipped(job) if work.name == "mnist" else _folder(job)
    learner = Learner(
        dls,
        job.network(),
        loss_func=LabelSmoothingCrossEntropyFlat(eps=work.smoothing) if work.smoothing else CrossEntropyLossFlat(),
        opt_func=partial(OptimWrapper, opt=partial(torch.optim.SGD, momentum=MOMENTUM, fused=True)),
        wd=WEIGHT_DECAY,
        metrics=accuracy,
        cbs=[MixUp(work.mixup)] if work.mixup else [],
    )
    rise, fall = SchedLin(WARMUP_START * PEAK_LR, PEAK_LR), SchedCos(PEAK_LR, 0.0)
    schedule = ParamScheduler({"lr": combine_scheds([WARMUP, 1 - WARMUP], [rise, fall])})
    with learner.no_bar(), learner.no_logging():
        learner.fit(work.epochs, PEAK_LR, cbs=[schedule, _Timed(laps), _NoValidation()])
        return 100 * float(learner.validate()[1])


def _zipped(job: Job) -> Any:
    mean, std = job.work.mean[0], job.work.std[0]
    loaders = []
    for train in (True, False):
        part = datasets.MNIST(str(job.root), train=train)
        images, labels = (part.data[job.rows], part.targets[job.rows]) if train else (part.data, part.targets)
        examples = list(zip(images[:, None].float().div(255).sub(mean).div(std), labels, strict=True))
        batch = BATCH if train else 1000
        loaders.append(DataLoader(examples, bs=batch, shuffle=train, num_workers=job.workers))
    return DataLoaders(*loaders, device=torch.device("cpu"))


def _folder(job: Job) -> Any:
    work = job.work
    return ImageDataLoaders.from_folder(
        job.root,
        train="train",
        valid="test",
        item_tfms=[CropPad(work.px + 2 * work.pad), RandomCrop(work.px)],
        batch_tfms=[Flip(), Normalize.from_stats(work.mean, work.std, cuda=False)],
        bs=BATCH,
        val_bs=1000,
        num_workers=job.workers,
        device=torch.device("cpu"),
    )
