"""Training many runs at once in local processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Cell:
    """One run of a study, as a worker needs it.

    plans: the plan to train, then those with the same training part to evaluate too, as JSON. cost: expected time, in
    any unit.
    """

    row: int  # of the design
    run: str
    task: str
    recipe: list[dict[str, Any]]
    plans: list[dict[str, Any]]
    seed: int
    cost: float


@dataclass(frozen=True)
class Outcome:
    """How a run of a study ended."""

    cell: Cell
    status: str
    reason: str
    seconds: float


class Worker:
    """A process of `bakeoff.launch.worker`, started anew when it has died."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._process: subprocess.Popen[str] | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its answer; a process that dies on it is a crash with a reason."""
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        code = process.wait()
        died = f"its process was killed by signal {-code}" if code < 0 else f"its process ended with status {code}"
        return {"status": "crashed", "reason": died, "seconds": 0.0}

    def stop(self) -> None:
        """End the process, in the middle of a run if need be: the run's last checkpoint is there to go on from."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        threads = {name: str(self.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        return subprocess.Popen(
            [sys.executable, "-m", "bakeoff.launch.worker", str(self.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the workers
        )


class Crew:
    """Worker processes that stay from one batch of runs to the next; leaving its context ends them at once."""

    def __init__(self, *, store: Path, data: Path, device: str, jobs: int, threads: int) -> None:
        self._request = {"store": str(store), "data": str(data), "device": device}
        self._free = [Worker(threads) for _ in range(jobs)]
        self._all = tuple(self._free)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._all:
            worker.stop()

    def launch(self, cells: Sequence[Cell]) -> Iterator[Outcome]:
        """Train cells, the longest first; outcomes come as they are known.

        When the caller stops early, the workers end at once.
        """
        waiting = sorted(cells, key=lambda cell: -cell.cost)
        running: dict[Future[dict[str, Any]], tuple[Worker, Cell]] = {}
        with ThreadPoolExecutor(len(self._all)) as pool:
            try:
                while waiting or running:
                    while waiting and self._free:
                        worker, cell = self._free.pop(), waiting.pop(0)
                        work = {"task": cell.task, "recipe": cell.recipe, "plans": cell.plans, "seed": cell.seed}
                        running[pool.submit(worker.ask, {**self._request, **work})] = (worker, cell)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        worker, cell = running.pop(future)
                        self._free.append(worker)
                        yield Outcome(cell, **future.result())
            finally:
                for worker, _ in running.values():
                    worker.stop()
                    self._free.append(worker)
