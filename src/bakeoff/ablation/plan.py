"""A study laid out: which techniques are trained with and without, and the runs of its design."""

import hashlib
import itertools
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bakeoff.api import Job, data_folder
from bakeoff.data.dataset import Dataset
from bakeoff.engine import device as devices
from bakeoff.engine.train import ENGINE_VERSION
from bakeoff.errors import RequestError
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.runs.record import run_id
from bakeoff.runs.store import open_store
from bakeoff.stats import designs
from bakeoff.stats.power import Kind
from bakeoff.study.spec import Level, Row, Spec
from bakeoff.technique import Technique

DESIGNS: tuple[Kind, ...] = ("factorial", "leave-one-out", "add-one", "ladder")
CORNERS = 3  # more pairs of all on and all off: they show the noise and the total gain directly
_SECOND_TRY = 1_000_000  # added to the seed of a run that failed


@dataclass(frozen=True)
class Factors:
    """A recipe's techniques by what their effect takes.

    training: runs with and without. evaluation: both levels are read from every run. not_applicable: nothing helps.
    """

    training: tuple[Technique, ...]
    evaluation: tuple[Technique, ...]
    not_applicable: dict[str, str]


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
    return Factors(
        tuple(technique for technique in applicable if technique not in evaluation),
        tuple(evaluation),
        dict(job.compiled.skipped),
    )


def design_of(kind: Kind, k: int, seeds: int | None, runs: int | None, seed: int) -> designs.Design:
    """A design by name.

    seeds: fold pairs of a factorial, replicates of a toggle, repeats of a ladder. runs: of a factorial, instead.
    Raises RequestError for a kind that doesn't exist or a size that can't be had.
    """
    if kind == "factorial":
        size = runs or 2 * (seeds or len(designs.factorial(k)))  # two blocks, so that it shows its own noise
        return designs.factorial(k, size, corners=CORNERS, seed=seed)
    if runs is not None:
        raise RequestError(f"--runs sets the size of a factorial; for {kind} use --seeds")
    if kind == "leave-one-out":
        return designs.leave_one_out(k, seeds or 4, seed=seed)
    if kind == "add-one":
        return designs.add_one(k, seeds or 4, seed=seed)
    return designs.ladder(range(k), seeds or 3, seed=seed)


def plan_study(
    job: Job,
    *,
    design: Kind = "factorial",
    seeds: int | None = None,
    runs: int | None = None,
    design_seed: int = 0,
    device: str = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    dataset: Dataset | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
    command: Sequence[str] = (),
) -> Spec:
    """Lay a study out; nothing is run.

    job: the recipe whose techniques are measured. jobs, threads: processes and threads of each (None: a process of one
    thread per core on a CPU, one process on a GPU; `arranged` may know better).
    """
    if design not in DESIGNS:
        raise RequestError(f"unknown design '{design}'; there are: {', '.join(DESIGNS)}")
    found = factors(job)
    if not found.training:
        raise RequestError("the recipe has no technique that changes training; add some (--with)")
    drawn = design_of(design, len(found.training), seeds, runs, design_seed)
    results, chosen = open_store(store), devices.resolve(device)
    results.prepare()
    dataset = dataset or job.task.load(data_folder(data))
    base = job.compiled.base
    levels = levels_of(job, found)
    rows = [
        make_row(job, found, on_off, block, dataset.fingerprint)
        for on_off, block in zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True)
    ]
    cores = os.cpu_count() or 1
    everything = {
        "task": job.task.name,
        "design": design,
        "design_seed": design_seed,
        "recipe": job.recipe.as_json(),
        "rows": [row.runs for row in rows],
        "levels": [level.view for level in levels],
    }
    return Spec(
        name=study_name(job.task.name, design, everything),
        task=job.task.name,
        design=design,
        design_seed=design_seed,
        recipe=job.recipe.as_json(),
        training=tuple(t.name for t in found.training),
        evaluation=tuple(t.name for t in found.evaluation),
        not_applicable=found.not_applicable,
        order=tuple(t.name for t in job.recipe.techniques if t.name not in found.not_applicable),
        rows=tuple(rows),
        levels=tuple(levels),
        base_plan=base.model_dump(mode="json"),
        recipe_plan=job.plan.model_dump(mode="json"),
        data_fingerprint=dataset.fingerprint,
        classes=dataset.classes,
        splits={name: len(split) for name, split in dataset.splits.items()},
        device=str(chosen),
        jobs=jobs or (max(1, cores // (threads or 1)) if chosen.type == "cpu" else 1),
        threads=threads or (1 if jobs is None and chosen.type == "cpu" else max(1, cores // (jobs or 1))),
        command=shlex.join(["bakeoff", *command]) if command else "",
        versions={name: version(name) for name in ("bakeoff", "torch", "torchvision", "numpy")},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def study_name(task: str, kind: str, asked: Any) -> str:
    """A name that says what it is, with six digits of what was asked, as plain data."""
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:6]
    return f"{Path(task.removeprefix('folder:')).name}-{kind}-{digest}"


def levels_of(job: Job, found: Factors) -> list[Level]:
    """The settings of the evaluation techniques, off before on, the last one running fastest."""
    levels = []
    for setting in itertools.product((False, True), repeat=len(found.evaluation)):
        on = tuple(t for t, is_on in zip(found.evaluation, setting, strict=True) if is_on)
        plan = compile_plan(job.task, Recipe("view", on), job.compiled.base).plan
        levels.append(Level(plan.average is not None, plan.eval_view.resize_px, plan.eval_view.crop_px))
    return levels


def make_row(job: Job, found: Factors, on_off: Sequence[bool], seed: int, fingerprint: str) -> Row:
    """A run of a design, with the ids of its two tries."""
    plan = row_plans(job, found, on_off)[0]
    seeds = (seed, seed + _SECOND_TRY)
    first, second = (run_id(plan, each, fingerprint, ENGINE_VERSION) for each in seeds)
    return Row(tuple(on_off), seed, seeds, (first, second))


def row_plans(job: Job, found: Factors, on_off: Sequence[bool]) -> list[Plan]:
    """The plans of one row: all evaluation techniques on, which is what is trained; then their other settings."""
    trained = tuple(t for t, on in zip(found.training, on_off, strict=True) if on)
    plans = []
    for setting in itertools.product((True, False), repeat=len(found.evaluation)):
        read = tuple(t for t, on in zip(found.evaluation, setting, strict=True) if on)
        plans.append(compile_plan(job.task, Recipe("row", trained + read), job.compiled.base).plan)
    return plans
