"""From JPEG files to batches: the whole recipe at 176 px, ours against torchvision's reference pipeline.

Both read the same photographs and do the same to them: decode, random resized crop, flip, TrivialAugment, normalise,
random erasing, mixup or CutMix per batch of 128. The recipe shows four copies of an image in a row; ours decodes it
once for them, the peer once for each. Measured as well: without repeated augmentation, and from the copies that
`bakeoff data prepare` makes. Time is the CPU's, of this process or of it and one worker, which other work on the
machine changes little; only two cores against one is wall time, and wants a machine without other work.

    python -m bench files                   with the other benchmarks' table
    python -m bench.files FOLDER CORES      images per wall second on that many cores
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from bakeoff import tasks
from bakeoff.data import loader, mix
from bakeoff.data.dataset import Dataset, Files
from bakeoff.data.fingerprint import IMAGENET_STATISTICS, assemble
from bakeoff.data.folders import read_folders
from bakeoff.data.prepare import FORMATS, prepare
from bakeoff.plan import Plan, Shuffle
from bakeoff.recipe import compile_plan
from bakeoff.recipes import get
from bench.compare import ROOT, Ratio, alternate
from bench.peers import torchvision_reference as peer

BATCH, BATCHES, REPEATS = 128, 2, 5
STREAMED = 33  # batches with workers; the first isn't counted, since they start with it
PROMISE, PROMISE_PREPARED, PROMISE_CORES = 2.0, 4.0, 1.8


def recipe(repeated: bool) -> Plan:
    """torchvision-2021 on ImageNet, at this benchmark's batch size."""
    plan = compile_plan(tasks.get("imagenet", Path()), get("torchvision-2021")).plan
    sampler = plan.sampler if repeated else Shuffle()
    return plan.model_copy(update={"batch_size": BATCH, "examples_seen": STREAMED * BATCH, "sampler": sampler})


def photographs(root: Path) -> Dataset:
    """All images of a folder of class folders, as the training split."""
    found = read_folders(root)
    names = found.parts["all"].names
    files = Files(tuple(root / name for name in names), torch.from_numpy(found.parts["all"].labels), 3, tuple(names))
    return assemble(found.classes, {"train": files}, IMAGENET_STATISTICS)


def batches(dataset: Dataset, plan: Plan, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """What the training loop feeds the network: images and soft targets."""
    device = torch.device("cpu")
    for step, (images, labels) in enumerate(loader.batches(dataset, plan, 0, 0, device, workers)):
        targets = torch.nn.functional.one_hot(labels, plan.model.classes).float()
        yield mix.mix(images, targets, plan.mixers, 0, step)


def ours(root: Path, *, repeated: bool) -> float:
    """Images per CPU second, in this process."""
    dataset, plan = photographs(root), recipe(repeated)
    start = time.process_time()
    for _ in islice(batches(dataset, plan, 0), BATCHES):
        pass
    return BATCHES * BATCH / (time.process_time() - start)


def torchvisions(root: Path) -> float:
    """Images per CPU second, in this process."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        start = time.process_time()
        for _ in peer.batches(root, 176, BATCH, BATCHES, 0):
            pass
        return BATCHES * BATCH / (time.process_time() - start)


def with_worker(shown: Iterator[tuple[Tensor, Tensor]]) -> float:
    """Images per CPU second of this process and its workers together, from the first batch to the last."""
    next(shown)
    start = _cpu_seconds()
    for _ in range(STREAMED - 1):
        next(shown)
    return (STREAMED - 1) * BATCH / (_cpu_seconds() - start)


def _cpu_seconds() -> float:
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def rate(root: Path, cores: int) -> float:
    """Images per wall second in this process and one worker per core, all on that many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    torch.set_num_threads(1)
    shown = batches(photographs(root), recipe(repeated=False), cores)
    next(shown)
    start = time.perf_counter()
    for _ in range(STREAMED - 1):
        next(shown)
    return (STREAMED - 1) * BATCH / (time.perf_counter() - start)


def on_cores(root: Path, cores: int) -> float:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "bench.files", str(root), str(cores)]
    return float(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measure(data: Path) -> list[Ratio]:
    """Ratios of images per second, ours over torchvision's; and of two cores over one. None without files."""
    root = data / "imagenet-sample"
    if not root.is_dir():
        print(f"bench: files left out, no {root}", file=sys.stderr)
        return []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        copies = {format: Path(folder) / format for format in FORMATS}
        sizes = {format: prepare(root, copy, format=format).bytes_after for format, copy in copies.items()}
        ratios = [
            _ratio("files", root, partial(ours, root, repeated=True), PROMISE),
            _ratio("files, each image once", root, partial(ours, root, repeated=False)),
            _ratio("files, prepared", root, partial(ours, copies["ppm"], repeated=True), PROMISE_PREPARED, sizes),
            _ratio("files, prepared, each once", root, partial(ours, copies["ppm"], repeated=False)),
            _ratio("files, prepared as jpeg", root, partial(ours, copies["jpeg"], repeated=True)),
        ]
    with_one = alternate(
        lambda: with_worker(batches(photographs(root), recipe(repeated=True), 1)),
        lambda: with_worker(peer.batches(root, 176, BATCH, STREAMED, 1)),
        2,
    )
    ratios.append(_of("files, with a worker", with_one))
    torch.set_num_threads(threads)
    if (os.cpu_count() or 1) > 1 and hasattr(os, "sched_setaffinity"):
        pairs = alternate(partial(on_cores, root, 2), partial(on_cores, root, 1), 3)
        ratios.append(
            Ratio(
                name="files, two cores",
                over="images/s, two cores / one",
                ratios=[two / one for two, one in pairs],
                bound="at least",
                promise=PROMISE_CORES,
                detail={"two": [two for two, _ in pairs], "one": [one for _, one in pairs]},
            )
        )
    return ratios


def _ratio(
    name: str, root: Path, run: Callable[[], float], promise: float | None = None, sizes: dict[str, int] | None = None
) -> Ratio:
    return _of(name, alternate(run, partial(torchvisions, root), REPEATS), promise, {"bytes": sizes} if sizes else {})


def _of(
    name: str, pairs: Sequence[tuple[float, float]], promise: float | None = None, detail: dict[str, Any] | None = None
) -> Ratio:
    return Ratio(
        name=name,
        over="images per CPU second, ours / torchvision's reference",
        ratios=[a / b for a, b in pairs],
        bound="at least",
        promise=promise,
        detail={"ours": [a for a, _ in pairs], "torchvision": [b for _, b in pairs], **(detail or {})},
    )


if __name__ == "__main__":
    print(rate(Path(sys.argv[1]), int(sys.argv[2])))
