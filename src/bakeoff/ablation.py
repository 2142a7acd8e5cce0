"""What does each technique buy on this data? Plan the runs, make those that the store lacks, estimate."""

import hashlib
import itertools
import json
import os
import shlex
import statistics
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bakeoff.api import Job, data_folder, plan_job
from bakeoff.arrangement import arrange, speeds
from bakeoff.data.dataset import Dataset
from bakeoff.engine import device as devices
from bakeoff.engine import timing
from bakeoff.engine.train import ENGINE_VERSION
from bakeoff.errors import RequestError
from bakeoff.launch import Cell, Crew, Outcome
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, Technique, compile_plan
from bakeoff.runner import SPLITS, decoders
from bakeoff.store import Store, open_store, run_id
from bakeoff.study import designs
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.forecast import Choice, choices
from bakeoff.study.power import Kind
from bakeoff.study.spec import Level, Row, Spec, study_names

DESIGNS: tuple[Kind, ...] = ("factorial", "leave-one-out", "add-one", "ladder")
CORNERS = 3  # more pairs of all on and all off: they show the noise and the total gain directly
_MOST_BLOCKS = 40  # of a budget: beyond, the evaluation images are what limits the intervals
_WORTH_TIMING = 120.0  # seconds of a study: to time its processes takes about 5
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


def plan_within(job: Job, limit: float | None, length: float, **request: Any) -> tuple[Spec, list[Choice]]:
    """A study and its prospects; with a limit in seconds, the largest factorial that fits.

    length: the job's, for advice. request: as for `plan_study`. Raises RequestError if not even the smallest fits.
    """
    chosen = {name: request[name] for name in ("jobs", "threads", "dataset", "data", "store")}
    spec = plan_study(job, **request)
    if limit is not None and (spec.design != "factorial" or request["runs"] or request["seeds"]):
        raise RequestError("--budget picks the size of a factorial; leave --runs and --seeds out")
    spec = arranged(spec, job, **chosen)
    found = prospects(spec, job, request["dataset"])
    if limit is None:
        return spec, found
    per_run, block = found[0].seconds / found[0].runs, len(designs.factorial(len(spec.training)))
    blocks = min(_MOST_BLOCKS, int((limit / per_run - 2 * CORNERS) // block))
    if blocks < 1:
        raise RequestError(
            f"the smallest factorial takes about {found[0].seconds / 60:.1f} minutes; give it that, or train for less "
            f"(--length {length * limit / found[0].seconds:.2g})"
        )
    request["runs"] = blocks * block
    spec = arranged(plan_study(job, **request), job, **chosen, like=spec)
    return spec, prospects(spec, job, request["dataset"])


def prospects(spec: Spec, job: Job, dataset: Dataset) -> list[Choice]:
    """What the study would take and tell at its size, and at others that the design can have.

    The time comes from short runs on this machine. How large the noise is, only the study will show: the task's own is
    taken if it is known, else effects are in units of it.
    """
    k, device = len(spec.training), devices.resolve(spec.device)
    both = (job.compiled.base, job.plan)
    per_image = statistics.mean(seconds_per_image(plan, dataset, device, spec.threads) for plan in both)
    levels = [row.levels for row in spec.rows]
    found = factors(job)
    shown = sum(row_plans(job, found, level)[0].examples_seen for level in levels)
    looked_at = len(levels) * len(spec.levels) * sum(len(dataset.splits[split]) for split in SPLITS)
    whole = per_image * (shown + looked_at / 3) / spec.jobs  # without gradients a third is left
    kind = spec.design
    sizes = sorted({len(spec.rows), *other_sizes(kind, k)})
    return choices(kind, {runs: whole * runs / len(spec.rows) for runs in sizes}, k, job.task.noise_pp)


def other_sizes(kind: Kind, k: int) -> list[int]:
    """A few sizes, in runs, that a design comes in."""
    if kind == "factorial":
        return [len(designs.factorial(k)) * blocks + 2 * CORNERS for blocks in (1, 2, 4)]
    return [len(design_of(kind, k, seeds, None, 0)) for seeds in (2, 4, 8)]


def seconds_per_image(plan: Plan, dataset: Dataset, device: torch.device, threads: int) -> float:
    """Training time per image of a plan in one process, from a moment of it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return timing.seconds_per_image(plan, dataset, device, seconds=0.2, workers=decoders(dataset, None))
    finally:
        torch.set_num_threads(before)


def arranged(
    spec: Spec,
    job: Job,
    *,
    jobs: int | None,
    threads: int | None,
    dataset: Dataset,
    data: Path | str | None = None,
    store: Path | str | None = None,
    like: Spec | None = None,
) -> Spec:
    """A study with its processes and threads settled: as asked for, as it began, or as a short timing says.

    jobs, threads: what was asked for. It is timed only where there is something to choose and the study is long enough;
    what was chosen stays with the study, so that going on with it can't change its bits. like: a study of the same job
    that is settled already.
    """
    cores, results = os.cpu_count() or 1, open_store(store)
    if jobs or threads:
        return replace(spec, arrangement="as asked for")
    if spec.name in study_names(results):
        begun = Spec.load(results, spec.name)
        return replace(spec, jobs=begun.jobs, threads=begun.threads, arrangement=begun.arrangement)
    if like:
        return replace(spec, jobs=like.jobs, threads=like.threads, arrangement=like.arrangement)
    if spec.device != "cpu":
        return replace(spec, arrangement="one device")
    if cores == 1:
        return replace(spec, arrangement="one core")
    found = factors(job)
    shown = sum(row_plans(job, found, row.levels)[0].examples_seen for row in spec.rows)
    alone = seconds_per_image(job.plan, dataset, devices.resolve(spec.device), spec.threads)
    if shown * alone / spec.jobs < _WORTH_TIMING:
        return replace(spec, arrangement="too short a study to time others")
    plans = [plan.model_dump(mode="json") for plan in (job.compiled.base, job.plan)]
    most = min(cores, len(spec.rows))
    with speeds(spec.task, plans, data=data_folder(data), device=spec.device, most=most) as speed:
        best = arrange(cores, most, speed)
    return replace(spec, jobs=best.jobs, threads=best.threads, arrangement=best.why)


def missing(runs: Sequence[tuple[Row, Job]], results: Store, crashed: Container[str] = ()) -> list[Cell]:
    """The runs that the store lacks: of each row the first try, or the second where the first failed.

    runs: rows, each with the job whose techniques its levels switch. crashed: runs not to be tried again; a run that
    crashed earlier is, since the reason may be gone.
    """
    sorted_out = {key: (job, factors(job)) for key, job in {id(job): job for _, job in runs}.items()}
    views = {key: {level.view for level in levels_of(job, found)} for key, (job, found) in sorted_out.items()}
    cells = []
    for index, (row, job) in enumerate(runs):
        for seed, run in zip(row.seeds, row.runs, strict=True):
            record = results.read(run, views[id(job)])
            if run in crashed or (record and record.status == "diverged"):
                continue
            if not (record and record.status == "done" and views[id(job)] <= {view.name for view in record.views}):
                found = sorted_out[id(job)][1]
                on = [t for t, is_on in zip(found.training, row.levels, strict=True) if is_on]
                recipe = Recipe("row", (*on, *found.evaluation)).as_json()
                plans = row_plans(job, found, row.levels)
                cost = float(plans[0].examples_seen * plans[0].train_px ** 2)
                cells.append(
                    Cell(
                        index, run, job.task.name, recipe, [plan.model_dump(mode="json") for plan in plans], seed, cost
                    )
                )
            break
    return cells


def ablate(
    task: str = "digits",
    recipe: str = "torchvision-2021",
    *,
    with_: Sequence[str] = (),
    without: Sequence[str] = (),
    settings: Sequence[str] = (),
    model: str | None = None,
    length: float = 1.0,
    design: Kind = "factorial",
    seeds: int | None = None,
    runs: int | None = None,
    device: str = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
) -> Results:
    """Measure what each technique of a recipe buys; runs that the store has are not made again.

    The first arguments are those of `train`. design: factorial (averaged effects), leave-one-out, add-one or ladder.
    seeds: fold pairs, replicates or repeats; runs: of a factorial, instead. jobs, threads: processes, and threads of
    each.
    """
    job = plan_job(task, recipe, with_=with_, without=without, settings=settings, model=model, length=length, data=data)
    dataset = job.task.load(data_folder(data))
    spec = plan_study(
        job, design=design, seeds=seeds, runs=runs, device=device, jobs=jobs, threads=threads, dataset=dataset,
        store=store,
    )  # fmt: skip
    spec = arranged(spec, job, jobs=jobs, threads=threads, dataset=dataset, data=data, store=store)
    run_study(spec, job, data=data, store=store)
    return analyse(open_store(store), spec)


def run_study(
    spec: Spec,
    job: Job,
    *,
    data: Path | str | None = None,
    store: Path | str | None = None,
    report: Callable[[Outcome, int], None] = lambda outcome, left: None,
) -> None:
    """Keep a study, and make the runs that it lacks, in parallel: see `run_rows`."""
    results = open_store(store)
    results.prepare()
    spec.save(results)
    with crew(spec, results, data) as workers:
        run_rows(workers, [(row, job) for row in spec.rows], results, report)


def crew(spec: Spec, results: Store, data: Path | str | None) -> Crew:
    """The processes that a study asks for."""
    return Crew(store=results.root, data=data_folder(data), device=spec.device, jobs=spec.jobs, threads=spec.threads)


def run_rows(
    workers: Crew, runs: Sequence[tuple[Row, Job]], results: Store, report: Callable[[Outcome, int], None]
) -> None:
    """Make the runs that the store lacks; what fails is tried once more with another seed.

    runs: as for `missing`. report: called after every run with its outcome and the number of runs that are left.
    """
    crashed: set[str] = set()
    while cells := missing(runs, results, crashed):
        left = len(cells)
        for outcome in workers.launch(cells):
            left -= 1
            if outcome.status == "crashed":
                crashed.add(outcome.cell.run)
                record = results.read(outcome.cell.run)
                if record and record.status == "interrupted":  # its process had no time to say so
                    results.write(replace(record, status="crashed", reason=outcome.reason))
            report(outcome, left)
