"""timm's transforms, image by image, as a peer of `augment`.

It has no TrivialAugment: one operation of its RandAugment at a random magnitude stands for it. Normalisation, erasing
and mixing are of whole batches, as in its loader.
"""

import time
from typing import Any

import numpy as np
import torch
from timm.data.auto_augment import rand_augment_transform
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import ToNumpy
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import to_pil_image


def images_per_second(images: Tensor, labels: Tensor, batch: int, classes: int, mean: Tensor, std: Tensor) -> float:
    """Of CPU time, for the whole recipe on (N, 3, px, px) uint8 images."""
    policy: Any = rand_augment_transform("rand-n1-m9-mstd101-inc1", {"translate_const": 14})
    one = v2.Compose([v2.RandomCrop(images.shape[-1], padding=4), v2.RandomHorizontalFlip(), policy, ToNumpy()])
    erase: Any = RandomErasing(0.1, max_area=1 / 3, mode="const", device="cpu")
    mixer: Any = Mixup(mixup_alpha=0.2, cutmix_alpha=1.0, label_smoothing=0.0, num_classes=classes)
    shown = [to_pil_image(image) for image in images]  # what a decoder gives it
    mean, std = (255 * x.view(1, 3, 1, 1) for x in (mean, std))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        start = time.process_time()
        for first in range(0, len(shown), batch):
            pixels = torch.from_numpy(np.stack([one(image) for image in shown[first : first + batch]]))
            mixer(erase(pixels.float().sub_(mean).div_(std)), labels[first : first + batch])
        return len(shown) / (time.process_time() - start)
