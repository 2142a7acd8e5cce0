"""Look at data before training on it, and make it faster to read."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("check")
def check(
    task: options.TaskName = "digits",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What is in a data set, and what is wrong with it.

    Classes, sizes, splits, duplicates, files that can't be read.
    """
    from bakeoff import api
    from bakeoff.report.console import data as found

    with observer(quiet) as shown:
        report = api.check_data(task, skip_bad=skip_bad, data=data, observer=shown)
    print_json(report.as_json()) if as_json else found.show(consoles(False)[0], report)


@app.command("prepare")
def prepare(
    task: Annotated[str, typer.Option("--task", help="folder:PATH or imagenet.")],
    px: Annotated[int, typer.Option(help="Shorter side of the copies, at most; no less than a recipe reads.")] = 256,
    output: Annotated[Path | None, typer.Option(help="Where to [in the cache folder].", show_default=False)] = None,
    format: Annotated[
        str | None,
        typer.Option(help="ppm: exact and fastest; jpeg [ppm if that takes no more room].", show_default=False),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Copy a folder of images at a smaller size, once.

    They are read faster from there; how much that saves is said before it begins. Stopped, it goes on with the same
    command.

    The copy has the same classes and splits, and results of its own: crops come from images with less detail.
    """
    from bakeoff import api
    from bakeoff.data import prepare as preparing
    from bakeoff.files import size

    out, _ = consoles(as_json)
    kind = format and options.one_of(format, "--format", tuple(preparing.FORMATS))
    with observer(quiet) as shown:
        made = api.prepare_data(
            task, px=px, output=output, format=kind, skip_bad=skip_bad, data=data, observer=shown
        )  # fmt: skip
    if as_json:
        print_json(made.as_json())
        return
    sizes = " -> ".join(size(count) for count in (made.bytes_before, made.bytes_after))
    left = f", {len(made.skipped)} left out" if made.skipped else ""
    out.print(f"{made.output}: {made.images:,} images{left}, {sizes}", markup=False, soft_wrap=True)
    where = ["imagenet", "--data", made.output] if task == "imagenet" else [f"folder:{made.output}"]
    out.print(f"train on it: {shlex.join(['bakeoff', 'train', '--task', *where])}", markup=False, soft_wrap=True)


@app.command("shards")
def shards(
    task: Annotated[str, typer.Option("--task", help="folder:PATH or imagenet.")],
    output: Annotated[str, typer.Option("--output", help="Where to: a folder, or s3://BUCKET/FOLDER.")],
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Put a folder of images into a few tar files, for a bucket.

    Any image is read there by itself, so that training shows the same images in the same order as from the folder, and
    a run is the same run. What was read is kept in the cache folder ($BAKEOFF_SHARDS_CACHE: how much).
    """
    from bakeoff import api
    from bakeoff.files import size

    out, _ = consoles(as_json)
    with observer(quiet) as shown:
        made = api.write_shards(task, output, data=data, observer=shown)
    if as_json:
        print_json(made.as_json())
        return
    there = "" if made.new else ", there already"
    files = "1 file" if made.shards == 1 else f"{made.shards:,} files"
    out.print(f"{made.url}: {made.images:,} images, {size(made.bytes)} in {files}{there}", markup=False, soft_wrap=True)
    where = ["imagenet", "--data", made.url] if task == "imagenet" else [f"folder:{made.url}"]
    out.print(f"train on it: {shlex.join(['bakeoff', 'train', '--task', *where])}", markup=False, soft_wrap=True)
