"""torchvision's reference loop: pytorch/vision, references/classification/train.py and utils.py, on a CPU.

Per step it reads the loss, ranks the classes for Acc@1 and Acc@5 and keeps smoothed values of all of them. The average
is its ExponentialMovingAverage, which moves every 32 steps there and every `_EVERY` here, where there are hundreds of
steps in all; the schedule moves per step, not per epoch.
"""

import time
from collections import defaultdict, deque

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from bench.peers.loop import accuracy, loaders
from bench.works import Job, Laps

_EVERY = 4  # steps between two updates of the average


class _Smoothed:
    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=20)
        self.total, self.count = 0.0, 0

    def update(self, value: float, n: int = 1) -> None:
        self.recent.append(value)
        self.total += value * n
        self.count += n


def run(job: Job, laps: Laps) -> float:
    """Train, then percent right on the test set."""
    train_loader, test_loader = loaders(job)
    model = job.network()
    criterion = nn.CrossEntropyLoss(label_smoothing=job.work.smoothing)
    optimizer = job.sgd(model)
    steps = job.work.epochs * len(train_loader)
    scheduler = job.schedule(optimizer, steps)
    average = _average(model, job.decay(steps, _EVERY)) if job.work.half_life else None
    for _ in range(job.work.epochs):
        laps.start()
        model.train()
        meters: dict[str, _Smoothed] = defaultdict(_Smoothed)
        for step, (images, target) in enumerate(train_loader):
            start = time.perf_counter()
            output = model(images)
            loss = criterion(output, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if average and step % _EVERY == 0:
                average.update_parameters(model)
            scheduler.step()
            acc1, acc5 = _right(output, target, (1, 5))
            meters["loss"].update(loss.item())
            meters["lr"].update(optimizer.param_groups[0]["lr"])
            meters["acc1"].update(acc1.item(), len(images))
            meters["acc5"].update(acc5.item(), len(images))
            meters["img/s"].update(len(images) / (time.perf_counter() - start))
        laps.stop()
    return accuracy(average or model, test_loader)


def _average(model: nn.Module, decay: float) -> AveragedModel:
    def ema(kept: Tensor, live: Tensor, count: Tensor | int) -> Tensor:
        return decay * kept + (1 - decay) * live

    return AveragedModel(model, avg_fn=ema, use_buffers=True)


def _right(output: Tensor, target: Tensor, topk: tuple[int, ...]) -> list[Tensor]:
    """Acc@k in percent; mixed targets count as their largest class."""
    with torch.inference_mode():
        if target.ndim == 2:
            target = target.max(dim=1)[1]
        correct = output.topk(max(topk), 1)[1].t().eq(target[None])
        return [correct[:k].flatten().sum(dtype=torch.float32) * (100 / len(target)) for k in topk]
