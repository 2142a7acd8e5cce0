"""What every way to make runs has in common: what is to be made, and what the makers must know first."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bakeoff import registry, tasks
from bakeoff.data import saved
from bakeoff.data.dataset import Resident
from bakeoff.launch.messages import Answer, Setup, TrainRun
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task


@dataclass(frozen=True)
class Trial:
    """A run to be made. run: its id. cost: expected time, in any unit."""

    run: str
    work: TrainRun
    cost: float


class Launcher(Protocol):
    """Makes runs."""

    def launch(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Answer]]:
        """Make runs, the longest first; answers come as they are known. When the caller stops early, so does all."""


def stays_here(task: Task, where: Workspace) -> str:
    """What of a request lives in this process alone, so that no other can make its runs; nothing where all can."""
    for extension in registry.extensions():
        if not extension.portable and extension.group in ("technique", "model"):
            return f"{extension.group} {extension.name}"
    if _object(task) and not all(isinstance(split, Resident) for split in task.load(where.data).splits.values()):
        return f"task {task.name}"
    return ""


@contextmanager
def setup(task: Task, where: Workspace, device: str) -> Iterator[Setup]:
    """What another process must know before it makes runs: where everything is, what was named, data that is here."""
    with tempfile.TemporaryDirectory(prefix="bakeoff-") as folder:
        datasets = {}
        if _object(task):
            datasets[task.name] = f"{folder}/data.safetensors"
            saved.save(task.load(where.data), Path(datasets[task.name]))
        yield Setup(
            store=where.store.url,
            data=str(where.data),
            device=device,
            extensions=tuple(extension for extension in registry.extensions() if extension.portable),
            datasets=datasets,
        )


def _object(task: Task) -> bool:
    """Whether a task is a Python object that has no place from which another process could load it."""
    origin = tasks.REGISTRY.origin(task.name)
    return origin is not None and not origin.portable
