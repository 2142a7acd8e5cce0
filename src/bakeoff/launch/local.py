"""Training many runs at once in local processes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import Lock

from bakeoff.launch.base import Launcher, Trial, setup, stays_here
from bakeoff.launch.messages import Answer, Setup, TimePlans, TrainRun
from bakeoff.launch.worker import Handler
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task


class Worker:
    """A process of `bakeoff.launch.worker`, started anew when it has died."""

    def __init__(self, setup: Setup, threads: int) -> None:
        self.setup, self.threads = setup, threads
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()  # a process is stopped by another thread than the one that starts it and asks

    def ask(self, work: TrainRun | TimePlans) -> Answer:
        """Send a message and wait for its answer; a process that dies on it is a crash with a reason."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = self._start()
            process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(work.model_dump_json() + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if line:
            return Answer.model_validate_json(line)
        code = process.wait()
        died = f"its process was killed by signal {-code}" if code < 0 else f"its process ended with status {code}"
        return Answer(status="crashed", reason=died)

    def stop(self) -> None:
        """End the process, in the middle of a run if need be: the run's last checkpoint is there to go on from."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        threads = {name: str(self.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        process = subprocess.Popen(
            [sys.executable, "-m", "bakeoff.launch.worker", str(self.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the workers
        )
        assert process.stdin is not None
        process.stdin.write(self.setup.model_dump_json() + "\n")
        return process


class WorkerPool:
    """Worker processes that stay from one batch of runs to the next; `stop` ends them at once."""

    def __init__(self, setup: Setup, *, jobs: int, threads: int) -> None:
        self._free = [Worker(setup, threads) for _ in range(jobs)]
        self._all = tuple(self._free)

    def stop(self) -> None:
        """End all processes."""
        for worker in self._all:
            worker.stop()

    def launch(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Answer]]:
        """See `Launcher`."""
        waiting = sorted(trials, key=lambda trial: -trial.cost)
        running: dict[Future[Answer], tuple[Worker, Trial]] = {}
        with ThreadPoolExecutor(len(self._all)) as pool:
            try:
                while waiting or running:
                    while waiting and self._free:
                        worker, trial = self._free.pop(), waiting.pop(0)
                        running[pool.submit(worker.ask, trial.work)] = (worker, trial)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        worker, trial = running.pop(future)
                        self._free.append(worker)
                        yield trial, future.result()
            finally:
                for worker, _ in running.values():
                    worker.stop()
                    self._free.append(worker)


class InProcess:
    """Makes runs in this process, one after the other: for what no other process could load."""

    def __init__(self, setup: Setup) -> None:
        self._handler = Handler(setup)

    def launch(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Answer]]:
        """See `Launcher`."""
        for trial in sorted(trials, key=lambda trial: -trial.cost):
            yield trial, self._handler.answer(trial.work.model_dump_json())


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
