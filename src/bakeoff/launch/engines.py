"""Which workers make the runs of a study: processes here, tasks of Ray, jobs of Slurm, or those that others start."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff import reader
from bakeoff.errors import RequestError, shown, unknown
from bakeoff.launch.base import Launcher, setup, stays_here
from bakeoff.launch.local import InProcess, WorkerPool
from bakeoff.launch.messages import Answer, Setup
from bakeoff.runs.workspace import LOCAL, Workspace
from bakeoff.storage import is_url
from bakeoff.task import Task

if TYPE_CHECKING:
    from bakeoff.launch.ray import RayLauncher
    from bakeoff.launch.slurm import SlurmLauncher

_OF_SLURM = ("partition", "account", "qos", "constraint")  # words for it
_KNOBS = {
    LOCAL: (),
    "ray": ("cpus", "gpus"),
    "slurm": ("time", "runs", "cpus", "gpus", "mem", *_OF_SLURM),
    "workers": (),
}
_JOBS = 4  # of Slurm, where --jobs doesn't say how many runs are made at once
_PAUSE = 1.0  # seconds between two looks at what others make


@dataclass(frozen=True)
class Engine:
    """What `--on` says: "local", "ray", "ray://HOST:10001,gpus=0.5", "HOST:6379" of Ray, "slurm,time=4h", "workers"."""

    kind: str
    address: str | None = None
    knobs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Engine":
        """An engine. Raises RequestError for one that there isn't, or that has no such knob."""
        head, *rest = text.split(",")
        address = head if ":" in head else None
        kind = "ray" if address else head
        if kind not in _KNOBS:
            raise unknown("engine (--on)", head, _KNOBS)
        knobs = {}
        for part in rest:
            name, _, knobs[name] = part.partition("=")
            if name not in _KNOBS[kind]:
                raise unknown(f"knob of --on {kind}", name, _KNOBS[kind] or ["none"])
        return cls(kind, address, knobs)

    def number(self, name: str, usual: float) -> float:
        """A knob that is a number. Raises RequestError for one that isn't."""
        text, what = self.knobs.get(name, str(usual)), f"{name} of --on {self.kind}"
        try:
            value = float(text)
        except ValueError:
            raise RequestError(f"{what} is a number, not {shown(text)}") from None
        return value if value == usual else reader.number(value, what, 1e3)

    def at_once(self) -> int:
        """Runs that are made at once, as far as that is known."""
        return _JOBS * int(self.number("runs", 1)) if self.kind == "slurm" else 1


class Others:
    """Starts nothing: the runs are made by workers that others start."""

    def stop(self) -> None:
        """Nothing to end."""

    def make(self, study: str) -> Iterator[Answer]:
        """See `Launcher`."""
        while True:
            time.sleep(_PAUSE)
            yield Answer(status="nothing")


@contextmanager
def launcher(task: Task | None, where: Workspace, *, device: str, jobs: int, threads: int) -> Iterator[Launcher]:
    """What makes runs of a task, or of commands (None); it ends with its context.

    device, jobs, threads: of processes here.
    """
    engine, here = Engine.parse(where.on), stays_here(task, where)
    if here and engine.kind != LOCAL:
        raise RequestError(f"only this process has {here}, so no other can make runs with it: put it into a file")
    if here:
        yield InProcess(Setup(store=where.store.url, data=str(where.data), device=device))
        return
    with setup(task, where, device if engine.kind == LOCAL else where.device) as told:
        workers = _started(engine, told, jobs, threads)
        try:
            yield workers
        finally:
            workers.stop()


def _started(
    engine: Engine, told: Setup, jobs: int, threads: int
) -> "WorkerPool | Others | RayLauncher | SlurmLauncher":
    if engine.kind == LOCAL:
        return WorkerPool(told, jobs=jobs, threads=threads)
    if told.datasets:
        raise RequestError(f"task {', '.join(told.datasets)} is an object of this process: put it into a file")
    if "://" not in told.store:
        told = told.model_copy(update={"store": os.path.abspath(told.store)})  # workers run in folders of their own
    told = told.model_copy(update={"data": told.data if is_url(told.data) else os.path.abspath(told.data)})
    if engine.kind == "workers":
        return Others()
    if engine.kind == "slurm":
        return _slurm(engine, told, jobs, threads)
    try:
        from bakeoff.launch.ray import RayLauncher
    except ImportError:
        raise RequestError("--on ray needs Ray: pip install 'bakeoff[ray]'") from None
    cpus, gpus = engine.number("cpus", threads), engine.number("gpus", 0)
    return RayLauncher(told, address=engine.address, cpus=cpus, gpus=gpus)


def _slurm(engine: Engine, told: Setup, jobs: int, threads: int) -> "SlurmLauncher":
    try:
        from bakeoff.launch.slurm import FOLDER, SlurmLauncher
    except ImportError:
        raise RequestError("--on slurm needs submitit: pip install 'bakeoff[slurm]'") from None
    runs, gpus = int(engine.number("runs", 1)), int(engine.number("gpus", 0))
    if gpus > 1:
        raise RequestError("gpus of --on slurm is of a job, whose runs share one: 0 or 1")
    asked: dict[str, Any] = {f"slurm_{name}": engine.knobs[name] for name in _OF_SLURM if name in engine.knobs}
    if "mem" in engine.knobs:
        asked["mem_gb"] = engine.number("mem", 0)
    if gpus:
        asked["gpus_per_node"] = gpus
    return SlurmLauncher(
        told,
        jobs=math.ceil(jobs / runs),
        runs=runs,
        minutes=reader.duration(engine.knobs.get("time", "1h")) / 60,
        folder=Path(FOLDER).absolute(),
        cpus_per_task=math.ceil(engine.number("cpus", threads)),
        **asked,
    )
