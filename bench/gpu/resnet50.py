"""ResNet50 at 176 px on synthetic images: the engine's training loop, beside timm's and beside the device's ceiling.

Both sides take uint8 batches that are on the device, normalise, mix (mixup 0.2 or CutMix 1.0), smooth the labels by 0.1
and train in bf16 with the channels last, an average of the weights at their side that moves at every step. Ours is the
engine's `train`, timed from its ninth step on at the earliest. The peer is timm's train.py as a loop of its own
(bench/peers/timm_loop.py) with cudnn.benchmark on, as there; the engine leaves it off, for the same bits every time.
Utilisation: operations of the network's forward and backward pass x images/s over the measured operations/s of a bf16
matrix product.
"""

import importlib.util
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from bakeoff import models, tasks
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.fingerprint import IMAGENET_STATISTICS
from bakeoff.engine.timing import seconds_per_image
from bakeoff.plan import Average, Plan, Precision, Shuffle
from bakeoff.recipe import compile_plan
from bakeoff.recipes import get
from bench.compare import Ratio, alternate
from bench.gpu.rates import Rates

EVERY_STEP = 1.6e-8  # half-life of an average that moves at each of the 10**9 steps of which a timing is the start
PER_GIB = 4  # images per GiB of the device's memory in a batch, cut to a power of two: 256 for 78 GiB


@dataclass(frozen=True)
class Sizes:
    """What is trained. seconds: of every measurement, after its warm-up."""

    model: str = "resnet50"
    px: int = 176
    batch: int | None = None  # as the memory allows
    dtype: Literal["bf16", "fp32"] = "bf16"
    seconds: float = 3.0
    repeats: int = 3


def synthetic(count: int, px: int) -> Dataset:
    """Noise of ImageNet's shape."""
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (count, 3, px, px), dtype=torch.uint8, generator=random)
    labels = torch.randint(1000, (count,), generator=random)
    classes = tuple(str(label) for label in range(1000))
    return Dataset(classes, {"train": Resident(pixels, labels)}, *IMAGENET_STATISTICS, fingerprint="0" * 16)


def recipe(sizes: Sizes, device: torch.device, *, compiled: bool) -> Plan:
    """What torchvision-2021 does on the device to whole batches: no operations on single images."""
    plan = compile_plan(tasks.get("imagenet", Path()), get("torchvision-2021")).plan
    batch = sizes.batch or 2 ** int(math.log2(PER_GIB * torch.cuda.get_device_properties(device).total_memory / 2**30))
    return plan.model_copy(
        update={
            "model": plan.model.model_copy(update={"name": sizes.model}),
            "batch_size": batch,
            "image_ops": (),
            "sampler": Shuffle(),
            "train_px": sizes.px,
            "precision": Precision(dtype=sizes.dtype, compile=compiled),
            "average": Average(half_life=EVERY_STEP),
        }
    )


def operations(plan: Plan) -> int:
    """Multiplications and additions of the forward and backward pass of one image."""
    net = models.build(plan.model, plan.train_px).to("meta")
    images = torch.empty(2, plan.model.channels, plan.train_px, plan.train_px, device="meta")  # BatchNorm wants two
    with FlopCounterMode(display=False) as counted:
        net(images).sum().backward()
    return int(counted.get_total_flops()) // 2


def eager(device: torch.device, rates: Rates, sizes: Sizes) -> Iterator[Ratio]:
    """Images/s over timm's, and utilisation."""
    yield from _rows("", device, rates, sizes, compiled=False)


def compiled(device: torch.device, rates: Rates, sizes: Sizes) -> Iterator[Ratio]:
    """The same with torch.compile on both sides, measured once more after the warm-up that compiles."""
    yield from _rows(" compiled", device, rates, sizes, compiled=True)


def _rows(name: str, device: torch.device, rates: Rates, sizes: Sizes, *, compiled: bool) -> Iterator[Ratio]:
    plan = recipe(sizes, device, compiled=compiled)
    dataset = synthetic(4 * plan.batch_size, sizes.px)
    split = dataset.splits["train"]
    assert isinstance(split, Resident)
    each, repeats = operations(plan), 1 if compiled else sizes.repeats

    def ours() -> float:
        return 1 / seconds_per_image(plan, dataset, device, seconds=sizes.seconds)

    detail = {"model": sizes.model, "px": sizes.px, "batch_size": plan.batch_size, "operations_per_image": each}
    if importlib.util.find_spec("timm") is None:
        print("bench: gpu: ResNet50 beside timm left out, no timm here", file=sys.stderr)
        speeds = [ours() for _ in range(1 + repeats)][1:]
    else:
        from bench.peers.timm_loop import TimmLoop

        peer = TimmLoop(split.images, split.labels, plan, device)

        def timms() -> float:
            with cudnn_benchmark():
                return peer.images_per_second(sizes.seconds)

        pairs = alternate(ours, timms, repeats)
        speeds = [a for a, _ in pairs]
        yield Ratio(
            name=f"resnet50_{sizes.px}{name}",
            over="images/s, ours / timm's loop",
            ratios=[a / b for a, b in pairs],
            bound="at least",
            detail={**detail, "ours": speeds, "timm": [b for _, b in pairs]},
        )
        del peer
    yield Ratio(
        name=f"resnet50_{sizes.px}{name} utilisation",
        over="operations/s, ours / bf16 matrix product's",
        ratios=[speed * each / rates.matmul for speed in speeds],
        bound="at least",
        detail={**detail, "images_per_second": speeds, "matmul_per_second": rates.matmul},
    )


@contextmanager
def cudnn_benchmark() -> Iterator[None]:
    """cuDNN tries its algorithms and keeps the fastest for each shape."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
