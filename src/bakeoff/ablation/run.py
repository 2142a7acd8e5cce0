"""What does each technique buy on this data? Make the runs of a study that the store lacks, and estimate."""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff.ablation.plan import factors, levels_of, row_plans
from bakeoff.ablation.size import enlarged, sized
from bakeoff.api import Job, data_folder, plan_job
from bakeoff.launch.local import Cell, Crew, Outcome
from bakeoff.recipe import Recipe
from bakeoff.runs.store import Store, open_store
from bakeoff.stats.power import Kind
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.spec import Row, Spec


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
    half_width: float | None = None,
    device: str = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
) -> Results:
    """Measure what each technique of a recipe buys; runs that the store has are not made again.

    The first arguments are those of `train`. design: factorial (averaged effects), leave-one-out, add-one or ladder.
    seeds: fold pairs, replicates or repeats; runs: of a factorial, instead; half_width: of its intervals, in points,
    instead: as many runs as that takes. jobs, threads: processes, and threads of each.
    """
    job = plan_job(task, recipe, with_=with_, without=without, settings=settings, model=model, length=length, data=data)
    request: dict[str, Any] = {
        "design": design, "seeds": seeds, "runs": runs, "device": device, "jobs": jobs, "threads": threads,
        "dataset": job.task.load(data_folder(data)), "data": data, "store": store,
    }  # fmt: skip
    results = open_store(store)
    found = analyse(results, run_study(sized(job, half_width, **request), job, data=data, store=store))
    if half_width is not None and (larger := enlarged(found, half_width, job, **request)):
        found = analyse(results, run_study(larger, job, data=data, store=store))
    return found


def run_study(
    spec: Spec,
    job: Job,
    *,
    data: Path | str | None = None,
    store: Path | str | None = None,
    report: Callable[[Outcome, int], None] = lambda outcome, left: None,
) -> Spec:
    """Keep a study, and make the runs that it lacks, in parallel: see `run_rows`. Returns what is kept of it."""
    results = open_store(store)
    results.prepare()
    kept = spec.save(results)
    with crew(spec, results, data) as workers:
        run_rows(workers, [(row, job) for row in spec.rows], results, report)
    return kept


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
