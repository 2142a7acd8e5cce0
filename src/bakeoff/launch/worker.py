"""A worker claims runs of a store and makes them. It is told to by messages, or goes on by itself until all is made.

As a process of a study it gets messages as JSON lines on standard input, answers on standard output, and ends when its
standard input does, so that it doesn't outlive the study that started it, however that died.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff import registry
from bakeoff.errors import BakeoffError, DataChanged, RequestError, StoreFailed, unknown
from bakeoff.events import Doing, Observer, WorkerNews
from bakeoff.launch.messages import WORK, Answer, MakeRun, Setup, TimePlans
from bakeoff.launch.queue import AnyTrial, Batch, CommandTrial, Queue, Trial, Try, complete
from bakeoff.runs.lease import Failed, Held, LeaseLost
from bakeoff.runs.store import open_store
from bakeoff.runs.workspace import Workspace

if TYPE_CHECKING:
    from bakeoff.data.dataset import Dataset
    from bakeoff.runs.record import RunRecord

Hold = Callable[[str], AbstractContextManager[None]]
_PAUSE = 1.0  # seconds between two looks for something to do


class _Unable(BakeoffError):
    """This worker can't make a run, however often it tries."""


class Handler:
    """Does the work of messages, one after the other; data that were read once are kept."""

    def __init__(self, setup: Setup, begun: Callable[[Answer], None] = lambda answer: None) -> None:
        """begun: told of a run that was claimed."""
        self.where = Workspace.open(store=setup.store, data=setup.data, device=setup.device)
        self.unmet = _load(setup.extensions)
        self._files, self._begun = setup.datasets, begun
        self._datasets: dict[str, Dataset] = {}
        self.queues: dict[str, Queue] = {}

    def answer(self, line: str) -> Answer:
        """Do what a message says. A broken one must not end the study: the reason is the answer."""
        try:
            work = WORK.validate_json(line)
            return self.make(work.study) if isinstance(work, MakeRun) else self._time(work)
        except Exception as error:
            return Answer(status="unable", reason=_told(error))

    def make(self, study: str) -> Answer:
        """Claim a run of a study that nobody makes, and make it."""
        wanted = self.queues.setdefault(study, Queue(self.where.store, study))
        for batch, trial in wanted.open():
            if (due := wanted.look(trial).left) is None:
                continue
            if why := self._cannot(batch):
                return Answer(status="unable", reason=why)
            try:
                return self._make(wanted, batch, trial, due)
            except (Held, Failed):
                continue
        return Answer(status="nothing")

    def _make(self, wanted: Queue, batch: Batch, trial: AnyTrial, due: Try) -> Answer:
        @contextmanager
        def hold(run: str) -> Iterator[None]:
            with wanted.leases.claim(run):
                self._begun(Answer(status="begun", run=run))
                yield

        try:
            if isinstance(trial, CommandTrial):
                record = self._run(batch, trial, due, hold)
            else:
                record = self._train(batch, trial, due, hold)
        except (Held, Failed):
            raise
        except (DataChanged, StoreFailed, _Unable) as error:
            return Answer(status="unable", reason=str(error))
        except RequestError as error:
            return Answer(status="refused", run=due.run, reason=str(error))
        except LeaseLost as error:
            return Answer(status="interrupted", run=due.run, reason=str(error))
        except Exception as error:
            return Answer(status="crashed", run=due.run, reason=_told(error))
        return Answer(status=record.status, run=due.run, reason=record.reason, seconds=record.seconds)

    def _train(self, batch: Batch, trial: Trial, due: Try, hold: Hold) -> "RunRecord":
        import torch

        from bakeoff.runs.record import run_id
        from bakeoff.runs.runner import run_plan

        if (run := run_id(trial.plan, due.seed, batch.data_fingerprint)) != due.run:
            raise _Unable(f"run {due.run} would be {run} here: another version of bakeoff asked for it")
        plan, *others = trial.plans
        torch.set_num_threads(batch.threads)
        return run_plan(
            batch.task,
            plan,
            trial.recipe,
            due.seed,
            self._dataset(batch.task),
            self.where,
            extra_evaluations=others,
            hold=hold,
        )

    def _run(self, batch: Batch, trial: CommandTrial, due: Try, hold: Hold) -> "RunRecord":
        from bakeoff.commands.depends import Invocation
        from bakeoff.commands.run import run_command

        try:
            invocation = Invocation.of(trial.command, trial.texts)
        except RequestError as error:
            raise _Unable(str(error)) from None
        if (run := invocation.run_id(due.seed)) != due.run:
            raise _Unable(
                f"run {due.run} would be {run} here: what the command in {trial.command.folder} depends on isn't what "
                "it was when the study was planned"
            )
        return run_command(
            invocation,
            due.seed,
            self.where.store,
            task=trial.task,
            recipe=trial.recipe,
            threads=batch.threads,
            device=self.where.device,
            hold=hold,
        )

    def _cannot(self, batch: Batch) -> str:
        """Why this worker can't make runs of a batch; nothing where it can."""
        if self.unmet:
            return self.unmet
        if not batch.task:  # commands, which know their data themselves
            return ""
        for extension in batch.extensions:
            if extension.group == "task" and extension.name in self._files:
                continue
            found = registry.origin(extension.group, extension.name)
            if found is None:
                return (
                    f"{extension.group} '{extension.name}' ({extension.where}) isn't known here: name it as the "
                    "study's command did, or install its package"
                )
            if found.digest != extension.digest:
                return f"{extension.group} '{extension.name}' ({found.where}) isn't what the study was planned with"
        try:
            dataset = self._dataset(batch.task)
        except BakeoffError as error:
            return f"the data of {batch.task} can't be read: {error}"
        if dataset.fingerprint != batch.data_fingerprint:
            return (
                f"the data of {batch.task} aren't those that runs were planned with (fingerprint "
                f"{batch.data_fingerprint}, here {dataset.fingerprint}); runs on other data are others"
            )
        return ""

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
                self._datasets[task] = tasks.get(task, self.where.data, skip_bad=True).load(self.where.folder)
        return self._datasets[task]


@dataclass
class Worked:
    """What a worker did. made: runs that came to an end, each with how. failed: those that won't, and why."""

    made: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def work(setup: Setup, study: str, idle: float, observer: Observer) -> Worked:
    """Make what studies of a store want, until that is complete, or nothing was to be done for `idle` seconds.

    study: by name, or its first characters; empty for all. Raises RequestError where this worker could make nothing of
    what is wanted, and where there is no such study.
    """
    store = open_store(setup.store)
    handler = Handler(setup, lambda answer: observer(WorkerNews(name, answer.run, answer.status)))
    did, name, unable, seen = Worked(), "", dict[str, str](), set[str]()
    since, waiting = time.monotonic(), False
    while True:
        there = [name for name in store.studies_with_work() if name.startswith(study)]
        seen |= {*there} or {name for name in store.study_names() if study and name.startswith(study)}
        answer = Answer(status="nothing")
        for name in there:
            if name not in unable and (answer := handler.make(name)).status != "nothing":
                break
        if answer.status == "unable":
            unable[name] = answer.reason
            observer(WorkerNews(name, "", answer.status, answer.reason))
        elif answer.run:
            if answer.status in ("done", "diverged"):
                did.made[answer.run] = answer.status
            observer(WorkerNews(name, answer.run, answer.status, answer.reason, answer.seconds))
            since, waiting = time.monotonic(), False
        elif (
            seen and all(name in unable or complete(store, name) for name in seen)
        ) or time.monotonic() > since + idle:
            break
        else:
            if not waiting:
                observer(Doing("waiting for runs to make"))
            waiting = True
            time.sleep(min(_PAUSE, idle))
    if unable and not did.made:
        raise RequestError("; ".join(f"{name}: {why}" for name, why in unable.items()))
    if study and not seen:
        raise unknown(f"study in {store.url}", study, [*store.study_names(), *store.studies_with_work()])
    for wanted in handler.queues.values():
        did.failed |= wanted.failed
    return did


def serve() -> None:
    """Answer messages until standard input ends, the first being the setup."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    handler = Handler(Setup.model_validate_json(lines.get()), _say)
    while True:
        _say(handler.answer(lines.get()))


def _say(answer: Answer) -> None:
    print(answer.model_dump_json(), flush=True)


def _load(extensions: Sequence[registry.Extension]) -> str:
    """Load what came from outside; why that can't be done, if it can't."""
    try:
        for extension in extensions:
            registry.load(extension)
    except BakeoffError as error:
        return str(error)
    return ""


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, BakeoffError) else f"{type(error).__name__}: {error}"


def _listen(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    serve()
