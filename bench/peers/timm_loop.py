"""timm's training loop on synthetic images, as the peer of ResNet50 on a GPU.

The step is train_one_epoch of timm's train.py, with what its command line makes of --amp --amp-dtype bfloat16
--channels-last --mixup 0.2 --cutmix 1.0 --smoothing 0.1 --opt momentum --model-ema, and maybe --torchcompile: batches
of uint8 normalised on the device, Mixup with smoothing inside, SoftTargetCrossEntropy, ModelEmaV3 after every step.
"""

from collections.abc import Callable
from typing import Any

import timm
import torch
from timm.data import mixup
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.loss import cross_entropy
from timm.optim import _optim_factory
from timm.utils import model_ema
from torch import Tensor

from bakeoff.engine.device import autocast
from bakeoff.plan import Plan
from bench.clock import wall

WARM, BETWEEN = 8, 16  # steps before the clock starts, and between two looks at it


class TimmLoop:
    """A network in training.

    images: (N, 3, px, px) uint8, of which batches are cut in turn. labels: (N,) int64 below 1000. plan: network, batch
    size and number format to train with.
    """

    def __init__(self, images: Tensor, labels: Tensor, plan: Plan, device: torch.device) -> None:
        self._batch, self._device, self._precision, self._step = plan.batch_size, device, plan.precision, 0
        batches = images.to(device).split(self._batch), labels.to(device).split(self._batch)
        self._batches = list(zip(*batches, strict=True))
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor([255 * x for x in IMAGENET_DEFAULT_MEAN], device=device).view(shape)
        self._std = torch.tensor([255 * x for x in IMAGENET_DEFAULT_STD], device=device).view(shape)
        self._net = (
            timm.create_model(plan.model.name.removeprefix("timm:"), num_classes=1000)
            .to(device)
            .to(memory_format=torch.channels_last)
        )
        self._optimizer = _optim_factory.create_optimizer_v2(
            self._net, opt="momentum", lr=0.1, weight_decay=2e-5, momentum=0.9
        )
        self._average = model_ema.ModelEmaV3(self._net, decay=0.9998)
        mixes: Callable[..., Any] = mixup.Mixup  # it has no types
        self._mix = mixes(mixup_alpha=0.2, cutmix_alpha=1.0, label_smoothing=0.1, num_classes=1000)
        losses: Callable[[], Any] = cross_entropy.SoftTargetCrossEntropy
        self._loss = losses()
        self._forward = torch.compile(self._net) if plan.precision.compile else self._net

    def step(self) -> None:
        """One step of training."""
        pixels, labels = self._batches[self._step % len(self._batches)]
        images, targets = self._mix(pixels.to(torch.float32).sub_(self._mean).div_(self._std), labels)
        images = images.contiguous(memory_format=torch.channels_last)
        with autocast(self._precision, self._device):
            loss = self._loss(self._forward(images), targets)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._step += 1
        self._average.update(self._net, step=self._step)

    def images_per_second(self, seconds: float) -> float:
        """Over at least that many seconds."""
        for _ in range(WARM):
            self.step()
        steps, start = 0, wall(self._device)
        while (end := wall(self._device)) - start < seconds:
            for _ in range(BETWEEN):
                self.step()
            steps += BETWEEN
        return steps * self._batch / (end - start)
