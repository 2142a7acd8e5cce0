"""One GPU within minutes: its rates, CIFAR-10 to airbench94's accuracy, ResNet50 at 176 px, batched runs, augmentation.

`python -m bench gpu --data FOLDER [--minutes 8]` prints the table of all benchmarks and rewrites its file after every
row, so that what is stopped keeps what it has. A part that doesn't fit in the minutes left, lacks what it needs or
fails is left out with the reason on stderr. Wall time, with the device's queue emptied before each look at the clock.

What has to be there: bakeoff and what it needs installed (where nothing can be downloaded: as wheels carried along,
bakeoff's own among them, since a run's record asks for its version); torch with CUDA, and a C compiler for
torch.compile; timm for the peer of ResNet50; cifar10-images.tar.gz (19 MB) in FOLDER, unpacked into a temporary one.
"""

import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from bench import augment
from bench.compare import Ratio
from bench.gpu import cifar10, resnet50
from bench.gpu.rates import measure_rates
from bench.throughput import SHAPES, WAYS, batched

MINUTES = 8.0


@dataclass(frozen=True)
class Sizes:
    """How much of everything: by default what a large GPU does in MINUTES."""

    matmul: int = 8192  # rows and columns
    copied: int = 2**31  # bytes
    cifar: cifar10.Sizes = field(default_factory=cifar10.Sizes)
    resnet: resnet50.Sizes = field(default_factory=resnet50.Sizes)
    nets: tuple[str, ...] = ("mlp", "cnn_8px", "cnn_28px")
    together: tuple[int, ...] = (8, 64)  # runs
    images: int = 16384  # that are augmented


class Budget:
    """The seconds that are left."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes

    def left(self) -> float:
        """Seconds."""
        return self._end - time.monotonic()


def measure(
    data: Path, minutes: float = MINUTES, device: torch.device | None = None, sizes: Sizes | None = None
) -> Iterator[Ratio]:
    """Every row as soon as it is measured. device: None for the first GPU; without one there are no rows."""
    if device is None and not torch.cuda.is_available():
        _tell("left out, no GPU that this torch can use")
        return
    device, sizes, budget = device or torch.device("cuda", 0), sizes or Sizes(), Budget(minutes)
    rates = measure_rates(device, sizes.matmul, sizes.copied)
    yield from rates.rows()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        parts: dict[str, tuple[float, Callable[[], Iterator[Ratio]]]] = {  # the least seconds that each takes
            "ResNet50": (60, partial(resnet50.eager, device, rates, sizes.resnet)),
            "CIFAR-10": (90, partial(cifar10.to_target, data, work, device, rates, budget.left, sizes.cifar)),
            "batched runs": (20, partial(_batched, device, budget, sizes)),
            "augmentation": (15, partial(augment.on_device, device, sizes.images)),
            "ResNet50 compiled": (150, partial(resnet50.compiled, device, rates, sizes.resnet)),
        }
        for name, (seconds, rows) in parts.items():
            if budget.left() < seconds:
                _tell(
                    f"{name} left out: it takes {seconds:.0f} s or more, and {max(0.0, budget.left()):.0f} s are left"
                )
                continue
            _tell(f"{name} ..., {budget.left():.0f} s left")
            try:
                yield from rows()
            except Exception:  # whatever one part runs into must not cost the others their minutes on the device
                _tell(f"{name} stopped:\n{traceback.format_exc()}")


def _batched(device: torch.device, budget: Budget, sizes: Sizes) -> Iterator[Ratio]:
    slowest = 0.0
    for runs in sizes.together:
        for name in sizes.nets:
            for way in WAYS:
                start = budget.left()
                if start < 2 * slowest:
                    _tell(f"batched runs: {name} {way} {runs} left out: {max(0.0, start):.0f} s are left")
                    continue
                yield batched(name, SHAPES[name], way, runs, device)
                slowest = max(slowest, start - budget.left())
        slowest *= max(sizes.together) / min(sizes.together)  # what is done one by one takes as many times longer


def _tell(what: str) -> None:
    print(f"bench: gpu: {what}", file=sys.stderr, flush=True)
