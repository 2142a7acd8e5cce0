"""Derive a recipe."""

from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import RequestError


def derive(
    context: typer.Context,
    task: options.TaskName = "digits",
    recipe: Annotated[str, typer.Option(help="A recipe whose techniques are the candidates.")] = "torchvision-2021",
    include: Annotated[list[str] | None, typer.Option(help="More candidates: A,B.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Techniques that are no candidates: A,B.")] = None,
    always: Annotated[list[str] | None, typer.Option(help="Candidates that stay on: A,B.")] = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    px: options.Px = None,
    length: options.Length = 1.0,
    objective: Annotated[str, typer.Option(help="What is to be high: acc1 or acc5.")] = "acc1",
    budget: Annotated[str | None, typer.Option(help="Time for everything, such as 1h.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs for everything, instead of --budget.")] = None,
    max_time: Annotated[str | None, typer.Option(help="Longest that one training may take, such as 5m.")] = None,
    strengths: Annotated[bool, typer.Option(help="Try other strengths too, where the budget allows.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    delta: options.Delta = None,
    jobs: Annotated[str, typer.Option(help="Processes; auto takes as many as a short timing finds fastest.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of each process.")] = None,
    on: options.On = "local",
    device: options.Device = "auto",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Print what would be run, and stop.")] = False,
    track: options.Track = None,
    grace: options.Grace = options.GRACE,
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Find the best recipe for your data, and prove it.

    Under a budget; the proof is fresh runs on images that took no part.
    """
    from bakeoff import api
    from bakeoff.api.studies import Sought
    from bakeoff.reader import duration
    from bakeoff.recipes.request import Request
    from bakeoff.report.console import derivation, study
    from bakeoff.runs.workspace import Workspace
    from bakeoff.stats.table import AnalysisOptions
    from bakeoff.study.search import OBJECTIVES

    if context.args:
        raise RequestError(
            "derive searches recipes of our own trainer, and takes options alone; of a command, bakeoff ablate "
            f"{context.args[0]} --question recipe says which factors should be on"
        )
    if (budget is None) == (runs is None):
        raise RequestError("a derivation needs a budget: --budget 1h, or --runs 80")
    out, _ = consoles(as_json)
    request = Request(
        task=task, recipe=recipe, with_=options.names(include), without=options.names(exclude),
        settings=settings or (), model=model, length=length, px=px, skip_bad=skip_bad, command=context.obj,
    )  # fmt: skip
    asked: Sought = {
        "budget": budget,
        "runs": runs,
        "objective": options.one_of(objective, "--objective", OBJECTIVES),
        "always": options.names(always),
        "max_time": duration(max_time) if max_time else None,
        "strengths": strengths,
        "seed": seed,
        "where": Workspace.open(
            store=store, data=data, device=device, jobs=options.jobs(jobs), threads=threads, track=track or (), on=on
        ),
    }
    if plan_only:
        with observer(quiet) as shown:
            planned = api.plan_derivation(request, observer=shown, **asked)
        print_json(planned.as_json()) if as_json else derivation.show_plan(out, planned.asked)
        return
    with observer(quiet) as shown:
        found = api.derive(request, options=AnalysisOptions(delta=delta), observer=shown, **asked)
    kept = asked["where"].store
    file = api.recipe_file(kept, found.spec.name)
    if as_json:
        print_json({**found.as_json(), "recipe_file": str(file)})
    else:
        study.show(out, found)
        out.print(f"recipe: {file}", soft_wrap=True, markup=False)
        out.print(f"report: {api.report_file(kept, found.spec.name)}", soft_wrap=True, markup=False)
