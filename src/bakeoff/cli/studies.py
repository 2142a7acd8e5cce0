"""Ablate and report."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.runs.store import open_store


def ablate(
    context: typer.Context,
    task: options.TaskName = "digits",
    recipe: options.RecipeName = "torchvision-2021",
    with_: options.With = None,
    without: options.Without = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    length: options.Length = 1.0,
    design: Annotated[str, typer.Option(help="factorial, leave-one-out, add-one or ladder.")] = "factorial",
    seeds: Annotated[int | None, typer.Option(min=1, help="Fold pairs, replicates or repeats of the design.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of a factorial, instead of --seeds.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time, such as 30m: the largest factorial that fits.")] = None,
    half_width: Annotated[float | None, typer.Option(help="Points: as many runs as intervals of +- this take.")] = None,
    design_seed: Annotated[int, typer.Option(min=0, help="Seed of the design.")] = 0,
    delta: Annotated[float, typer.Option(min=0.0, help="Gains within +-delta points aren't worth having.")] = 0.1,
    jobs: Annotated[str, typer.Option(help="Processes; auto is one per core on a CPU, one on a GPU.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each process.")] = None,
    device: options.Device = "auto",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Print what would be run, and stop.")] = False,
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure what each technique of a recipe buys on your data, with intervals, beside what post and papers claim."""
    from bakeoff import api
    from bakeoff.ablation import plan as layout
    from bakeoff.ablation import run as ablation
    from bakeoff.ablation import size as sizing
    from bakeoff.report.console import study
    from bakeoff.report.console.preview import show_enlargement, show_prospects
    from bakeoff.report.console.progress import study_progress
    from bakeoff.report.render import write
    from bakeoff.stats.table import Reading
    from bakeoff.study.analyse import analyse
    from bakeoff.study.preview import seconds

    out, err = consoles(as_json)
    limit = seconds(budget) if budget else None
    job = api.plan_job(
        task, recipe, with_=options.names(with_), without=options.names(without), settings=settings or (), model=model,
        length=length, data=data, skip_bad=skip_bad,
    )  # fmt: skip
    results = open_store(store)
    request = {
        "design": options.one_of(design, "--design", layout.DESIGNS), "seeds": seeds, "runs": runs,
        "design_seed": design_seed, "device": device, "jobs": options.jobs(jobs), "threads": threads,
        "dataset": job.task.load(api.data_folder(data)), "data": data, "store": store, "command": context.obj,
    }  # fmt: skip
    spec = sizing.sized(job, half_width, limit, length, **request)
    prospects = sizing.prospects(spec, job, request["dataset"], half_width)
    if plan_only and as_json:
        print_json({"study": spec.name, "design": spec.design, "runs": len(spec.rows), "training": spec.training,
                     "evaluation": spec.evaluation, "not_applicable": spec.not_applicable,
                     "choices": [asdict(choice) for choice in prospects]})  # fmt: skip
        return
    if plan_only or not quiet:
        show_prospects(out if plan_only else err, spec, prospects, job.task.noise_pp)
    if plan_only:
        return
    told = Console(quiet=True) if quiet else err
    with study_progress(told, results, spec) as report:
        spec = ablation.run_study(spec, job, data=data, store=store, report=report)
    found = analyse(results, spec, Reading(delta=delta))
    if half_width is not None and (larger := sizing.enlarged(found, half_width, job, **request)):
        show_enlargement(told, found, larger, prospects, half_width)
        with study_progress(told, results, larger) as report:
            spec = ablation.run_study(larger, job, data=data, store=store, report=report)
        found = analyse(results, spec, Reading(delta=delta))
    page = write(found, "html", results.study_file(spec.name, "report.html"))
    if as_json:
        print_json(found.as_json())
    else:
        study.show(out, found)
        out.print(f"report: {page}", soft_wrap=True, markup=False)


def report(
    name: Annotated[str | None, typer.Argument(metavar="STUDY", help="A study by name [the only one].")] = None,
    format_: Annotated[str, typer.Option("--format", help="html, md or ipynb.")] = "html",
    output: Annotated[Path | None, typer.Option(help="File to write [beside the study].")] = None,
    delta: Annotated[float, typer.Option(min=0.0, help="Gains within +-delta points aren't worth having.")] = 0.1,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write the report of a study, from the store alone; while runs are missing, of what is there."""
    from bakeoff.report.console import study
    from bakeoff.report.render import FORMATS, write
    from bakeoff.stats.table import Reading
    from bakeoff.study.analyse import analyse
    from bakeoff.study.spec import Spec

    results = open_store(store)
    spec = Spec.load(results, name or "")
    kind = options.one_of(format_, "--format", FORMATS)
    found = analyse(results, spec, Reading(delta=delta))
    path = write(found, kind, output or results.study_file(spec.name, f"report.{kind}"))
    out, _ = consoles(as_json)
    if as_json:
        print_json({**found.as_json(), "report": str(path)})
    else:
        if not quiet:
            study.show(out, found)
        out.print(f"report: {path}", soft_wrap=True, markup=False)
