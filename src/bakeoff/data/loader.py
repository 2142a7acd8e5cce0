"""Training batches: from images in memory or from files, in the order and with the randomness of the plan."""

import weakref
from collections.abc import Generator, Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff import rng
from bakeoff.data import augment, reduced, stream
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.order import Order
from bakeoff.plan import Plan

# Augmenting several small batches at once spreads the cost of starting each tensor operation (bench/augment.py), which
# on a GPU is all the cost that there is.
_CHUNK_VALUES = 3 * 32 * 32 * 512
_GPU_CHUNK_VALUES = 2**26
_CHUNK_IMAGES = 2**15  # beyond, nothing is left to spread, however small they are

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
    split = reduced.split(dataset, "train", plan.read_px)
    order = Order(plan.sampler, len(split), seed)
    size, steps, on_cpu = plan.batch_size, plan.steps, device.type == "cpu"
    mean, std = (torch.tensor(values, device=device) for values in (dataset.mean, dataset.std))
    labels = split.labels.to(device)

    def finish(images: Tensor, rows: Tensor, *, cropped: bool) -> Tensor:
        return augment.augment(images, plan, rng.Draws(seed, rows), mean, std, cropped=cropped)

    if isinstance(split, Resident):
        pixels = split.images.to(device)
        values = _CHUNK_VALUES if on_cpu else _GPU_CHUNK_VALUES
        chunk = max(1, min(values // (plan.model.channels * plan.train_px**2), _CHUNK_IMAGES) // size)
        for first in range(start - start % chunk, steps, chunk):  # the same chunks wherever a run is taken up again
            rows = order.rows(first * size, min(first + chunk, steps) * size)
            index = rng.sent(rows[:, 1], device)
            images = finish(pixels.index_select(0, index), rows, cropped=False)
            pairs = zip(images.split(size), labels.index_select(0, index).split(size), strict=True)
            yield from islice(pairs, max(0, start - first), None)
    else:

        def schedule() -> Iterator[Tensor]:
            return (order.rows(step * size, (step + 1) * size) for step in range(start, steps))

        crops = stream.train_crops(split, schedule(), plan.op("crop"), plan.train_px, plan.interpolation, seed, workers)
        memory = _Memory((size, plan.model.channels, plan.train_px, plan.train_px))
        few = max(1, _CACHED_VALUES // (plan.model.channels * plan.train_px**2))
        for rows, images in zip(schedule(), stream.uploaded(crops, device), strict=True):
            if on_cpu:
                shown = memory.take()
                for out, part, row in zip(shown.split(few), images.split(few), rows.split(few), strict=True):
                    out.copy_(finish(part, row, cropped=True))
            else:
                shown = finish(images, rows, cropped=True)
            yield shown, labels.index_select(0, rng.sent(rows[:, 1], device))
            del shown  # so that its memory can be the next batch's


class _Memory:
    """Memory for float32 batches, used again once nothing refers to the batch that was there.

    For large batches a CPU's new pages cost more than filling them: 0.2 of 1.2 ms per image of 176 px.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._free: list[NDArray[np.float32]] = []

    def take(self) -> Tensor:
        memory = self._free.pop() if self._free else np.empty(self._shape, np.float32)
        view = memory[:]  # lives as long as any tensor on it, autograd's included
        weakref.finalize(view, self._free.append, memory).atexit = False
        return torch.from_numpy(view)
