"""The command line: parse, call, print."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.exceptions import TyperException

from bakeoff import options
from bakeoff.errors import BakeoffError
from bakeoff.store import open_store

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
techniques_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
runs_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(techniques_app, name="techniques", help="The training techniques and their cards.")
app.add_typer(runs_app, name="runs", help="What is in the store.")
app.add_typer(data_app, name="data", help="Look at data before training on it.")


@app.command()
def train(
    task: options.TaskName = "digits",
    recipe: options.RecipeName = "baseline",
    with_: options.With = None,
    without: options.Without = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    length: options.Length = 1.0,
    device: options.Device = "auto",
    workers: options.Workers = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train a classifier, or go on with it; a run that the store has is not trained again."""
    from bakeoff import api
    from bakeoff.report import runs
    from bakeoff.report.progress import progress

    job = api.plan_job(
        task, recipe, with_=options.names(with_), without=options.names(without), settings=settings or (), model=model,
        length=length, data=data, skip_bad=skip_bad,
    )  # fmt: skip
    out, err = _consoles(as_json)
    compiled = job.compiled
    if dry_run:
        if as_json:
            _print_json(
                {"plan": job.plan.model_dump(mode="json"), "plan_digest": job.plan.digest, "steps": job.plan.steps,
                 "set_by": dict(compiled.owners), "skipped": dict(compiled.skipped)}
            )  # fmt: skip
        else:
            runs.show_plan(out, job.plan, compiled.owners, compiled.skipped)
        return
    if not quiet:
        runs.show_skipped(err, compiled.skipped)
    with progress(Console(quiet=True) if quiet else err) as report:
        record = api.train_job(job, seed=seed, device=device, workers=workers, data=data, store=store, report=report)
    if as_json:
        _print_json(record.as_json())
    else:
        runs.show_record(out, record, open_store(store).folder(record.run_id))
    if record.status != "done":
        raise BakeoffError(f"run {record.run_id} {record.status}: {record.reason}")


@app.command()
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
    from bakeoff import ablation, api
    from bakeoff.report import study, write
    from bakeoff.report.progress import study_progress
    from bakeoff.report.prospects import show_prospects
    from bakeoff.study.analyse import analyse
    from bakeoff.study.forecast import seconds
    from bakeoff.study.table import Reading

    out, err = _consoles(as_json)
    limit = seconds(budget) if budget else None
    job = api.plan_job(
        task, recipe, with_=options.names(with_), without=options.names(without), settings=settings or (), model=model,
        length=length, data=data, skip_bad=skip_bad,
    )  # fmt: skip
    results = open_store(store)
    dataset = job.task.load(api.data_folder(data))
    spec, prospects = ablation.plan_within(
        job, limit, length, design=options.one_of(design, "--design", ablation.DESIGNS), seeds=seeds, runs=runs,
        design_seed=design_seed, device=device, jobs=options.jobs(jobs), threads=threads, dataset=dataset, data=data,
        store=store, command=context.obj,
    )  # fmt: skip
    if plan_only and as_json:
        _print_json({"study": spec.name, "design": spec.design, "runs": len(spec.rows), "training": spec.training,
                     "evaluation": spec.evaluation, "not_applicable": spec.not_applicable,
                     "choices": [asdict(choice) for choice in prospects]})  # fmt: skip
        return
    if plan_only or not quiet:
        show_prospects(out if plan_only else err, spec, prospects, job.task.noise_pp)
    if plan_only:
        return
    with study_progress(Console(quiet=True) if quiet else err, results, spec) as report:
        ablation.run_study(spec, job, data=data, store=store, report=report)
    found = analyse(results, spec, Reading(delta=delta))
    page = write(found, "html", results.root / "studies" / spec.name / "report.html")
    if as_json:
        _print_json(found.as_json())
    else:
        study.show(out, found)
        out.print(f"report: {page}", soft_wrap=True, markup=False)


@app.command()
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
    from bakeoff.report import FORMATS, study, write
    from bakeoff.study.analyse import analyse
    from bakeoff.study.spec import Spec
    from bakeoff.study.table import Reading

    results = open_store(store)
    spec = Spec.load(results, name or "")
    kind = options.one_of(format_, "--format", FORMATS)
    found = analyse(results, spec, Reading(delta=delta))
    path = write(found, kind, output or results.root / "studies" / spec.name / f"report.{kind}")
    out, _ = _consoles(as_json)
    if as_json:
        _print_json({**found.as_json(), "report": str(path)})
    else:
        if not quiet:
            study.show(out, found)
        out.print(f"report: {path}", soft_wrap=True, markup=False)


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters.")],
    split: Annotated[str, typer.Option(help="select, report, or test where the data set has one.")] = "report",
    topk: Annotated[str, typer.Option(help="Which Acc@k.")] = "1,5",
    ema: Annotated[bool | None, typer.Option("--ema/--no-ema", help="Averaged or last weights [as planned].")] = None,
    resize: Annotated[int | None, typer.Option(min=1, help="Shorter side at inference, in pixels.")] = None,
    crop: Annotated[int | None, typer.Option(min=1, help="Side of the central crop, in pixels.")] = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Evaluate a trained run on a split."""
    from bakeoff import api
    from bakeoff.plan import Plan
    from bakeoff.report import runs

    view = api.evaluate(
        run, split=split, topk=options.numbers(topk, "--topk"), ema=ema, resize_px=resize, crop_px=crop, device=device,
        workers=workers, data=data, store=store,
    )  # fmt: skip
    results = open_store(store)
    record = results.read(results.find(run))
    assert record is not None
    out, _ = _consoles(as_json)
    if as_json:
        _print_json({"run_id": record.run_id, "classes": record.classes, **view.as_json()})
    else:
        runs.show_views(out, [view], Plan.model_validate(record.plan))
        if not quiet:
            runs.show_classes(out, view, record.classes)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters.")],
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    topk: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Name the most likely classes of images."""
    from bakeoff import api

    out, _ = _consoles(as_json)
    answers = []
    for path, best in api.predict(run, images, topk=topk, device=device, store=store):
        answers.append({"image": str(path), "classes": [{"class": name, "probability": p} for name, p in best]})
        if not as_json:
            words = ", ".join(f"{name} {100 * p:.1f} %" for name, p in best)
            out.print(f"{path}: {words}", soft_wrap=True, highlight=False, markup=False)
    if as_json:
        _print_json(answers)


@techniques_app.command("list")
def techniques_list(as_json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False) -> None:
    """All techniques, in the order of the post's table."""
    from bakeoff.report import cards

    _print_json(cards.list_json()) if as_json else cards.render_list(_consoles(False)[0])


@techniques_app.command("show")
def techniques_show(
    name: Annotated[str, typer.Argument(help="Name of a technique.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """The card of a technique: what it does, who claims what for it, and whether that was checked."""
    from bakeoff.report import cards

    _print_json(cards.card_json(name)) if as_json else cards.render_card(_consoles(False)[0], name)


@runs_app.command("list")
def runs_list(
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """All runs, oldest first."""
    from bakeoff.report import runs

    results = open_store(store)
    records = [record for run in results.ids() if (record := results.read(run))]
    if as_json:
        _print_json([record.as_json() for record in records])
    elif records:
        runs.show_runs(_consoles(False)[0], records)
    else:
        _consoles(False)[0].print(f"no runs in {results.root}; start with: bakeoff train --task digits")


@runs_app.command("show")
def runs_show(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters.")],
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """One run: its plan, every evaluation of it, and where its files are."""
    from bakeoff.plan import Plan
    from bakeoff.report import runs

    results = open_store(store)
    record = results.read(results.find(run))
    assert record is not None
    if as_json:
        _print_json(record.as_json())
    else:
        out, _ = _consoles(False)
        runs.show_record(out, record, results.folder(record.run_id))
        out.print()
        runs.show_plan(out, Plan.model_validate(record.plan), {}, {})


@data_app.command("check")
def data_check(
    task: options.TaskName = "digits",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What is in a data set: classes, sizes, splits, duplicates, files that can't be read."""
    from bakeoff import api, tasks
    from bakeoff.data import check

    folder = api.data_folder(data)
    report = check.check(tasks.get(task, folder, skip_bad=skip_bad), folder)
    _print_json(report.as_json()) if as_json else check.show(_consoles(False)[0], report)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong request, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = int(app(arguments, prog_name="bakeoff", standalone_mode=False, obj=arguments) or 0)
        if status == 130:
            _complain(f"interrupted, the state is kept; go on with: {shlex.join(['bakeoff', *arguments])}", status)
        return status
    except BakeoffError as error:
        if "--debug" in arguments:
            raise
        return _complain(str(error), error.status)
    except TyperException as error:
        return _complain(
            error.format_message() or f"no command; try: {shlex.join(['bakeoff', *arguments, '--help'])}", 2
        )
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; Python would complain about the flush at exit
        return 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _complain(f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)", 1)


def _complain(message: str, status: int) -> int:
    print("bakeoff:", " ".join(message.split()), file=sys.stderr)
    return status


def _consoles(as_json: bool) -> tuple[Console, Console]:
    """(for results, for everything else); with --json results go to standard output by other ways."""
    return Console(stderr=as_json, highlight=False), Console(stderr=True, highlight=False)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=1))
