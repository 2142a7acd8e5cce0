"""Workers as jobs of Slurm, through submitit. A job makes one run after the other, and as many at once as asked for."""

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import submitit

from bakeoff.engine import interrupt
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import Event, WorkerNews
from bakeoff.launch.messages import Answer, Setup
from bakeoff.launch.worker import work

FOLDER = "bakeoff-slurm"  # of scripts and logs, where the command is given, as sbatch's own are
_IDLE = 30.0  # seconds that a job waits for more to do before it gives its place back
_PAUSE = 1.0  # seconds between two looks at the store
_LOOKS, _SUBMITS = 5.0, 10.0  # seconds between two of squeue and of sbatch: clusters dislike many
_DEATHS = 3  # times in a row that jobs may end before they do anything
_SIGNAL = 90  # seconds before the time limit at which a job is told, if that is long enough
_REQUEUES = 100_000


class SlurmLauncher:
    """See `Launcher`. Jobs that are preempted or whose time is over are queued again, and go on from checkpoints."""

    def __init__(
        self, setup: Setup, *, jobs: int, runs: int, minutes: float, folder: Path, cluster: str = "slurm", **asked: Any
    ) -> None:
        """jobs: at once. runs: at once in each. minutes: its time limit. cluster: "local": processes, for tests.

        folder: for scripts and logs; all nodes see it. asked: of Slurm, as submitit names it.
        """
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=cluster, slurm_max_num_timeout=_REQUEUES)
        except RuntimeError as error:
            raise RequestError(f"--on slurm: {error}") from None
        self._executor.update_parameters(
            name="bakeoff",
            timeout_min=math.ceil(minutes),
            tasks_per_node=runs,
            slurm_signal_delay_s=int(min(_SIGNAL, 20 * minutes)),
            **asked,
        )
        self._setup, self._count, self._cluster, self._folder = setup, jobs, cluster, folder
        self._jobs: list[submitit.Job[int]] = []
        self._looked = self._submitted = -math.inf

    def stop(self) -> None:
        """Take back what Slurm hasn't started, and end what it has: the state is kept."""
        for job in self._jobs:
            job.cancel(check=False)
        self._jobs = []

    def make(self, study: str) -> Iterator[Answer]:
        """See `Launcher`. Raises BakeoffError where jobs fail, or end again and again before they do anything."""
        deaths, ready = 0, True
        while True:
            for job in self._ended():
                self._jobs.remove(job)
                made = self._made(job)
                deaths = 0 if made else deaths + 1
                ready = ready and made is None  # one that found nothing to do needs no other in its place
            if deaths >= max(_DEATHS, self._count):
                raise BakeoffError(f"jobs of Slurm end before they make a run: see the logs in {self._folder}")
            if not self._jobs and not ready:
                return
            if ready and len(self._jobs) < self._count and time.monotonic() >= self._submitted + _SUBMITS:
                self._submit(study)
            yield Answer(status="nothing")
            time.sleep(_PAUSE)

    def _submit(self, study: str) -> None:
        try:
            with self._executor.batch():  # one sbatch for all
                new = [self._executor.submit(Job(self._setup, study)) for _ in range(self._count - len(self._jobs))]
        except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
            raise BakeoffError(f"Slurm takes no such job: {_last_line(error)}") from None
        self._submitted = time.monotonic()
        self._jobs += new

    def _ended(self) -> list["submitit.Job[int]"]:
        """Jobs that have ended, as far as is known; those that are to be queued again haven't."""
        if not self._jobs or time.monotonic() < self._looked + _LOOKS:
            return []
        self._looked = time.monotonic()
        if self._cluster != "slurm":
            return [job for job in self._jobs if job.done()]
        queue = subprocess.run(  # not sacct, since accounting isn't everywhere
            ["squeue", "--me", "--array", "--noheader", "--format=%i"], capture_output=True, text=True, check=False
        )
        there = set(queue.stdout.split())
        return [job for job in self._jobs if job.job_id not in there] if queue.returncode == 0 else []

    def _made(self, job: "submitit.Job[int]") -> int | None:
        """How many runs a job made; None where it was killed. Raises BakeoffError where it failed."""
        tasks = [job.task(task) for task in range(job.num_tasks)]
        ended = [task for task in tasks if task.paths.result_pickle.exists()]
        for task in ended:
            if (error := task.exception()) is not None:
                raise BakeoffError(f"job {job.job_id} of Slurm failed: {_last_line(error)}")
        return sum(task.result() for task in ended) if ended else None


class Job:
    """What a job does. Before it is queued again, which Slurm says by a signal, the run in progress is checkpointed."""

    def __init__(self, setup: Setup, study: str) -> None:
        self._setup, self._study = setup, study
        self._asked = False

    def __call__(self) -> int:
        """Work until nothing is left to do. Returns how many runs it made."""
        self._asked = False
        usr = submitit.JobEnvironment()._usr_sig()
        queue_again: Any = signal.getsignal(usr)  # of submitit, which also ends this process

        def ask(number: int, frame: object) -> None:
            self._asked = True
            if not interrupt.ask():
                raise KeyboardInterrupt

        signal.signal(usr, ask)
        try:
            return len(work(self._setup, self._study, _IDLE, self._stop_between).made)
        except KeyboardInterrupt:
            if self._asked and callable(queue_again):
                queue_again(usr, sys._getframe())
            return 0  # taken back, or one of several in a job, of which the first queues it again

    def _stop_between(self, event: Event) -> None:
        """A run that came to its end as it was asked to stop was the last one."""
        if self._asked and isinstance(event, WorkerNews):
            raise KeyboardInterrupt

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What to queue again."""
        return submitit.helpers.DelayedSubmission(Job(self._setup, self._study))


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
