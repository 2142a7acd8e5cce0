"""What the engine costs beside the training loops that people write by hand.

All train the same network on the same resident uint8 MNIST images, with the same optimizer, batch size and number of
steps, and no augmentation. Everything that the engine does besides counts against it: counter-based order, weight
averaging, watching for divergence, the checkpoint. Time is the CPU's, on one thread, which other work on the machine
changes little.

- by hand: gather, normalise, forward, backward, step; nothing else, in the engine's own memory format;
- notebook: the loop of the first lesson of many courses: slices of float images that were normalised once, in the order
  in which they lie, and plain SGD without momentum, decay or schedule, so less work than the engine does;
- DataLoader: the same with torch's DataLoader over a TensorDataset, shuffled, and torch's SGD.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from bakeoff import models, tasks
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.engine.train import train
from bakeoff.plan import SGD, Plan
from bakeoff.storage import local_file
from bench.compare import Ratio, alternate

REPEATS = 11
Loop = Callable[[Plan, Dataset], float]


def by_engine(plan: Plan, dataset: Dataset) -> float:
    """CPU seconds of one call of the engine, from nothing to trained and saved weights."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(local_file(Path(folder) / "state.safetensors"))
        start = time.process_time()
        train(plan, dataset, 0, torch.device("cpu"), checkpoint=checkpoint)
        return time.process_time() - start


def by_hand(plan: Plan, dataset: Dataset) -> float:
    """CPU seconds of the plain loop, from nothing to trained weights."""
    split, rule = _resident(dataset), plan.optimizer
    assert isinstance(rule, SGD)
    start = time.process_time()
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (dataset.mean, dataset.std))
    torch.manual_seed(0)
    model = models.build(plan.model).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        model.parameters(), plan.peak_lr, rule.momentum, weight_decay=plan.decay.weight_decay, fused=True
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.steps)
    order = torch.randperm(len(split))
    for step in range(plan.steps):
        index = order[step * plan.batch_size : (step + 1) * plan.batch_size]
        images = split.images[index].float().div_(255).sub_(mean).div_(std)
        images = images.contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(model(images), split.labels[index])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
    return time.process_time() - start


def by_notebook(plan: Plan, dataset: Dataset) -> float:
    """CPU seconds of slices, forward, backward and an update by hand."""
    images, labels = _floats(dataset)
    start = time.process_time()
    torch.manual_seed(0)
    model = models.build(plan.model)
    for step in range(plan.steps):
        batch = slice(step * plan.batch_size, (step + 1) * plan.batch_size)
        loss = F.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter.sub_(parameter.grad * plan.peak_lr)
            model.zero_grad()
    return time.process_time() - start


def by_dataloader(plan: Plan, dataset: Dataset) -> float:
    """CPU seconds of the loop over a shuffled DataLoader with torch's SGD."""
    rule = plan.optimizer
    assert isinstance(rule, SGD)
    images, labels = _floats(dataset)
    start = time.process_time()
    torch.manual_seed(0)
    model = models.build(plan.model)
    optimizer = torch.optim.SGD(model.parameters(), plan.peak_lr, rule.momentum)
    loader = DataLoader(TensorDataset(images, labels), batch_size=plan.batch_size, shuffle=True)
    for _, (x, y) in zip(range(plan.steps), loader, strict=False):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - start


def measure(data: Path) -> list[Ratio]:
    """The engine's CPU time over that of each loop."""
    small_cnn = _plan(data, "cnn", batch_size=128, steps=100)
    softmax = _plan(data, "softmax", batch_size=16, steps=3_000)
    dataset = tasks.get("mnist", data).load(data)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = [
        _ratio("loop_overhead", small_cnn, dataset, by_hand, "plain loop", 1.02),
        _ratio("loop_softmax_16", softmax, dataset, by_hand, "plain loop", None),
        _ratio("loop_softmax_16_notebook", softmax, dataset, by_notebook, "notebook's loop", 1.0),
        _ratio("loop_softmax_16_dataloader", softmax, dataset, by_dataloader, "DataLoader loop", 1.0),
    ]
    torch.set_num_threads(threads)
    return rows


def _ratio(name: str, plan: Plan, dataset: Dataset, rival: Loop, called: str, promise: float | None) -> Ratio:
    pairs = alternate(lambda: by_engine(plan, dataset), lambda: rival(plan, dataset), REPEATS)
    return Ratio(
        name=name,
        over=f"engine's CPU seconds / {called}'s",
        ratios=[engine / other for engine, other in pairs],
        bound="at most",
        promise=promise,
        detail={
            "engine_seconds": [a for a, _ in pairs],
            "rival_seconds": [b for _, b in pairs],
            "steps": plan.steps,
            "batch_size": plan.batch_size,
            "model": plan.model.name,
            "threads": 1,
        },
    )


def _plan(data: Path, model: str, batch_size: int, steps: int) -> Plan:
    base = tasks.get("mnist", data).base_plan(model)
    return base.model_copy(
        update={
            "image_ops": (),
            "batch_size": batch_size,
            "examples_seen": steps * batch_size,
            "lr": base.lr.model_copy(update={"shape": "cosine"}),
        }
    )


def _resident(dataset: Dataset) -> Resident:
    split = dataset.splits["train"]
    assert isinstance(split, Resident)
    return split


def _floats(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Images as a notebook has them: float32, normalised once; and labels."""
    split = _resident(dataset)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (dataset.mean, dataset.std))
    return split.images.float().div_(255).sub_(mean).div_(std), split.labels
