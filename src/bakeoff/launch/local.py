"""Training many runs at once in local processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from threading import Lock

from bakeoff.errors import BakeoffError
from bakeoff.launch.base import keep_asking
from bakeoff.launch.messages import Answer, MakeRun, Setup, TimePlans
from bakeoff.launch.worker import Handler

_KILLED = {
    -signal.SIGKILL,
    -signal.SIGTERM,
    -signal.SIGINT,
    -signal.SIGHUP,
}  # by somebody's wish, or for lack of memory
_STARTS = 3  # times in a row that processes may die before they do anything
_LAST_LOOK = 1.0  # seconds that a process may take to find nothing


class Worker:
    """A process of `bakeoff.launch.worker`, started anew when it has died."""

    def __init__(self, setup: Setup, threads: int, slot: int = 0) -> None:
        """slot: which of several it is, by which commands share GPUs."""
        self.setup, self.threads, self.slot = setup, threads, slot
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()  # a process is stopped by another thread than the one that starts it and asks

    def ask(self, work: MakeRun | TimePlans) -> Answer:
        """Send a message and wait for its answer; a process that dies on it is one with a reason."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = self._start()
            process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        line, run = "", ""
        try:
            process.stdin.write(work.model_dump_json() + "\n")
            process.stdin.flush()
            while line := process.stdout.readline():
                answer = Answer.model_validate_json(line)
                if answer.status != "begun":
                    return answer
                run = answer.run
        except (BrokenPipeError, ValueError):
            pass
        code = process.wait()
        died = f"its process was killed by signal {-code}" if code < 0 else f"its process ended with status {code}"
        return Answer(status="interrupted" if code in _KILLED else "crashed", run=run, reason=died)

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
        threads["BAKEOFF_SLOT"] = str(self.slot)
        process = subprocess.Popen(
            [sys.executable, "-m", "bakeoff.launch.worker"],
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
        self._all = [Worker(setup, threads, slot) for slot in range(jobs)]
        self._free: SimpleQueue[Worker] = SimpleQueue()
        self._busy: set[Worker] = set()
        for worker in self._all:
            self._free.put(worker)

    def stop(self) -> None:
        """End all processes."""
        for worker in self._all:
            worker.stop()

    def make(self, study: str) -> Iterator[Answer]:
        """See `Launcher`. Raises BakeoffError where processes die before they do anything."""
        deaths = 0
        with ThreadPoolExecutor(len(self._all)) as pool:
            try:
                for answer in keep_asking(lambda: pool.submit(self._ask, study), _answered, lambda: len(self._all)):
                    deaths = 0 if answer.run or answer.status == "nothing" else deaths + 1
                    if deaths >= _STARTS:
                        raise BakeoffError(f"processes of a study end before they make a run: {answer.reason}")
                    yield answer
            finally:
                until = time.monotonic() + _LAST_LOOK
                while self._busy and time.monotonic() < until:
                    time.sleep(0.01)
                for worker in tuple(self._busy):
                    worker.stop()

    def _ask(self, study: str) -> Answer:
        worker = self._free.get()
        self._busy.add(worker)
        try:
            return worker.ask(MakeRun(study=study))
        finally:
            self._busy.discard(worker)
            self._free.put(worker)


def _answered(asked: set[Future[Answer]], seconds: float) -> dict[Future[Answer], Answer]:
    return {future: future.result() for future in wait(asked, seconds, FIRST_COMPLETED).done}


class InProcess:
    """Makes runs in this process, one after the other: for what no other process could load."""

    def __init__(self, setup: Setup) -> None:
        self._handler = Handler(setup)

    def make(self, study: str) -> Iterator[Answer]:
        """See `Launcher`."""
        while True:
            answer = self._handler.make(study)
            yield answer
            if answer.status == "nothing":
                return
