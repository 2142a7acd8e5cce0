"""Derive a recipe."""

from typing import Annotated

import typer
from rich.console import Console

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.errors import RequestError
from bakeoff.runs.store import open_store


def derive(
    context: typer.Context,
    task: options.TaskName = "digits",
    recipe: Annotated[str, typer.Option(help="A recipe whose techniques are the candidates.")] = "torchvision-2021",
    include: Annotated[list[str] | None, typer.Option(help="More candidates: A,B.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Techniques that are no candidates: A,B.")] = None,
    always: Annotated[list[str] | None, typer.Option(help="Candidates that stay on: A,B.")] = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    length: options.Length = 1.0,
    objective: Annotated[str, typer.Option(help="What is to be high: acc1 or acc5.")] = "acc1",
    budget: Annotated[str | None, typer.Option(help="Time for everything, such as 1h.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs for everything, instead of --budget.")] = None,
    max_time: Annotated[str | None, typer.Option(help="Longest that one training may take, such as 5m.")] = None,
    strengths: Annotated[bool, typer.Option(help="Try other strengths too, where the budget allows.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
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
    """Find the best recipe for your data under a budget, and prove it with fresh runs on images that took no part."""
    from bakeoff import api
    from bakeoff.derivation import run as derivation
    from bakeoff.report.console import study
    from bakeoff.report.render import write
    from bakeoff.report.sections import derivation as derivation_report
    from bakeoff.stats.table import Reading
    from bakeoff.study.preview import seconds
    from bakeoff.study.search import OBJECTIVES

    if (budget is None) == (runs is None):
        raise RequestError("a derivation needs a budget: --budget 1h, or --runs 80")
    out, err = consoles(as_json)
    job = api.plan_job(
        task, recipe, with_=options.names(include), without=options.names(exclude), settings=settings or (),
        model=model, length=length, data=data, skip_bad=skip_bad,
    )  # fmt: skip
    results = open_store(store)
    dataset = job.task.load(api.data_folder(data))
    asked = derivation.plan_search(
        job, budget=float(runs) if runs else seconds(budget or ""), unit="runs" if runs else "seconds",
        objective=options.one_of(objective, "--objective", OBJECTIVES), always=options.names(always),
        slowest=seconds(max_time) if max_time else None, strengths=strengths,
        seed=seed, dataset=dataset, store=store, command=context.obj,
        device=device, jobs=options.jobs(jobs), threads=threads, data=data,
    )  # fmt: skip
    if plan_only and as_json:
        print_json(derivation_report.plan_json(asked))
        return
    if plan_only or not quiet:
        derivation_report.show_plan(out if plan_only else err, asked)
    if plan_only:
        return
    with derivation_report.live(Console(quiet=True) if quiet else err, asked) as shown:
        spec = derivation.run_search(asked, job, data=data, store=store, planned=shown.planned, report=shown.report)
    found, file = derivation.finish(asked, job, spec, results, Reading(delta=delta))
    page = write(found, "html", results.study_file(spec.name, "report.html"))
    if as_json:
        print_json({**found.as_json(), "recipe_file": str(file)})
    else:
        study.show(out, found)
        out.print(f"recipe: {file}", soft_wrap=True, markup=False)
        out.print(f"report: {page}", soft_wrap=True, markup=False)
