"""Which workers make the runs of a study: processes here."""

from collections.abc import Iterator
from contextlib import contextmanager

from bakeoff.launch.base import Launcher, setup, stays_here
from bakeoff.launch.local import InProcess, WorkerPool
from bakeoff.launch.messages import Setup
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task


@contextmanager
def launcher(task: Task, where: Workspace, *, device: str, jobs: int, threads: int) -> Iterator[Launcher]:
    """What makes runs of a task: processes, or this one where they couldn't. It ends with its context."""
    if stays_here(task, where):
        yield InProcess(Setup(store=where.store.url, data=str(where.data), device=device))
        return
    with setup(task, where, device) as told:
        pool = WorkerPool(told, jobs=jobs, threads=threads)
        try:
            yield pool
        finally:
            pool.stop()
