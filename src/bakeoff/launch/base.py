"""What every way to make runs has in common: what its workers must know, and how the runs of a study come to be."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from bakeoff import registry, tasks
from bakeoff.data import saved
from bakeoff.data.dataset import Resident
from bakeoff.errors import BakeoffError
from bakeoff.launch.messages import Answer, Setup
from bakeoff.launch.queue import Batch, Outcome, Queue
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task

_T = TypeVar("_T")

_REST = 1.0  # seconds after which a worker that found nothing to claim looks again, while others are at work
_PAUSE = 0.5  # seconds between two looks at what others make
_LOOKING = 20.0  # times as long as a look at all runs took is waited before the next


class Launcher(Protocol):
    """Starts workers, and nothing else: what is to be made they find in the store."""

    def make(self, study: str) -> Iterator[Answer]:
        """Have workers claim and make what a study wants.

        Answers come as they are known. One that names no run says that there may be something to see in the store; the
        last is one. It ends when there was nothing to be claimed. When the caller stops early, so does all.
        """


def keep_asking(
    ask: Callable[[], _T], answered: Callable[[set[_T], float], dict[_T, Answer]], slots: Callable[[], int]
) -> Iterator[Answer]:
    """What a launcher's `make` does where workers are asked for one run after the other.

    ask: gives a worker something to do, and stands for it until it has answered. answered: which of those have, within
    so many seconds. slots: how many may be asked at once. Those that find nothing to claim rest until a run ends, or
    for a second.
    """
    asked: set[_T] = set()
    resting = 0
    while True:
        while len(asked) + resting < max(1, slots()):
            asked.add(ask())
        found = answered(asked, _REST)
        asked -= found.keys()
        for answer in found.values():
            if answer.status == "nothing":
                resting += 1
            else:
                resting = 0
                yield answer
        if not asked and resting:
            yield Answer(status="nothing")
            return
        if not found:
            resting = 0
            yield Answer(status="nothing")


class Unable(BakeoffError):
    """What is wanted can't be made by such workers."""


def make(workers: Launcher, queue: Queue, batch: Batch) -> Iterator[tuple[Outcome, int]]:
    """Have the trials of a batch made that the store lacks, by these workers or by others that work on the store.

    How each came to its end, as it is known, with the number that are left. A try that diverged is told of, if another
    follows. What failed in an earlier study is tried again.

    Raises Unable where workers say that they can't.
    """
    for trial in batch.trials:
        for each in trial.tries:
            queue.leases.forgive(each.run)
    left = {trial.name: trial for trial in batch.trials if queue.look(trial).left}
    if not left:
        return
    wanted = batch.model_copy(update={"trials": tuple(left.values())})
    trial_of = {each.run: trial.name for trial in wanted.trials for each in trial.tries}
    queue.put(wanted)
    looked, took = time.monotonic(), 0.0
    while left:
        for answer in workers.make(queue.study):
            if answer.status == "unable":
                raise Unable(answer.reason)
            if answer.status == "crashed":
                queue.leases.crashed(answer.run, answer.reason)
            began = time.monotonic()
            if answer.run in trial_of:
                names = [name for name in [trial_of[answer.run]] if name in left]
            elif began - looked >= max(_PAUSE, _LOOKING * took):
                names = list(left)
            else:
                continue
            for name in names:
                found = queue.look(left[name])
                if found.left is None:
                    del left[name]
                    yield found, len(left)
                elif answer.status == "diverged":
                    yield Outcome("diverged", answer.run, answer.reason, answer.seconds), len(left)
            if not answer.run:
                looked, took = time.monotonic(), time.monotonic() - began
            if not left:
                break
        else:
            time.sleep(_PAUSE)
    queue.remove(wanted)


def stays_here(task: Task | None, where: Workspace) -> str:
    """What of a request lives in this process alone, so that no other can make its runs; nothing where all can."""
    if task is None:
        return ""
    for extension in registry.extensions():
        if not extension.portable and extension.group in ("technique", "model"):
            return f"{extension.group} {extension.name}"
    if _object(task) and not all(isinstance(split, Resident) for split in task.load(where.folder).splits.values()):
        return f"task {task.name}"
    return ""


@contextmanager
def setup(task: Task | None, where: Workspace, device: str) -> Iterator[Setup]:
    """What another process must know before it makes runs: where everything is, what was named, data that is here.

    task: None for commands.
    """
    with tempfile.TemporaryDirectory(prefix="bakeoff-") as folder:
        datasets = {}
        if task is not None and _object(task):
            datasets[task.name] = f"{folder}/data.safetensors"
            saved.save(task.load(where.folder), Path(datasets[task.name]))
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
