"""Studies of our own trainer: what is varied are the techniques of a job."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bakeoff.ablation import size
from bakeoff.ablation.design import Design
from bakeoff.ablation.plan import factors, plan_study
from bakeoff.data.dataset import Dataset
from bakeoff.launch.queue import Batch, Trial, Try, used
from bakeoff.recipes.request import Job
from bakeoff.runs.idle import fitted
from bakeoff.runs.workspace import Workspace
from bakeoff.study.spec import DesignPoint, StudySpec
from bakeoff.task import Task


@dataclass(frozen=True)
class Trained:
    """See `Subject`."""

    job: Job
    where: Workspace

    @property
    def task(self) -> Task:
        """See `Subject`."""
        return self.job.task

    @cached_property
    def dataset(self) -> Dataset:
        """The task's data."""
        return self.job.task.load(self.where.folder)

    def fitted(self, design: Design) -> "Trained":
        """See `Subject`: shorter trainings where a time asks for it, and no techniques that change nothing."""
        shorter = size.shortened(self.job, design, self.where, self.dataset)
        return replace(self, job=fitted(shorter, self.dataset))

    def laid_out(self, design: Design) -> StudySpec:
        """See `Subject`."""
        return plan_study(self.job, design, self.where, self.dataset)

    def arranged(self, spec: StudySpec, like: StudySpec | None = None) -> StudySpec:
        """See `Subject`."""
        return size.arranged(spec, self.job, self.where, self.dataset, like)

    def estimated(self, spec: StudySpec) -> float:
        """See `Subject`."""
        return size.estimated(spec, self.job, self.where, self.dataset)

    def time(self, spec: StudySpec) -> None:
        """See `Subject`."""

    def seconds(self, spec: StudySpec) -> float:
        """See `Subject`."""
        return size.seconds_of(spec, self.job, self.where, self.dataset)

    def noise(self, design: Design) -> float | None:
        """See `Subject`."""
        return size.noise_pp(self.job, design)

    def for_less(self, share: float) -> str:
        """See `Subject`."""
        return f", {size.for_less(self.job, share)}"

    def batch(self, spec: StudySpec, rows: Sequence[DesignPoint]) -> Batch:
        """See `Subject`."""
        return batch(spec, [(row, self.job) for row in rows])

    def changed(self, spec: StudySpec) -> bool:
        """See `Subject`."""
        return changed(self.job.task, spec, self.where)


def batch(spec: StudySpec, runs: Sequence[tuple[DesignPoint, Job]]) -> Batch:
    """Rows of a study, each with the job whose techniques its levels switch, as what any worker can make."""
    task, trials = runs[0][1].task, wanted(runs)
    return Batch(
        task=task.name,
        data_fingerprint=spec.data_fingerprint,
        threads=spec.threads,
        extensions=used(task.name, trials),
        trials=trials,
    )


def wanted(runs: Sequence[tuple[DesignPoint, Job]]) -> tuple[Trial, ...]:
    """Rows of a design as what any worker can make. runs: each with the job whose techniques its levels switch."""
    sorted_out = {id(job): factors(job) for _, job in runs}
    trials = []
    for row, job in runs:
        found = sorted_out[id(job)]
        tries = [Try(seed=seed, run=run) for seed, run in zip(row.seeds, row.runs, strict=True)]
        plans = found.plans(row.configuration)
        trials.append(Trial.of(plans, found.recipe(row.configuration).as_json(), tries))
    return tuple(trials)


def changed(task: Task, spec: StudySpec, where: Workspace) -> bool:
    """Whether a task's data aren't those that a study was laid out for."""
    return task.load(where.folder).fingerprint != spec.data_fingerprint
