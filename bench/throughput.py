"""Many runs at once: the runs per hour of a study, and R runs as one batched model.

study_*: what `bakeoff ablate` does (a process per core, one thread each, workers that stay) against one run after the
other with torch's default, all cores to one run. Half of the runs are of the baseline, half of the whole recipe. Both
sides' processes have started before the clock does.

batched_*: R networks of one shape trained in one process as one network, against R separate ones, in images per second:
of CPU time on one thread, or of wall time on a GPU. `grouped` is written with grouped convolutions, one BatchNorm of
all channels and batched matrix products; `vmap` is torch.func. Both must end near the separate runs' weights. This is a
measurement: the engine trains every run by itself.
"""

import copy
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from bakeoff import api, models
from bakeoff.engine.optim import bare_step
from bakeoff.launch.base import make
from bakeoff.launch.engines import launcher
from bakeoff.launch.queue import Batch, Queue, Trial, Try
from bakeoff.plan import Model
from bakeoff.runs.record import run_id
from bakeoff.runs.store import open_store
from bakeoff.runs.workspace import Workspace
from bench.clock import own
from bench.compare import Ratio, alternate

STUDIES = (("digits", "cnn", 0.25), ("mnist-5k", "mlp", 0.5), ("mnist-5k", "cnn", 0.1))  # task, model, length
SEEDS = 4
STUDY_REPEATS = 3
STUDY_PROMISE = 1.6
REPEATS = 3
SAME = 0.05  # relative error: torch.func's BatchNorm is coarser than the fused one, by up to 0.016 after three steps
LR, MOMENTUM, DECAY = 0.01, 0.9, 5e-4


@dataclass(frozen=True)
class Shape:
    """Networks to train together: R of them, `batch` images each."""

    model: Model
    batch: int
    steps: int


SHAPES = {
    "softmax": Shape(Model(name="softmax", classes=10, channels=1, px=28), 16, 400),
    "mlp": Shape(Model(name="mlp", classes=10, channels=1, px=28), 16, 400),
    "cnn_8px": Shape(Model(name="cnn", classes=10, channels=1, px=8), 32, 24),
    "cnn_28px": Shape(Model(name="cnn", classes=10, channels=1, px=28), 128, 8),
    "resnet20": Shape(Model(name="resnet20", classes=10, channels=3, px=32), 16, 2),
}
Way = Literal["grouped", "vmap"]
WAYS: tuple[Way, ...] = ("grouped", "vmap")


def measure(data: Path) -> list[Ratio]:
    """Ratios of both kinds; on a machine with a GPU the batched ones are of the GPU."""
    rows = [_study(task, model, length, data) for task, model, length in STUDIES]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    together = (2, 16) if device.type == "cpu" else (8, 64)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for (name, shape), way in itertools.product(SHAPES.items(), WAYS):
        if way == "grouped" and name == "resnet20":
            continue  # its shortcuts pad channels, which groups would have to interleave
        rows += [batched(name, shape, way, r, device) for r in together]
    torch.set_num_threads(threads)
    return rows


def _study(task: str, model: str, length: float, data: Path) -> Ratio:
    without = ("fixres",) if model == "mlp" else ()  # its layers are of one size
    job = api.plan_job(task, "torchvision-2021", without=without, model=model, length=length, data=data)
    plans = (job.compiled.base, job.plan)
    fingerprint = job.task.load(Workspace.open(data=data).folder).fingerprint
    cores = os.cpu_count() or 1

    def runs_per_hour(jobs: int, threads: int) -> float:
        with (
            tempfile.TemporaryDirectory() as store,
            launcher(
                job.task, Workspace.open(store=store, data=data), device="cpu", jobs=jobs, threads=threads
            ) as pool,
        ):

            def run(seeds: Sequence[int]) -> None:
                trials = [
                    Trial.of([plan], [], [Try(seed=seed, run=run_id(plan, seed, fingerprint))])
                    for plan, seed in itertools.product(plans, seeds)
                ]
                batch = Batch(
                    task=job.task.name,
                    data_fingerprint=fingerprint,
                    threads=threads,
                    extensions=(),
                    trials=tuple(trials),
                )
                for ended, _ in make(pool, Queue(open_store(store), "bench"), batch):
                    assert ended.status == "done", ended.reason

            run(range(100, 100 + jobs))  # every process has started
            start = time.perf_counter()
            run(range(SEEDS))
            return 3600 * SEEDS * len(plans) / (time.perf_counter() - start)

    pairs = alternate(lambda: runs_per_hour(cores, 1), lambda: runs_per_hour(1, cores), STUDY_REPEATS)
    return Ratio(
        name=f"study_{task}_{model}",
        over=f"runs per hour, {cores} processes of 1 thread / 1 process of {cores}",
        ratios=[a / b for a, b in pairs],
        bound="at least",
        promise=STUDY_PROMISE if cores == 2 else None,
        detail={
            "runs_per_hour": [a for a, _ in pairs],
            "one_after_the_other": [b for _, b in pairs],
            "length": length,
            "load": os.getloadavg()[0],
        },
    )


def batched(name: str, shape: Shape, way: Way, r: int, device: torch.device) -> Ratio:
    """R networks as one against one by one, and how far the weights of the two come apart."""
    together, apart = Together(shape, way, r, device), Apart(shape, r, device)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # its rounding is no fault of either
        error = difference(together, apart, steps=3)
    pairs = alternate(
        lambda: _speed(together.step, shape, r, device), lambda: _speed(apart.step, shape, r, device), REPEATS
    )
    return Ratio(
        name=f"batched_{name}_{way}_{r}",
        over=f"images/s, {r} runs as one / one by one, on {device.type}",
        ratios=[a / b for a, b in pairs],
        bound="at least",
        reached=error < SAME,
        detail={
            "error": error,
            "together": [a for a, _ in pairs],
            "apart": [b for _, b in pairs],
            "batch_size": shape.batch,
        },
    )


def difference(together: "Together", apart: "Apart", steps: int) -> float:
    """How far the batched runs' weights are from the separate ones' after a few steps, relative to what the steps did.

    The largest over parameters, in norms over all runs.
    """
    before = apart.weights()
    for _ in range(steps):
        together.step()
        apart.step()
    three = zip(together.weights(), apart.weights(), before, strict=True)
    return max(float((a - b).norm() / (b - start).norm()) for a, b, start in three)


def _speed(step: Callable[[], None], shape: Shape, r: int, device: torch.device) -> float:
    steps = max(2, shape.steps // r) if device.type == "cpu" else 50
    start = own(device)
    for _ in range(steps):
        step()
    return steps * r * shape.batch / (own(device) - start)


def _nets(shape: Shape, r: int, device: torch.device) -> list[nn.Module]:
    nets = []
    for seed in range(r):
        torch.manual_seed(seed)
        nets.append(models.build(shape.model).to(device))
    return nets


def _data(shape: Shape, r: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(R, B, C, px, px) and (R, B): each run has images of its own."""
    torch.manual_seed(1_000)
    m = shape.model
    images = torch.randn(r, shape.batch, m.channels, m.px, m.px, device=device)
    return images, torch.randint(m.classes, (r, shape.batch), device=device)


def _optimizer(parameters: Sequence[nn.Parameter]) -> Callable[[], None]:
    return bare_step(torch.optim.SGD(parameters, LR, MOMENTUM, weight_decay=DECAY, fused=True))


class Apart:
    """R networks, each trained by itself."""

    def __init__(self, shape: Shape, r: int, device: torch.device) -> None:
        layout = torch.channels_last
        self._nets = [net.to(memory_format=layout) for net in _nets(shape, r, device)]
        images, self._labels = _data(shape, r, device)
        self._images = [x.contiguous(memory_format=layout) for x in images]
        self._updates = [_optimizer(list(net.parameters())) for net in self._nets]

    def step(self) -> None:
        """One step of every run."""
        for net, images, labels, update in zip(self._nets, self._images, self._labels, self._updates, strict=True):
            F.cross_entropy(net(images), labels).backward()
            update()

    def weights(self) -> list[Tensor]:
        """(R, n) per parameter."""
        each = [[p.detach() for p in net.parameters()] for net in self._nets]
        return [torch.stack([p.flatten() for p in same]) for same in zip(*each, strict=True)]


class Together:
    """The same R networks as one."""

    def __init__(self, shape: Shape, way: Way, r: int, device: torch.device) -> None:
        nets = _nets(shape, r, device)
        self._r = r
        self._net: Grouped | Mapped = Grouped(nets) if way == "grouped" else Mapped(nets)
        images, labels = _data(shape, r, device)
        self._images, self._labels = self._net.arrange(images), labels.flatten()
        self._update = _optimizer(self._net.parameters)

    def step(self) -> None:
        """One step of every run: losses are summed, so that no run's gradient has a part of another's."""
        logits = self._net(self._images)
        (F.cross_entropy(logits.flatten(0, 1), self._labels) * self._r).backward()
        self._update()

    def weights(self) -> list[Tensor]:
        """(R, n) per parameter."""
        return [p.detach().reshape(self._r, -1) for p in self._net.parameters]


class Mapped:
    """torch.func's way: one network as a function, mapped over stacked weights."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        stacked, self._buffers = stack_module_state(list(nets))
        self._names = list(stacked)
        self.parameters = [nn.Parameter(p.detach()) for p in stacked.values()]
        self._net = copy.deepcopy(nets[0]).to("meta")

    def arrange(self, images: Tensor) -> Tensor:
        """Images as the network takes them."""
        return images

    def __call__(self, images: Tensor) -> Tensor:
        """(R, B, C, H, W) -> (R, B, classes)."""

        def one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
            logits: Tensor = functional_call(self._net, (parameters, buffers), (x,))
            return logits

        named: dict[str, Tensor] = dict(zip(self._names, self.parameters, strict=True))
        logits: Tensor = vmap(one)(named, self._buffers, images)
        return logits


class Grouped:
    """By hand, for a chain of layers: run r has channels r C to (r + 1) C of an image with R C channels."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self._r = len(nets)
        self.parameters: list[nn.Parameter] = []
        self._layers: list[Callable[[Tensor], Tensor]] = []
        self._convolves = False
        for layers in zip(*(net.children() for net in nets), strict=True):
            self._layers.append(self._layer(list(layers)))

    def arrange(self, images: Tensor) -> Tensor:
        """(R, B, C, H, W) as the first layer takes it: (B, R C, H, W), or as it is where nothing convolves."""
        if not self._convolves:
            return images
        return images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor) -> Tensor:
        """-> (R, B, classes)."""
        for layer in self._layers:
            x = layer(x)
        return x

    def _parameter(self, value: Tensor) -> nn.Parameter:
        parameter = nn.Parameter(value.detach().clone(memory_format=torch.preserve_format))
        self.parameters.append(parameter)
        return parameter

    def _layer(self, layers: list[nn.Module]) -> Callable[[Tensor], Tensor]:
        first, r = layers[0], self._r
        if isinstance(first, nn.Conv2d):
            self._convolves = True
            kernels = torch.cat([c.weight for c in layers if isinstance(c, nn.Conv2d)])
            weight = self._parameter(kernels.contiguous(memory_format=torch.channels_last))
            return lambda x: F.conv2d(x, weight, None, first.stride, first.padding, groups=r)
        if isinstance(first, nn.BatchNorm2d):
            norms = [n for n in layers if isinstance(n, nn.BatchNorm2d)]
            scale = self._parameter(torch.cat([n.weight for n in norms]))
            shift = self._parameter(torch.cat([n.bias for n in norms]))
            mean, var = torch.zeros_like(scale.data), torch.ones_like(scale.data)
            return lambda x: F.batch_norm(x, mean, var, scale, shift, training=True)
        if isinstance(first, nn.Linear):
            linears = [n for n in layers if isinstance(n, nn.Linear)]
            matrix = self._parameter(torch.stack([n.weight for n in linears]))
            bias = self._parameter(torch.stack([n.bias for n in linears]))
            return lambda x: torch.baddbmm(bias[:, None], x, matrix.transpose(1, 2))
        if isinstance(first, nn.Flatten):
            if self._convolves:
                return lambda x: x.reshape(len(x), r, -1).transpose(0, 1)
            return lambda x: x.flatten(2)
        return first
