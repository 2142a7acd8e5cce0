"""What the engine costs over the same training loop written by hand.

Both train the same network on the same resident uint8 MNIST images, with the same optimizer, memory format, batch size
and number of steps, and no augmentation: gather, normalise, forward, backward, step. Everything that the engine does
besides counts as overhead: counter-based order, weight averaging, watching for divergence, the checkpoint. Time is the
CPU's, on one thread, which other work on the machine changes little.
"""

import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from bakeoff import models, tasks
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.train import train
from bakeoff.plan import SGD, Plan
from bench.compare import Ratio, alternate

STEPS = 100
REPEATS = 11
PROMISE = 1.05


def by_engine(plan: Plan, dataset: Dataset) -> float:
    """CPU seconds of one call of the engine, from nothing to trained and saved weights."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        train(plan, dataset, 0, torch.device("cpu"), checkpoint=Path(folder) / "state.safetensors")
        return time.process_time() - start


def by_hand(plan: Plan, dataset: Dataset) -> float:
    """CPU seconds of the plain loop, from nothing to trained weights."""
    split, rule = dataset.splits["train"], plan.optimizer
    assert isinstance(split, Resident)
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


def measure(data: Path) -> list[Ratio]:
    """The engine's CPU time over the plain loop's."""
    task = tasks.get("mnist", data)
    dataset = task.load(data)
    base = task.base_plan()
    plan = base.model_copy(
        update={
            "image_ops": (),
            "examples_seen": STEPS * base.batch_size,
            "lr": base.lr.model_copy(update={"shape": "cosine"}),
        }
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pairs = alternate(lambda: by_engine(plan, dataset), lambda: by_hand(plan, dataset), REPEATS)
    torch.set_num_threads(threads)
    return [
        Ratio(
            name="loop_overhead",
            over="engine's CPU seconds / plain loop's",
            ratios=[engine / hand for engine, hand in pairs],
            bound="at most",
            promise=PROMISE,
            detail={
                "engine_seconds": [a for a, _ in pairs],
                "hand_seconds": [b for _, b in pairs],
                "steps": STEPS,
                "batch_size": plan.batch_size,
                "model": plan.model.name,
                "threads": 1,
            },
        )
    ]
