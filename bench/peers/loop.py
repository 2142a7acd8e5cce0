"""The plain PyTorch loop: the MNIST example's, with the work's optimizer, schedule, and what the work asks for besides.

Images are read and augmented as torchvision's documentation shows: its datasets, a transform per image, a shuffled
DataLoader, v2.MixUp in the collate function; the average is torch.optim.swa_utils'.
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, Subset, default_collate
from torchvision import datasets, transforms
from torchvision.transforms import v2

from bench.works import BATCH, CLASSES, Job, Laps

Loader = DataLoader[tuple[Tensor, Tensor]]
Images = Dataset[tuple[Tensor, Tensor]]


def run(job: Job, laps: Laps) -> float:
    """Train, then percent right on the test set."""
    train_loader, test_loader = loaders(job)
    model = job.network()
    optimizer = job.sgd(model)
    steps = job.work.epochs * len(train_loader)
    scheduler = job.schedule(optimizer, steps)
    average = None
    if job.work.half_life:
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(job.decay(steps)), use_buffers=True)
    model.train()
    for _ in range(job.work.epochs):
        laps.start()
        for images, target in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), target, label_smoothing=job.work.smoothing)
            loss.backward()
            optimizer.step()
            scheduler.step()
            if average:
                average.update_parameters(model)
        laps.stop()
    return accuracy(average or model, test_loader)


def accuracy(model: nn.Module, loader: Loader) -> float:
    """Percent right."""
    model.eval()
    correct = seen = 0
    with torch.inference_mode():
        for images, target in loader:
            correct += int((model(images).argmax(dim=1) == target).sum().item())
            seen += len(target)
    return 100 * correct / seen


def loaders(job: Job) -> tuple[Loader, Loader]:
    """Batches to train on and to test on."""
    train_set, test_set = images_of(job)
    mixup = v2.MixUp(alpha=job.work.mixup, num_classes=CLASSES) if job.work.mixup else None
    return (
        DataLoader(
            train_set,
            batch_size=BATCH,
            shuffle=True,
            num_workers=job.workers,
            persistent_workers=job.workers > 0,
            collate_fn=partial(_mixed, mixup) if mixup else None,
        ),
        DataLoader(test_set, batch_size=1000, num_workers=job.workers),
    )


def images_of(job: Job) -> tuple[Images, Images]:
    """To train on, augmented, and to test on."""
    work = job.work
    plain = [transforms.ToTensor(), transforms.Normalize(work.mean, work.std)]
    shown = transforms.Compose(plain)
    if work.name == "mnist":
        train_set = datasets.MNIST(str(job.root), train=True, transform=shown)
        return Subset(train_set, job.rows), datasets.MNIST(str(job.root), train=False, transform=shown)
    augmented = transforms.Compose(
        [transforms.RandomCrop(work.px, work.pad), transforms.RandomHorizontalFlip(), *plain]
    )
    return (
        datasets.ImageFolder(str(job.root / "train"), augmented),
        datasets.ImageFolder(str(job.root / "test"), shown),
    )


def _mixed(mixup: v2.MixUp, examples: list[tuple[Tensor, int]]) -> Any:
    return mixup(*default_collate(examples))
