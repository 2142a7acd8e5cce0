"""Train, evaluate, predict."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import BakeoffError


def train(
    task: options.TaskName = "digits",
    recipe: options.RecipeName = "baseline",
    with_: options.With = None,
    without: options.Without = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    px: options.Px = None,
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
    """Train a classifier, or go on with it.

    A run that the store has is not trained again.
    """
    from bakeoff import api
    from bakeoff.recipes.request import Request
    from bakeoff.report.console import runs, training
    from bakeoff.runs.workspace import Workspace

    request = Request(
        task=task, recipe=recipe, with_=options.names(with_), without=options.names(without),
        settings=settings or (), model=model, length=length, px=px, skip_bad=skip_bad,
    )  # fmt: skip
    where = Workspace.open(store=store, data=data, device=device, workers=workers)
    out, _ = consoles(as_json)
    if dry_run:
        with observer(quiet) as shown:
            job = api.plan_job(request, where=where, observer=shown)
            cost = api.forecast(job, where=where)
        if as_json:
            print_json(
                {"plan": job.plan.model_dump(mode="json"), "plan_digest": job.plan.digest, "steps": job.plan.steps,
                 "set_by": dict(job.compiled.set_by), "skipped": dict(job.compiled.skipped),
                 "cost": asdict(cost), "chosen": asdict(job.chosen) if job.chosen else None}
            )  # fmt: skip
        else:
            runs.show_plan(out, job.plan, job.compiled.set_by, job.compiled.skipped)
            training.show(out, cost)
        return
    with observer(quiet) as shown:
        record = api.train(request, seed=seed, where=where, observer=shown)
    if as_json:
        print_json(record.as_json())
    else:
        runs.show_record(out, record, where.store.folder(record.run_id))
    if record.status != "done":
        raise BakeoffError(f"run {record.run_id} {record.status}: {record.reason}")


def evaluate(
    run: options.Run,
    split: Annotated[str, typer.Option(help="train, select, report, or test where the data set has one.")] = "report",
    topk: Annotated[str, typer.Option(help="Which Acc@k.")] = "1,5",
    ema: Annotated[bool | None, typer.Option("--ema/--no-ema", help="Averaged or last weights [as planned].")] = None,
    resize: Annotated[int | None, typer.Option(min=1, help="Shorter side at inference, in pixels.")] = None,
    crop: Annotated[int | None, typer.Option(min=1, help="Side of the central crop, in pixels.")] = None,
    task: options.TaskFile = None,
    model: options.ModelFile = None,
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
    from bakeoff.report.console import runs
    from bakeoff.runs.store import open_store

    view = api.evaluate(
        run, split=split, topk=options.numbers(topk, "--topk"), ema=ema, resize_px=resize, crop_px=crop,
        task=task, model=model, device=device, workers=workers, data=data, store=store,
    )  # fmt: skip
    kept = open_store(store)
    record = kept.get(kept.find(run))
    out, _ = consoles(as_json)
    if as_json:
        print_json({"run_id": record.run_id, "classes": record.classes, **view.as_json()})
    else:
        runs.show_views(out, [view], kept.plan(record))
        if not quiet:
            runs.show_classes(out, view, record.classes)


def predict(
    run: options.Run,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="Image files, folders, or patterns such as '*.png'."),
    ],
    topk: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    model: options.ModelFile = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Name the most likely classes of images.

    A line for each image. One that can't be read is named on standard error, the others are done, and the exit status
    is 1.
    """
    from bakeoff import api
    from bakeoff.report.console.text import say_path

    out, err = consoles(as_json)
    answers: list[dict[str, Any]] = []
    failed = 0
    for found in api.predict(run, images, topk=topk, model=model, device=device, store=store):
        if found.error:
            failed += 1
            answers.append({"image": str(found.image), "error": found.error})
            say_path(err, str(found.image), found.error)
            continue
        best = found.classes
        answers.append({"image": str(found.image), "classes": [{"class": name, "probability": p} for name, p in best]})
        if not as_json:
            say_path(out, str(found.image), ", ".join(f"{name} {100 * p:.1f} %" for name, p in best))
    if as_json:
        print_json(answers)
    if failed:
        raise BakeoffError(f"{failed} of {len(answers)} images can't be read")
