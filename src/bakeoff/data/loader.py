"""Training batches: from images in memory or from files, in the order and with the randomness of the plan."""

from collections.abc import Generator, Iterator
from itertools import islice

import torch
from torch import Tensor

from bakeoff import rng
from bakeoff.data import augment, stream
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.order import Order
from bakeoff.plan import Plan

# Augmenting several small batches at once spreads the cost of starting each tensor operation (bench/augment.py).
_CHUNK_VALUES = 3 * 32 * 32 * 1024

# Large images are augmented a few at a time on a CPU: what is passed from one operation to the next stays in its cache.
_CACHED_VALUES = 3 * 176 * 176 * 32


def batches(
    dataset: Dataset, plan: Plan, seed: int, start: int, device: torch.device, workers: int
) -> Generator[tuple[Tensor, Tensor]]:
    """Batches of the training split from step `start` to the plan's last.

    Yields (images, labels) on `device`: (B, C, train_px, train_px) float32, normalised and augmented; (B,) int64.
    Images in memory are augmented in chunks of several batches; files are decoded and cropped by `workers` processes,
    and augmented a few at a time.
    """
    split = dataset.splits["train"]
    order = Order(plan.sampler, len(split), seed)
    size, steps = plan.batch_size, plan.steps
    mean, std = (torch.tensor(values, device=device) for values in (dataset.mean, dataset.std))
    labels = split.labels.to(device)

    def finish(images: Tensor, rows: Tensor, *, cropped: bool) -> Tensor:
        return augment.augment(images, plan, rng.Draws(seed, rows), mean, std, cropped=cropped)

    if isinstance(split, Resident):
        pixels = split.images.to(device)
        chunk = max(1, _CHUNK_VALUES // (size * plan.model.channels * plan.train_px**2))
        for first in range(start - start % chunk, steps, chunk):  # the same chunks wherever a run is taken up again
            rows = order.rows(first * size, min(first + chunk, steps) * size).to(device)
            images = finish(pixels[rows[:, 1]], rows, cropped=False)
            pairs = zip(images.split(size), labels[rows[:, 1]].split(size), strict=True)
            yield from islice(pairs, max(0, start - first), None)
    else:

        def schedule() -> Iterator[Tensor]:
            return (order.rows(step * size, (step + 1) * size) for step in range(start, steps))

        crops = stream.train_crops(split, schedule(), plan.op("crop"), plan.train_px, plan.interpolation, seed, workers)
        few = max(1, _CACHED_VALUES // (plan.model.channels * plan.train_px**2)) if device.type == "cpu" else size
        for rows, images in zip(schedule(), crops, strict=True):
            rows, images = rows.to(device), images.to(device, non_blocking=True)
            shown = torch.empty(images.shape, device=device)
            for out, part, row in zip(shown.split(few), images.split(few), rows.split(few), strict=True):
                out.copy_(finish(part, row, cropped=True))
            yield shown, labels[rows[:, 1]]
