"""Ablate and report."""

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json

_OF_OUR_TRAINER = ("task", "recipe", "with_", "without", "settings", "model", "px", "length", "skip_bad", "data")


def ablate(
    context: typer.Context,
    study_file: Annotated[
        Path | None, typer.Argument(metavar="[STUDY.yaml]", help="A study of any command; see bakeoff init.")
    ] = None,
    task: options.TaskName = "digits",
    recipe: options.RecipeName = "torchvision-2021",
    with_: options.With = None,
    without: options.Without = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    px: options.Px = None,
    length: options.Length = 1.0,
    question: Annotated[
        str, typer.Option(help="general: what each technique buys; recipe: whether it should be in this one.")
    ] = "general",
    design: Annotated[
        str | None, typer.Option(help="factorial, leave-one-out, add-one or ladder [as the question asks].")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Pairs of runs, replicates or repeats of the design.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Runs of a factorial, at least; 6 of its two ends come on top.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time, such as 30m: the largest factorial that fits, or a limit of --question recipe."),
    ] = None,
    half_width: Annotated[float | None, typer.Option(help="Points: as many runs as intervals of +- this take.")] = None,
    design_seed: Annotated[int, typer.Option(min=0, help="Seed of the design.")] = 0,
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
    """Measure what each technique of a recipe buys on your data.

    With intervals, beside what post and papers claim. Or what each factor of a command of yours does to its result.
    """
    from bakeoff import api
    from bakeoff.commands.study_file import CommandStudy
    from bakeoff.recipes.request import Request
    from bakeoff.report.console import preview, study
    from bakeoff.runs.workspace import Workspace
    from bakeoff.stats.table import AnalysisOptions

    out, _ = consoles(as_json)
    request: Request | CommandStudy = Request(
        task=task, recipe=recipe, with_=options.names(with_), without=options.names(without), settings=settings or (),
        model=model, length=length, px=px, skip_bad=skip_bad, command=context.obj,
    )  # fmt: skip
    if study_file is not None:
        options.only_without(context, _OF_OUR_TRAINER, "a study's file says what is run and varied")
        request = api.open_command(study_file).model_copy(update={"typed": tuple(context.obj or ())})
    where = Workspace.open(
        store=store, data=data, device=device, jobs=options.jobs(jobs), threads=threads, track=track or (), on=on
    )
    chosen = options.design(question, design, seeds, runs, budget, half_width, delta, design_seed)
    if plan_only:
        with observer(quiet) as shown:
            planned = api.plan_ablation(request, design=chosen, where=where, observer=shown)
        print_json(planned.as_json()) if as_json else preview.show_preview(out, planned)
        return
    with observer(quiet) as shown:
        found = api.ablate(request, design=chosen, options=AnalysisOptions(delta=delta), where=where, observer=shown)
    if as_json:
        print_json(found.as_json())
    else:
        study.show(out, found)
        out.print(f"report: {api.report_file(where.store, found.spec.name)}", soft_wrap=True, markup=False)


def report(
    name: Annotated[str | None, typer.Argument(metavar="STUDY", help="A study by name [the only one].")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="html, md, ipynb, latex, csv, parquet, svg or png.")
    ] = "html",
    output: Annotated[Path | None, typer.Option(help="File to write [beside the study].")] = None,
    with_: options.WithFile = None,
    delta: options.Delta = None,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write the report of a study.

    From the store alone; while runs are missing, of what is there.
    """
    from bakeoff import api
    from bakeoff.report.console import study
    from bakeoff.report.render import FORMATS
    from bakeoff.stats.table import AnalysisOptions

    kind = options.one_of(format_, "--format", FORMATS)
    found = api.open_study(name or "", with_=options.names(with_), options=AnalysisOptions(delta=delta), store=store)
    path = api.write_report(found, kind, output, store=store)
    out, _ = consoles(as_json)
    if as_json:
        print_json({**found.as_json(), "report": str(path)})
    else:
        if not quiet:
            study.show(out, found)
        out.print(f"report: {path}", soft_wrap=True, markup=False)
