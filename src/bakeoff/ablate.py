"""What does each technique buy on this data? Plan the runs, make those that the store lacks, estimate."""

import hashlib
import itertools
import json
import os
import shlex
import statistics
import tempfile
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from bakeoff.api import Job, default_data, open_store
from bakeoff.data.dataset import Dataset
from bakeoff.engine import device as devices
from bakeoff.engine.train import ENGINE_VERSION, train
from bakeoff.errors import RequestError
from bakeoff.launch import Cell, Outcome, launch
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, Technique, compile_plan
from bakeoff.store import Store, run_id
from bakeoff.study import designs
from bakeoff.study.spec import Level, Row, Spec

DESIGNS = ("factorial", "leave-one-out", "add-one", "ladder")
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


def design_of(kind: str, k: int, seeds: int | None, runs: int | None, seed: int) -> designs.Design:
    """A design by name.

    seeds: fold pairs of a factorial, replicates of a toggle, repeats of a ladder. runs: of a factorial, instead.
    Raises RequestError for a kind that doesn't exist or a size that can't be had.
    """
    if kind == "factorial":
        return designs.factorial(k, runs or (2 * seeds if seeds else None), corners=3, seed=seed)
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
    design: str = "factorial",
    seeds: int | None = None,
    runs: int | None = None,
    design_seed: int = 0,
    device: str = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    data: Path | None = None,
    store: Path | None = None,
    command: Sequence[str] = (),
) -> Spec:
    """Lay a study out; nothing is run.

    job: the recipe whose techniques are measured. jobs, threads: processes and threads of each (None: a process of one
    thread per core on a CPU, one process on a GPU).
    """
    if design not in DESIGNS:
        raise RequestError(f"unknown design '{design}'; there are: {', '.join(DESIGNS)}")
    found = factors(job)
    if not found.training:
        raise RequestError("the recipe has no technique that changes training; add some (--with)")
    drawn = design_of(design, len(found.training), seeds, runs, design_seed)
    results, chosen = open_store(store), devices.resolve(device)
    results.prepare()
    dataset = job.task.load(data or default_data())
    base = job.compiled.base
    settings = list(itertools.product((False, True), repeat=len(found.evaluation)))
    levels = []
    for setting in settings:
        on = tuple(t for t, is_on in zip(found.evaluation, setting, strict=True) if is_on)
        view = compile_plan(job.task, Recipe("view", on), base).plan
        levels.append(Level(view.average is not None, view.eval_view.resize_px, view.eval_view.crop_px))
    rows = []
    for on_off, block in zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True):
        plan = row_plans(job, found, on_off)[0]
        seeds_of = (block, block + _SECOND_TRY)
        first, second = (run_id(plan, seed, dataset.fingerprint, ENGINE_VERSION) for seed in seeds_of)
        rows.append(Row(tuple(on_off), block, seeds_of, (first, second)))
    cores = os.cpu_count() or 1
    everything = {
        "task": job.task.name,
        "design": design,
        "design_seed": design_seed,
        "recipe": job.recipe.as_json(),
        "rows": [row.runs for row in rows],
        "levels": [level.view for level in levels],
    }
    digest = hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()[:6]
    short = Path(job.task.name.removeprefix("folder:")).name
    return Spec(
        name=f"{short}-{design}-{digest}",
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
        jobs=jobs or (cores if chosen.type == "cpu" else 1),
        threads=threads or (1 if jobs is None and chosen.type == "cpu" else max(1, cores // (jobs or 1))),
        command=shlex.join(["bakeoff", *command]) if command else "",
        versions={name: version(name) for name in ("bakeoff", "torch", "torchvision", "numpy")},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def row_plans(job: Job, found: Factors, on_off: Sequence[bool]) -> list[Plan]:
    """The plans of one row: all evaluation techniques on, which is what is trained; then their other settings."""
    trained = tuple(t for t, on in zip(found.training, on_off, strict=True) if on)
    plans = []
    for setting in itertools.product((True, False), repeat=len(found.evaluation)):
        read = tuple(t for t, on in zip(found.evaluation, setting, strict=True) if on)
        plans.append(compile_plan(job.task, Recipe("row", trained + read), job.compiled.base).plan)
    return plans


def fold_pairs(k: int) -> list[int]:
    """Sizes, in runs, that a factorial of k training techniques comes in, from the smallest."""
    least = len(designs.factorial(k))
    return [least, *(runs for runs in range(least + 8, 8 * least + 1, 8) if runs % least == 0)]


def seconds_per_example(spec: Spec, job: Job, data: Path | None = None) -> float:
    """Training time per image on this machine, the mean of a short run of the baseline and one of the whole recipe."""
    dataset, device = job.task.load(data or default_data()), devices.resolve(spec.device)
    before = torch.get_num_threads()
    torch.set_num_threads(spec.threads)
    try:
        return statistics.mean(_timed(plan, dataset, device) for plan in (job.compiled.base, job.plan))
    finally:
        torch.set_num_threads(before)


def _timed(plan: Plan, dataset: Dataset, device: torch.device) -> float:
    short, longer = (plan.model_copy(update={"examples_seen": plan.batch_size * steps}) for steps in (8, 40))
    with tempfile.TemporaryDirectory() as folder:
        took = [
            train(each, dataset, 0, device, checkpoint=Path(folder) / f"{each.steps}.safetensors", workers=0).seconds
            for each in (short, longer)
        ]
    return max(1e-9, took[1] - took[0]) / (longer.examples_seen - short.examples_seen)


def missing(spec: Spec, job: Job, results: Store, crashed: Container[str] = ()) -> list[Cell]:
    """The runs that the store lacks: of each row the first try, or the second where the first failed.

    crashed: runs not to be tried again; a run that crashed earlier is, since the reason may be gone.
    """
    found, views = factors(job), {level.view for level in spec.levels}
    cells = []
    for index, row in enumerate(spec.rows):
        for seed, run in zip(row.seeds, row.runs, strict=True):
            record = results.read(run)
            if run in crashed or (record and record.status == "diverged"):
                continue
            if not (record and record.status == "done" and views <= {view.name for view in record.views}):
                on = [t for t, is_on in zip(found.training, row.levels, strict=True) if is_on]
                recipe = Recipe("row", (*on, *found.evaluation)).as_json()
                plans = row_plans(job, found, row.levels)
                cost = float(plans[0].examples_seen * plans[0].train_px ** 2)
                cells.append(
                    Cell(index, run, spec.task, recipe, [plan.model_dump(mode="json") for plan in plans], seed, cost)
                )
            break
    return cells


def run_study(
    spec: Spec,
    job: Job,
    *,
    data: Path | None = None,
    store: Path | None = None,
    report: Callable[[Outcome, int], None] = lambda outcome, left: None,
) -> None:
    """Make the runs that a study lacks, in parallel; what fails is tried once more with another seed.

    report: called after every run with its outcome and the number of runs that are left.
    """
    results = open_store(store)
    results.prepare()
    spec.save(results)
    crashed: set[str] = set()
    while cells := missing(spec, job, results, crashed):
        left = len(cells)
        for outcome in launch(
            cells,
            store=results.root,
            data=data or default_data(),
            device=spec.device,
            jobs=spec.jobs,
            threads=spec.threads,
        ):
            left -= 1
            if outcome.status == "crashed":
                crashed.add(outcome.cell.run)
                record = results.read(outcome.cell.run)
                if record and record.status == "interrupted":  # its process had no time to say so
                    results.write(replace(record, status="crashed", reason=outcome.reason))
            report(outcome, left)
