"""A process that does what it is told: messages come as JSON lines on standard input, answers go to standard output.

It ends when its standard input does, so that no worker outlives the study that started it, however that died.
"""

import os
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff import registry
from bakeoff.errors import BakeoffError, DataChanged
from bakeoff.launch.messages import WORK, Answer, Setup, TimePlans, TrainRun
from bakeoff.runs.workspace import Workspace

if TYPE_CHECKING:
    from bakeoff.data.dataset import Dataset


class Handler:
    """Does the work of messages, one after the other; data that were read once are kept."""

    def __init__(self, setup: Setup) -> None:
        self.where = Workspace.open(store=setup.store, data=setup.data, device=setup.device)
        self._files = setup.datasets
        self._datasets: dict[str, Dataset] = {}

    def answer(self, line: str) -> Answer:
        """Do what a message says. A broken one must not end the study: the reason is the answer."""
        try:
            work = WORK.validate_json(line)
            return self._train(work) if isinstance(work, TrainRun) else self._time(work)
        except DataChanged as error:
            return Answer(status="refused", reason=str(error))
        except BakeoffError as error:
            return Answer(status="crashed", reason=str(error))
        except Exception as error:
            return Answer(status="crashed", reason=f"{type(error).__name__}: {error}")

    def _train(self, work: TrainRun) -> Answer:
        from bakeoff.runs.runner import run_plan

        plan, *others = work.plans
        try:
            dataset = self._dataset(work.task)
        except BakeoffError as error:
            raise DataChanged(f"the data of {work.task} can't be read any more: {error}") from error
        if dataset.fingerprint != work.data_fingerprint:
            raise DataChanged(
                f"the data of {work.task} were changed since runs were planned (fingerprint {work.data_fingerprint}, "
                f"now {dataset.fingerprint}); start again: runs on other data are others"
            )
        record = run_plan(work.task, plan, work.recipe, work.seed, dataset, self.where, extra_evaluations=others)
        return Answer(status=record.status, reason=record.reason, seconds=record.seconds)

    def _time(self, work: TimePlans) -> Answer:
        import torch

        from bakeoff.engine.timing import seconds_per_image
        from bakeoff.runs.runner import num_workers

        torch.set_num_threads(work.threads)
        dataset, device = self._dataset(work.task), self.where.torch_device()
        each = [
            seconds_per_image(
                plan, dataset, device, seconds=work.seconds, workers=num_workers(dataset, "train", plan, device, None)
            )
            for plan in work.plans
        ]
        return Answer(status="done", seconds=sum(each) / len(each))

    def _dataset(self, task: str) -> "Dataset":
        from bakeoff import tasks
        from bakeoff.data import saved

        if task not in self._datasets:
            if task in self._files:
                self._datasets[task] = saved.load(Path(self._files[task]))
            else:
                self._datasets[task] = tasks.get(task, self.where.data, skip_bad=True).load(self.where.data)
        return self._datasets[task]


def serve(threads: int) -> None:
    """Answer messages until standard input ends, the first being the setup. threads: for each run."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    import torch  # after the thread has started: a parent that dies meanwhile is noticed

    torch.set_num_threads(threads)
    setup = Setup.model_validate_json(lines.get())
    unmet, handler = _load(setup.extensions), Handler(setup)
    while True:
        line = lines.get()
        answer = Answer(status="crashed", reason=unmet) if unmet else handler.answer(line)
        print(answer.model_dump_json(), flush=True)


def _load(extensions: Sequence[registry.Extension]) -> str:
    """Load what came from outside; why that can't be done, if it can't."""
    try:
        for extension in extensions:
            registry.load(extension)
    except BakeoffError as error:
        return str(error)
    return ""


def _listen(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
