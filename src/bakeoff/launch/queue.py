"""What a study wants made: kept in its store, so that workers anywhere can make it, and taken from there by leases."""

import hashlib
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import ValidationError

from bakeoff.commands.command import Command, Text
from bakeoff.encoding import Value
from bakeoff.plan import Average, EvalView, Plan
from bakeoff.registry import Extension, extensions
from bakeoff.runs.lease import Leases
from bakeoff.runs.record import EvalSetting, Reading
from bakeoff.runs.store import Store
from bakeoff.study.gather import read, read_row
from bakeoff.study.sequential import reached
from bakeoff.study.spec import DesignPoint, StudySpec


class Try(Value):
    """A seed with which a run may be made, and the run that it is then."""

    seed: int
    run: str


class Evaluation(Value):
    """How a plan with the same training part evaluates what was trained."""

    average: Average | None
    eval_view: EvalView


class Trial(Value):
    """A run that is wanted.

    recipe: what it is trained with, for its record. evaluations: of its weights, beside the plan's own. tries: the
    first, and those that follow where the one before diverged. cost: expected time, in any unit.
    """

    recipe: list[dict[str, Any]]
    plan: Plan
    evaluations: tuple[Evaluation, ...]
    tries: tuple[Try, ...]
    cost: float

    @classmethod
    def of(cls, plans: Sequence[Plan], recipe: list[dict[str, Any]], tries: Sequence[Try]) -> "Trial":
        """A trial. plans: the one to train, then those with the same training part to evaluate too."""
        others = tuple(Evaluation(average=plan.average, eval_view=plan.eval_view) for plan in plans[1:])
        cost = float(plans[0].examples_seen * plans[0].train_px ** 2)
        return cls(recipe=recipe, plan=plans[0], evaluations=others, tries=tuple(tries), cost=cost)

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plan to train, then those with the same training part to evaluate too."""
        others = (
            self.plan.model_copy(update={"average": each.average, "eval_view": each.eval_view})
            for each in self.evaluations
        )
        return (self.plan, *others)

    @property
    def views(self) -> list[str]:
        """Names of the evaluations that it is to have."""
        return [EvalSetting.of(plan).view for plan in self.plans]

    @property
    def name(self) -> str:
        """What tells it from other trials: its first run's id."""
        return self.tries[0].run


class CommandTrial(Value):
    """A run of a command that is wanted; as `Trial`. texts: of its factors, to be filled in. task: of the record."""

    command: Command
    texts: dict[str, Text]
    task: str
    recipe: list[dict[str, Any]]
    tries: tuple[Try, ...]
    cost: float = 1.0

    @property
    def views(self) -> list[str]:
        """Names of the evaluations that it is to have."""
        return [Reading(reading=each.name).view for each in self.command.readings]

    @property
    def name(self) -> str:
        """What tells it from other trials: its first run's id."""
        return self.tries[0].run


AnyTrial = Trial | CommandTrial


class Batch(Value):
    """Runs that a study wants at once, with what any worker must know of them.

    task: of our own trainer's runs; commands have none. data_fingerprint: of the data that they are of. threads: that
    each is made with. extensions: what has to be known from outside; a worker that doesn't know it can't make them.
    """

    task: str
    data_fingerprint: str
    threads: int
    extensions: tuple[Extension, ...]
    trials: tuple[AnyTrial, ...]

    @property
    def name(self) -> str:
        """Of its content, so that whoever wants the same writes the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def used(task: str, trials: Iterable[Trial]) -> tuple[Extension, ...]:
    """What was named in this process from outside and is needed for such trials of a task."""
    named = {("task", task)}
    for name in {name for trial in trials for name in trial.plan.sources}:
        head, _, rest = name.partition(".")
        named.add(("model", rest) if head == "model" else ("technique", name))
    return tuple(each for each in extensions() if (each.group, each.name) in named)


@dataclass(frozen=True)
class Outcome:
    """How far a trial is: what its last try came to, or, while `left` is there, what is to be made."""

    status: Literal["done", "diverged", "failed", "open"]
    run: str
    reason: str = ""
    seconds: float = 0.0
    left: Try | None = None


class Queue:
    """What a study wants made, as one process sees it: what it knows to be settled it doesn't look at again.

    failed: runs that aren't tried again, each with the reason, as far as this process has seen them.
    """

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study, self.leases = store, study, Leases(store.storage)
        self._batches: dict[str, Batch] = {}
        self._settled: set[str] = set()
        self.failed: dict[str, str] = {}
        self._draw = random.Random(os.getpid())

    def put(self, batch: Batch) -> None:
        """Keep what is wanted, for workers to find."""
        self.store.add_work(self.study, batch.name, batch.model_dump(mode="json"))

    def remove(self, batch: Batch) -> None:
        """Say that all of it has come to an end."""
        self.store.remove_work(self.study, batch.name)

    def open(self) -> Iterator[tuple[Batch, AnyTrial]]:
        """What isn't known to be settled, the longest first; of equals any, so that workers don't go for the same."""
        wanted = []
        for batch in self._read():
            wanted += [(batch, trial) for trial in batch.trials if trial.name not in self._settled]
        self._draw.shuffle(wanted)
        yield from sorted(wanted, key=lambda each: -each[1].cost)

    def look(self, trial: AnyTrial) -> Outcome:
        """How far a trial is."""
        views = trial.views
        found = Outcome("open", "", left=trial.tries[0])
        for each in trial.tries:
            record = self.store.read(each.run, views)
            if record and record.status == "diverged":
                found = Outcome("diverged", each.run, record.reason, record.seconds)
                continue
            if record and record.status == "done" and set(views) <= {view.name for view in record.views}:
                found = Outcome("done", each.run, "", record.seconds)
            elif why := self.leases.failure(each.run):
                if record and record.status == "interrupted":  # its processes had no time to say so
                    self.store.write(replace(record, status="crashed", reason=why))
                self.failed[each.run] = why
                found = Outcome("failed", each.run, why)
            else:
                found = Outcome("open", each.run, left=each)
            break
        if found.left is None:
            self._settled.add(trial.name)
        return found

    def _read(self) -> list[Batch]:
        there = self.store.work(self.study)
        for name in there:
            if name not in self._batches and (data := self.store.read_work(self.study, name)) is not None:
                try:
                    self._batches[name] = Batch.model_validate(data)
                except ValidationError:  # of a later version, whose workers will make it
                    continue
        return [self._batches[name] for name in there if name in self._batches]


def complete(store: Store, study: str) -> bool:
    """Whether all runs of a study are known and have come to an end, so that nothing will be wanted any more."""
    if study not in store.study_names():
        return False
    spec, leases = StudySpec.load(store, study), Leases(store.storage)

    def ended(row: DesignPoint) -> bool:
        record = read_row(store, row, ())
        return (record is not None and record.ended) or any(leases.failure(run) for run in row.runs)

    rows = spec.rows
    if spec.looks:  # one that ends when it is settled
        rows = tuple(rows[row] for row in reached(spec, read(store, spec, rows)).rows)
    return all(ended(row) for row in (*rows, *spec.published_baseline))
