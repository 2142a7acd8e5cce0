"""Training many runs at once in local processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    """A process of `bakeoff.worker`, started anew when it has died."""

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
            [sys.executable, "-m", "bakeoff.worker", str(self.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads},
            start_new_session=True,  # Ctrl-C reaches us alone, and we end the workers
        )


def launch(
    cells: Sequence[Cell], *, store: Path, data: Path, device: str, jobs: int, threads: int
) -> Iterator[Outcome]:
    """Train cells in `jobs` processes of `threads` threads each, the longest first; outcomes come as they are known.

    When the caller stops early, the workers end at once.
    """
    waiting = sorted(cells, key=lambda cell: -cell.cost)
    workers = [Worker(threads) for _ in range(min(jobs, len(waiting)))]
    free = list(workers)
    running: dict[Future[dict[str, Any]], tuple[Worker, Cell]] = {}
    with ThreadPoolExecutor(max(1, len(workers))) as pool:
        try:
            while waiting or running:
                while waiting and free:
                    worker, cell = free.pop(), waiting.pop(0)
                    request = {
                        "task": cell.task,
                        "recipe": cell.recipe,
                        "plans": cell.plans,
                        "seed": cell.seed,
                        "store": str(store),
                        "data": str(data),
                        "device": device,
                    }
                    running[pool.submit(worker.ask, request)] = (worker, cell)
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    worker, cell = running.pop(future)
                    free.append(worker)
                    yield Outcome(cell, **future.result())
        finally:
            for worker in workers:
                worker.stop()
