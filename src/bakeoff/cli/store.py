"""The store as files: whether they are whole, elsewhere, and fewer."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json

if TYPE_CHECKING:
    from bakeoff.runs.moves import Moved

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("check")
def check(
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Read every file of a store, and name those that aren't as they were written.

    Records and evaluations that aren't whole or contradict themselves, weights of another run, studies that can't be
    read, what belongs to no run, what a killed writer left. A line each; exit status 1 where there is one.
    """
    from bakeoff.report.console.text import say
    from bakeoff.report.words import counted
    from bakeoff.runs.store import open_store
    from bakeoff.study import check as checking

    kept = open_store(store)
    found = checking.check(kept)
    out, _ = consoles(as_json)
    if as_json:
        print_json({"runs": found.runs, "files": found.files, "faults": found.faults})
    else:
        for fault in found.faults:
            say(out, fault)
        what = f"{counted(found.runs, 'run')}, {counted(found.files, 'file')} in {kept.url}"
        say(out, f"{what}: {counted(len(found.faults), 'fault') if found.faults else 'all as it was written'}")
    if found.faults:
        raise typer.Exit(1)


Source = Annotated[str, typer.Argument(help="A store: a folder or s3://BUCKET/FOLDER.")]
Target = Annotated[str, typer.Argument(help="Where it is to be as well; the same forms.")]


@app.command("copy")
def copy(
    source: Source,
    target: Target,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Copy a store: to a bucket, from one, or a packed one as files.

    What is there already and equal stays, so that the same command goes on after it was stopped; a file that is there
    and differs is an error, before anything is written. Who is at work on a run is not copied.
    """
    from bakeoff import api

    _tell(api.copy_store(source, target), "copied to", target, as_json)


@app.command("pack")
def pack(
    source: Source,
    target: Target,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Pack a store: thousands of small files become a few, which are read like any store.

    To keep it in Git, to publish it, or to read it from a bucket at once. Reports, recipes and weights stay files.
    `store copy` makes files of it again, with the same bytes.
    """
    from bakeoff import api

    _tell(api.pack_store(source, target), "packed in", target, as_json)


def _tell(moved: "Moved", how: str, target: str, as_json: bool) -> None:
    from bakeoff.report.console.text import say
    from bakeoff.report.words import counted

    out, _ = consoles(as_json)
    if as_json:
        print_json(asdict(moved))
        return
    found = f"{counted(moved.runs, 'run')}, {counted(moved.files, 'file')}"
    say(out, f"{found}: {how} {target}, {counted(moved.written, 'file')} written")
