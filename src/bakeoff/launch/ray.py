"""Workers as tasks of a Ray cluster: one claims and makes one run, so that Ray can place the next one elsewhere."""

import logging
import math
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import ray

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.launch.base import keep_asking
from bakeoff.launch.messages import Answer, Setup
from bakeoff.launch.worker import Handler

_AHEAD = 2  # tasks that are asked for, for each that the cluster has room for: who scales it sees that more is wanted
_handlers: dict[str, Handler] = {}  # of a process of Ray, which makes many runs: data that were read stay


class RayLauncher:
    """See `Launcher`. A task whose node is lost is done again by Ray, and the run that it made goes on elsewhere."""

    def __init__(self, setup: Setup, *, address: str | None, cpus: float, gpus: float) -> None:
        """address: of a cluster, None for $RAY_ADDRESS, one that runs here, or else a new one. cpus, gpus: of a run."""
        try:
            ray.init(address or None, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = address or "here"
            raise RequestError(f"no Ray cluster at {where}: {str(error).splitlines()[0]}") from None
        self._aside = redirect_stdout(sys.stderr)  # Ray prints what happens to nodes, where results go
        self._aside.__enter__()
        self._setup, self._each = setup, {"CPU": cpus, "GPU": gpus}
        self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=-1)(_make)
        self._asked: set[Any] = set()

    def stop(self) -> None:
        """Let go of the cluster; one that was started for this ends."""
        self._aside.__exit__(None, None, None)
        ray.shutdown()

    def make(self, study: str) -> Iterator[Answer]:
        """See `Launcher`. Raises BakeoffError where tasks can't be done at all, as where bakeoff isn't installed."""
        told = self._setup.model_dump_json()
        try:
            yield from keep_asking(lambda: self._ask(told, study), self._answered, self._slots)
        finally:
            for task in self._asked:
                ray.cancel(task)  # as Ctrl-C does there: the state is kept
            self._asked.clear()

    def _ask(self, told: str, study: str) -> Any:
        task = self._task.remote(told, study)
        self._asked.add(task)
        return task

    def _answered(self, asked: set[Any], seconds: float) -> dict[Any, Answer]:
        done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
        if not done:
            done, _ = ray.wait(list(asked), timeout=seconds)
        self._asked -= set(done)
        try:
            return {task: Answer.model_validate_json(ray.get(task)) for task in done}
        except ray.exceptions.RayError as error:
            raise BakeoffError(f"a task of Ray failed: {str(error).strip().splitlines()[-1]}") from None

    def _slots(self) -> int:
        """Tasks to be asked for at once: nodes come and go."""
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        room: int = min(math.floor(there.get(kind, 0) / each) for kind, each in self._each.items() if each)
        return _AHEAD * room


def _make(told: str, study: str) -> str:
    """What a task does."""
    if told not in _handlers:
        _handlers[told] = Handler(Setup.model_validate_json(told))
    return _handlers[told].make(study).model_dump_json()
