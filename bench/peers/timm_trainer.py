"""timm's train.py on a CPU, with its datasets, loader, mixup, optimizer, scheduler and ModelEmaV3.

Its own transforms crop and resize, so the padded crop takes their place; the rest, to bytes, mixed as bytes in the
collate function and normalised by the loader, is timm's.
"""

from typing import Any

import torch
from timm.data.dataset_factory import create_dataset
from timm.data.loader import create_loader
from timm.data.mixup import FastCollateMixup
from timm.data.transforms import ToNumpy
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from timm.optim._optim_factory import create_optimizer_v2
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.utils.metrics import AverageMeter
from timm.utils.model_ema import ModelEmaV3
from torch import nn
from torch.utils.data import Subset
from torchvision import transforms

from bench.peers.loop import accuracy
from bench.works import BATCH, CLASSES, MOMENTUM, PEAK_LR, WARMUP, WARMUP_START, WEIGHT_DECAY, Job, Laps


def run(job: Job, laps: Laps) -> float:
    """Train, then percent right on the test set."""
    work = job.work
    train_loader, test_loader = _loaders(job)
    model = job.network()
    criterion = SoftTargetCrossEntropy() if work.mixup else nn.CrossEntropyLoss()
    optimizer = create_optimizer_v2(
        model,
        opt="momentum",
        lr=PEAK_LR,
        momentum=MOMENTUM,
        weight_decay=WEIGHT_DECAY,
        filter_bias_and_bn=False,
        fused=True,
    )
    steps = work.epochs * len(train_loader)
    warmup = round(WARMUP * steps)
    scheduler = CosineLRScheduler(
        optimizer,
        t_initial=steps - warmup,
        warmup_t=warmup,
        warmup_lr_init=WARMUP_START * PEAK_LR,
        warmup_prefix=True,
        t_in_epochs=False,
    )
    average = ModelEmaV3(model, decay=job.decay(steps)) if work.half_life else None
    updates = 0
    for _ in range(work.epochs):
        laps.start()
        model.train()
        losses = AverageMeter()
        for images, target in train_loader:
            loss = criterion(model(images), target)
            losses.update(loss.item(), images.size(0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            if average:
                average.update(model, step=updates)
            scheduler.step_update(num_updates=updates, metric=losses.avg)
        laps.stop()
    return accuracy(average.module if average else model, test_loader)


def _loaders(job: Job) -> tuple[Any, Any]:
    work = job.work
    kind = "torch/mnist" if work.name == "mnist" else ""
    train_set: Any = create_dataset(kind, root=str(job.root), split="train", is_training=True)
    shown: Any = Subset(train_set, job.rows) if work.name == "mnist" else train_set
    test_set = create_dataset(kind, root=str(job.root), split="test")
    shared: dict[str, Any] = {
        "input_size": (work.channels, work.px, work.px),
        "mean": work.mean,
        "std": work.std,
        "num_workers": job.workers,
        "persistent_workers": job.workers > 0,
        "device": torch.device("cpu"),
    }
    train_loader = create_loader(
        shown,
        batch_size=BATCH,
        is_training=True,
        collate_fn=FastCollateMixup(work.mixup, label_smoothing=work.smoothing, num_classes=CLASSES)
        if work.mixup
        else None,
        **shared,
    )
    test_loader = create_loader(test_set, batch_size=1000, **shared)
    crop = [transforms.RandomCrop(work.px, work.pad), transforms.RandomHorizontalFlip()] if work.pad else []
    train_set.transform, test_set.transform = transforms.Compose([*crop, ToNumpy()]), ToNumpy()
    return train_loader, test_loader
