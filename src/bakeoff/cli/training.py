"""Train, evaluate, predict."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import BakeoffError, RequestError

MOST_INPUT = 2**30  # bytes of standard input: as an image file may have


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
    track: options.Track = None,
    grace: options.Grace = options.GRACE,
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
    where = Workspace.open(store=store, data=data, device=device, workers=workers, track=track or ())
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
    tta: options.Augmented = None,
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
        run, split=split, topk=options.numbers(topk, "--topk"), ema=ema, resize_px=resize, crop_px=crop, tta=tta,
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
        typer.Argument(
            metavar="IMAGE",
            help="Image files, folders, patterns such as '*.png', or -: an image or a list of files on standard input.",
        ),
    ],
    topk: Annotated[int, typer.Option(min=1, help="How many classes to name.")] = 5,
    tta: options.Augmented = None,
    format: Annotated[
        str | None, typer.Option(help="table, json, csv or parquet [by the name of --output, else table].")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write [standard output].")] = None,
    model: options.ModelFile = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Name the most likely classes of images.

    One that can't be read is named on standard error, the others are done, and the exit status is 1.
    """
    from bakeoff import api
    from bakeoff.report import words
    from bakeoff.report.console import predictions
    from bakeoff.report.console.text import say_path
    from bakeoff.runs.store import open_store

    kind = predictions.format_of("json" if as_json else format, output)
    given = [each for image in images for each in (_standard_input() if str(image) == "-" else [image])]
    kept = open_store(store)
    topk = min(topk, len(kept.get(kept.find(run)).classes))
    out, err = consoles(as_json)
    told = failed = 0
    shown_lines = output is None and sys.stdout.isatty()  # which say themselves how far it is
    with predictions.writer(kind, output, topk, out) as write, observer(quiet or shown_lines) as progress:
        for found in api.predict(
            run, given, topk=topk, tta=tta, model=model, device=device, workers=workers, store=store, observer=progress
        ):
            told += 1
            if found.error:
                failed += 1
                say_path(err, str(found.image), found.error)
            write(found)
    if output is not None and not quiet:
        say_path(err, words.counted(told - failed, "prediction"), output)
    if failed:
        raise BakeoffError(f"{failed} of {told} images can't be read")


def _standard_input() -> list[Path | bytes]:
    """What standard input holds: an image, or names of files, one a line or each ended by a zero byte.

    Raises RequestError where it holds neither.
    """
    data = sys.stdin.buffer.read(MOST_INPUT + 1)
    if len(data) > MOST_INPUT:
        raise RequestError(f"standard input holds more than {MOST_INPUT:,} bytes")
    if any(byte < 32 and byte not in b"\n\r\t\0" for byte in data[:4096]):
        return [data]
    names = data.split(b"\0" if b"\0" in data else b"\n")
    found: list[Path | bytes] = [Path(os.fsdecode(name.rstrip(b"\r"))) for name in names if name.strip()]
    if not found:
        raise RequestError("standard input is empty; - takes an image, or names of files, one a line")
    return found
