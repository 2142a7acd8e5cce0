"""torchvision's reference pipeline for classification, as the peer of `files`.

Transforms, their order and defaults are those of pytorch/vision, references/classification/presets.py with its default
backend (Pillow), called as the post's recipe calls it: 176 px, TrivialAugment, random erasing 0.1, then mixup 0.2 or
CutMix 1.0 on the collated batch.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, default_collate
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

CLASSES = 1000
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preset(px: int) -> transforms.Compose:
    """ClassificationPresetTrain: an image of Pillow's -> (3, px, px) float32."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(px),
            transforms.RandomHorizontalFlip(0.5),
            transforms.TrivialAugmentWide(interpolation=transforms.InterpolationMode.BILINEAR),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize(mean=_MEAN, std=_STD),
            transforms.RandomErasing(p=0.1),
        ]
    )


def _collate(mixers: v2.RandomChoice, examples: list[tuple[Tensor, int]]) -> Any:
    return mixers(*default_collate(examples))


def batches(root: Path, px: int, batch: int, count: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """`count` batches of random images below `root`: (B, 3, px, px) and soft targets (B, CLASSES)."""
    images = ImageFolder(str(root), preset(px))
    mixers = v2.RandomChoice([v2.MixUp(alpha=0.2, num_classes=CLASSES), v2.CutMix(alpha=1.0, num_classes=CLASSES)])
    yield from DataLoader(
        images,
        batch_size=batch,
        sampler=RandomSampler(images, replacement=True, num_samples=count * batch),
        collate_fn=partial(_collate, mixers),
        num_workers=workers,
    )
