"""How fast this machine trains: one speed, measured once and kept; and single plans, from a few of their steps."""

import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
import torch.nn.functional as F

from bakeoff import models
from bakeoff.data.dataset import Dataset
from bakeoff.engine.device import autocast
from bakeoff.engine.train import train
from bakeoff.events import TrainingProgress
from bakeoff.files import write_json
from bakeoff.models.cost import Speed, multiplications
from bakeoff.plan import Model, Plan, Precision, Schedule
from bakeoff.reader import cache_folder

_REFERENCE = {  # what is timed on a device: a network that keeps it busy, and the batch
    "cpu": (Model(name="cnn", classes=10, channels=3, px=32), 64),
    "cuda": (Model(name="resnet18", classes=10, channels=3, px=128), 128),
}
_PER_STEP = {"cpu": 1e-3}  # seconds, without the network's own work; on a GPU what it takes to start its kernels
_PER_STEP_GPU = 8e-3
_PER_IMAGE = {"cpu": 1e-4}  # seconds of cropping and augmenting
_PER_IMAGE_GPU = 1e-5
_CORES = 0.6  # so many cores train as fast as cores ** 0.6 of them (docs/log.md)
_MEASURING = 1.0  # seconds
_STEP = 0.05  # seconds that a step may take while a plan is timed, about: longer ones are timed on fewer images


def speed(device: torch.device) -> Speed:
    """The machine's speed: measured when it is first asked for, and kept in the user's cache folder.

    It is rounded to steps of the square root of 2, so that machines of one kind agree, and that of a CPU is measured on
    one thread, in its own time, so that it depends neither on the number of threads nor much on what else is running.
    """
    kept, name = cache_folder() / "speed.json", machine(device)
    known = _read(kept)
    if name not in known:
        known = {**known, name: 2 ** (round(2 * math.log2(_measured(device))) / 2)}
        _write(kept, known)
    return speed_of(device.type, known[name])


def speed_of(kind: str, rate: float) -> Speed:
    """The speed of a device of a kind of torch's. rate: multiplications in a second, of a CPU on one thread."""
    cores = (os.cpu_count() or 1) ** _CORES if kind == "cpu" else 1.0
    return Speed(rate * cores, _PER_STEP.get(kind, _PER_STEP_GPU), _PER_IMAGE.get(kind, _PER_IMAGE_GPU) / cores)


def _read(path: Path) -> dict[str, float]:
    try:
        return {str(name): float(rate) for name, rate in json.loads(path.read_text("utf-8")).items() if rate > 0}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(path: Path, known: dict[str, float]) -> None:
    with suppress(OSError):  # a read-only cache: it is measured again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known)


def machine(device: torch.device) -> str:
    """What a device is called, by which its timings are kept."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return f"{device.type}, {line.partition(':')[2].strip()}"
    return f"{device.type}, {platform.processor() or platform.machine()}"


def _measured(device: torch.device) -> float:
    """Multiplications in a second, of the fastest step."""
    spec, batch = _REFERENCE.get(device.type, _REFERENCE["cuda"])
    precision = Precision(dtype="fp32" if device.type == "cpu" else "auto")
    with torch.random.fork_rng(), one_thread():
        net = models.build(spec).to(device).to(memory_format=torch.channels_last)
        images = torch.zeros(batch, spec.channels, spec.px, spec.px, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        labels = torch.zeros(batch, dtype=torch.long, device=device)
        clock = time.process_time if device.type == "cpu" else time.perf_counter
        began, best = time.perf_counter(), math.inf
        while time.perf_counter() - began < _MEASURING or best == math.inf:
            at = clock()
            with autocast(precision, device):
                loss = F.cross_entropy(net(images).float(), labels)
            loss.backward()
            loss.item()
            best = min(best, clock() - at)
    return batch * multiplications(spec, spec.px) / best


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block, torch has one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def timed(plan: Plan, dataset: Dataset, device: torch.device, threads: int, workers: int = 0) -> float:
    """Training time per image of a plan in one process, in seconds: from a moment of it, or as it was timed before.

    It is kept in the user's cache folder, whatever the length of the training: what depends on it, such as how many
    runs fit into a time, is the same for the same request. What one thread does alone is timed by its own time, so that
    it doesn't depend on what else is running.
    """
    kept = cache_folder() / "timings.json"
    name = f"{machine(device)}, {threads}, {one_step(plan).digest}"
    known = _read(kept)
    if name not in known:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            clock = time.process_time if (device.type, threads, workers) == ("cpu", 1, 0) else time.perf_counter
            took = seconds_per_image(plan, dataset, device, seconds=0.2, workers=workers, clock=clock)
        finally:
            torch.set_num_threads(before)
        known = {**_read(kept), name: took}
        _write(kept, known)
    return known[name]


def one_step(plan: Plan) -> Plan:
    """A plan whatever its length: of one step."""
    return plan.model_copy(update={"examples_seen": plan.batch_size})


class _Enough(Exception):
    pass


def seconds_per_image(
    plan: Plan,
    dataset: Dataset,
    device: torch.device,
    *,
    seconds: float = 0.5,
    workers: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Training time per image of a plan, from at least `seconds` of its steps after the first few.

    workers: as for `train`. clock: what tells the time. Nothing is kept. Of a network of which a step takes long,
    smaller batches are timed: their images take about as long.
    """
    still = Schedule(per_256=1e-12)  # the time doesn't depend on it, and nothing can diverge
    fitting = _STEP * speed(device).rate / multiplications(plan.model, plan.train_px)
    batch = min(plan.batch_size, 1 << round(math.log2(max(4.0, fitting))))
    endless = plan.model_copy(update={"examples_seen": batch * 10**9, "batch_size": batch, "lr": still})
    marks: list[tuple[float, int]] = []

    def look(progress: TrainingProgress) -> None:
        marks.append((clock(), progress.step))
        if len(marks) > 1 and marks[-1][0] - marks[0][0] >= seconds:
            raise _Enough

    with suppress(_Enough):
        train(endless, dataset, 0, device, workers=workers, report=look)
    (start, first), (end, last) = marks[0], marks[-1]
    return (end - start) / ((last - first) * batch)
