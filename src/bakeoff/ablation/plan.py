"""A study laid out: which techniques are trained with and without, and the runs of its design."""

import hashlib
import itertools
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any

from bakeoff.ablation.design import Design, LeaveOneOut, Settled
from bakeoff.data.dataset import Dataset
from bakeoff.errors import RequestError
from bakeoff.files import printable
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.recipes.request import Job
from bakeoff.runs.record import EvalSetting, run_id
from bakeoff.runs.workspace import Workspace
from bakeoff.study import seeds
from bakeoff.study.spec import DesignPoint, StudySpec
from bakeoff.technique import Technique

_LONGEST = 200  # bytes of a study's name that are the task's: file systems take 255


@dataclass(frozen=True)
class Factors:
    """A job's techniques by what their effect takes.

    training: runs with and without. evaluation: both levels are read from every run.
    """

    job: Job
    training: tuple[Technique, ...]
    evaluation: tuple[Technique, ...]

    def levels(self) -> list[EvalSetting]:
        """The settings of the evaluation techniques, off before on, the last one running fastest."""
        levels = []
        for setting in itertools.product((False, True), repeat=len(self.evaluation)):
            plan = self._compiled(compress(self.evaluation, setting))
            levels.append(EvalSetting.of(plan))
        return levels

    def plans(self, on_off: Sequence[bool]) -> list[Plan]:
        """The plans of a run: all evaluation techniques on, which is what is trained; then their other settings."""
        trained = tuple(compress(self.training, on_off))
        return [
            self._compiled((*trained, *compress(self.evaluation, setting)))
            for setting in itertools.product((True, False), repeat=len(self.evaluation))
        ]

    def recipe(self, on_off: Sequence[bool]) -> Recipe:
        """What a run is trained with."""
        return Recipe("row", (*compress(self.training, on_off), *self.evaluation))

    def row(self, on_off: Sequence[bool], seed: int, fingerprint: str) -> DesignPoint:
        """A run of a design, with the ids of its two tries."""
        plan = self._compiled(self.recipe(on_off).techniques)
        both = (seed, seed + seeds.SECOND_TRY)
        first, second = (run_id(plan, each, fingerprint) for each in both)
        return DesignPoint(tuple(on_off), seed, both, (first, second))

    def _compiled(self, techniques: Iterable[Technique]) -> Plan:
        return compile_plan(self.job.task, Recipe("row", tuple(techniques)), self.job.compiled.base).plan


def factors(job: Job) -> Factors:
    """Sort a job's techniques; what changes no weights is an evaluation technique."""
    base, task = job.compiled.base, job.task
    applicable = [technique for technique in job.recipe.techniques if technique.name not in job.compiled.skipped]
    whole = compile_plan(task, Recipe("all", tuple(applicable)), base).plan.training_digest
    evaluation = []
    for technique in applicable:
        without = tuple(other for other in applicable if other is not technique)
        if compile_plan(task, Recipe("without", without), base).plan.training_digest == whole:
            evaluation.append(technique)
    return Factors(job, tuple(technique for technique in applicable if technique not in evaluation), tuple(evaluation))


def plan_study(job: Job, design: Design, where: Workspace, dataset: Dataset) -> StudySpec:
    """Lay a study out; nothing is run.

    job: the recipe whose techniques are measured. Unless the workspace says how many processes and threads, there is a
    process of one thread per core on a CPU and one process on a GPU; `size.arranged` may know better. Raises
    RequestError for a size that the design can't have.
    """
    found = factors(job)
    if not found.training:
        raise RequestError("the recipe has no technique that changes training; add some (--with)")
    drawn = design.draw(len(found.training))
    where.store.prepare()
    levels = found.levels()
    rows = [
        found.row(on_off, block, dataset.fingerprint)
        for on_off, block in zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True)
    ]
    device, cores, jobs, threads = where.torch_device(), os.cpu_count() or 1, where.jobs, where.threads
    everything = {
        "task": job.task.name,
        "design": design.kind,
        "design_seed": design.seed,
        "recipe": job.recipe.as_json(),
        "rows": [row.runs for row in rows],
        "levels": [level.view for level in levels],
    }
    looks: tuple[int, ...] = ()
    tolerance: float | None = None
    if isinstance(design, LeaveOneOut) and isinstance(design.size, Settled):
        looks, tolerance = design.looks(len(found.training)), design.size.tolerance
        everything |= {"looks": looks, "tolerance": tolerance}
    return StudySpec(
        name=study_name(job.task.name, design.kind, everything),
        task=job.task.name,
        design=design.kind,
        design_seed=design.seed,
        recipe=job.recipe.as_json(),
        training=tuple(t.name for t in found.training),
        evaluation=tuple(t.name for t in found.evaluation),
        not_applicable=dict(job.compiled.skipped),
        order=tuple(t.name for t in job.recipe.techniques if t.name not in job.compiled.skipped),
        rows=tuple(rows),
        eval_settings=tuple(levels),
        base_plan=job.compiled.base.model_dump(mode="json"),
        recipe_plan=job.plan.model_dump(mode="json"),
        data_fingerprint=dataset.fingerprint,
        classes=dataset.classes,
        splits={name: len(split) for name, split in dataset.splits.items()},
        device=str(device),
        jobs=jobs or (max(1, cores // (threads or 1)) if device.type == "cpu" else 1),
        threads=threads or (1 if jobs is None and device.type == "cpu" else max(1, cores // (jobs or 1))),
        command=shlex.join(["bakeoff", *job.request.command]) if job.request.command else "",
        versions={name: version(name) for name in ("bakeoff", "torch", "torchvision", "numpy")},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        looks=looks,
        tolerance=tolerance,
    )


def study_name(task: str, kind: str, asked: Any) -> str:
    """A name that says what it is, with six digits of what was asked, as plain data."""
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    called = printable(Path(task.removeprefix("folder:")).name).replace("\0", "")
    while len(called.encode()) > _LONGEST:
        called = called[:-1]
    return f"{called}-{kind}-{digest}"
