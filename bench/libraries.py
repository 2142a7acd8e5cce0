"""The same classifier trained by other libraries: seconds per epoch, and from files on disk to a known accuracy.

Works, network, optimizer, schedule and length are those of bench/works.py, the same for everybody; loaders, loops,
mixup and averages are each library's own (bench/peers). Each training has a process of its own with all cores. The
clock starts when modules are imported and stops when the accuracy on the official test set is known, which is looked at
once; ours evaluates its two validation splits besides, with both kinds of weights, and keeps it all. Nobody has
a cache.

An epoch is the mean of all but the first, where workers start; ours has no seam between epochs, so it is the mean of
all. A row is reached where both sides got to the work's accuracy and agree within its tolerance.

    python -m bench libraries                               with the other benchmarks' table
    python -m bench.libraries WORK WHO FOLDER SEED WORKERS  one training, in a folder that bench.works laid out
"""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from bakeoff import api
from bench.compare import ROOT, Ratio
from bench.works import BATCH, PEAK_LR, WARMUP, WARMUP_START, WEIGHT_DECAY, WORKS, Job, Laps, Work, lay_out

PROMISE = 1.0
OURS = "ours"


@dataclass(frozen=True)
class Peer:
    """How a library takes part: its module in bench.peers, and its package."""

    module: str
    package: str


PEERS = {
    "loop": Peer("loop", "torch"),
    "torchvision": Peer("torchvision_loop", "torchvision"),
    "timm": Peer("timm_trainer", "timm"),
    "fastai": Peer("fastai_learner", "fastai"),
    "keras": Peer("keras_fit", "keras"),
    "lightning": Peer("lightning_loop", "lightning"),
}


@dataclass(frozen=True)
class Outcome:
    """One training: wall seconds of all and of each epoch, and percent right on the test set."""

    seconds: float
    epochs: Sequence[float]
    acc1: float

    @property
    def epoch(self) -> float:
        """Seconds of an epoch in the steady state."""
        return statistics.mean(self.epochs[1:] or self.epochs)


def ours(job: Job, laps: Laps) -> float:
    """Train with bakeoff, then percent right on the test set."""
    work = job.work
    with tempfile.TemporaryDirectory() as store:
        where: dict[str, Any] = {"store": store, "data": job.root}
        record = api.train(
            task="mnist" if work.name == "mnist" else f"folder:{job.root}", seed=job.seed, **where, **request(job)
        )
        laps.seconds.append(record.seconds / work.epochs)
        return api.evaluate(record.run_id, split="test", **where).acc["acc1"]


def request(job: Job) -> dict[str, Any]:
    """What `bakeoff train` is asked for besides task, seed and folders."""
    work = job.work
    techniques = ["lr_optimizations"]
    settings: dict[str, Any] = {
        "image_ops": "[]",
        "examples_seen": work.epochs * job.images,
        "batch_size": BATCH,
        "model.knobs.width": work.width,
        "decay.weight_decay": WEIGHT_DECAY,
        "lr.per_256": PEAK_LR * 256 / BATCH,
        "lr_optimizations.lr_ratio": 1.0,
        "lr_optimizations.warmup": WARMUP,
        "lr_optimizations.warmup_start": WARMUP_START,
    }
    if work.pad:
        techniques += ["mixup", "label_smoothing", "ema"]
        settings |= {
            "image_ops": f"[{{kind: pad_crop, shift: {work.pad / work.px}}}, {{kind: horizontal_flip}}]",
            "mixup.alpha": work.mixup,
            "label_smoothing.epsilon": work.smoothing,
            "ema.half_life": work.half_life,
        }
    return {"model": "cnn", "with_": techniques, "settings": [f"{path}={value}" for path, value in settings.items()]}


def once(job: Job, who: str) -> Outcome:
    """One training, in this process."""
    run: Callable[[Job, Laps], float] = ours
    if who != OURS:
        run = importlib.import_module(f"bench.peers.{PEERS[who].module}").run
    importlib.import_module("torchvision")  # ours imports it when it needs it
    laps = Laps()
    with torch.random.fork_rng(), redirect_stdout(sys.stderr):
        torch.manual_seed(job.seed)
        start = time.perf_counter()
        acc1 = run(job, laps)
        return Outcome(time.perf_counter() - start, laps.seconds, acc1)


def apart(job: Job, who: str) -> Outcome:
    """The same in a process of its own, with an empty cache and all cores."""
    command = [sys.executable, "-m", "bench.libraries", job.work.name, who, job.root, job.seed, job.workers]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "BAKEOFF_CACHE": cache, "KERAS_BACKEND": "torch"}
        environment.pop("OMP_NUM_THREADS", None)
        done = subprocess.run(
            [str(word) for word in command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return Outcome(**json.loads(done.stdout))


def workers() -> int:
    """Processes that read images for the libraries: none on two cores, where they were slower with one or two."""
    cores = os.cpu_count() or 1
    return cores if cores > 2 else 0


def measure(data: Path) -> list[Ratio]:
    """Two rows for each work and library; a library that isn't installed, or a work without data, is left out."""
    peers = {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(peer.package)}
    for name in PEERS.keys() - peers.keys():
        print(
            f"bench: {name} left out, {PEERS[name].package} isn't installed (pip install -e '.[bench]')",
            file=sys.stderr,
        )
    return [ratio for work in WORKS.values() for ratio in _of(work, data, peers)]


def _of(work: Work, data: Path, peers: Mapping[str, Peer]) -> list[Ratio]:
    if not (data / work.source).exists():
        print(f"bench: libraries on {work.name} left out, no {data / work.source}", file=sys.stderr)
        return []
    runs: dict[str, list[Outcome]] = {name: [] for name in (OURS, *peers)}
    with tempfile.TemporaryDirectory() as root:
        lay_out(work, data, Path(root))
        for seed in range(work.repeats):  # in turns, so that a machine that slows down slows all of them
            for name in runs if seed % 2 == 0 else reversed(runs):
                runs[name].append(apart(Job(work, Path(root), seed, workers()), name))
                print(f"bench: {work.name}, {name}: {runs[name][-1]}", file=sys.stderr)
    return [ratio for name, peer in peers.items() for ratio in ratios(work, name, peer, runs[OURS], runs[name])]


def ratios(work: Work, name: str, peer: Peer, own: Sequence[Outcome], others: Sequence[Outcome]) -> list[Ratio]:
    """A library's row for an epoch and the one to a known accuracy."""
    gap = statistics.mean(run.acc1 for run in others) - statistics.mean(run.acc1 for run in own)
    reached = abs(gap) <= work.tolerance and min(run.acc1 for run in (*own, *others)) >= work.target
    detail = {
        "ours": [asdict(run) for run in own],
        "peer": [asdict(run) for run in others],
        "versions": {peer.package: importlib.metadata.version(peer.package)},
        "workers": workers(),
        "work": asdict(work),
    }
    pairs = list(zip(own, others, strict=True))
    return [
        Ratio(
            name=f"{work.name}, {name}: {what}",
            over=f"{name}'s seconds / ours",
            ratios=found,
            bound="at least",
            promise=PROMISE,
            reached=reached,
            detail=detail,
        )
        for what, found in (
            ("epoch", [other.epoch / run.epoch for run, other in pairs]),
            ("to accuracy", [other.seconds / run.seconds for run, other in pairs]),
        )
    ]


def main(arguments: Sequence[str]) -> None:
    """One training, as JSON."""
    work, who, root, seed, processes = arguments
    print(json.dumps(asdict(once(Job(WORKS[work], Path(root), int(seed), int(processes)), who))))


if __name__ == "__main__":
    main(sys.argv[1:])
