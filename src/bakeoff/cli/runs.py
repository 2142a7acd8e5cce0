"""What is in the store."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.errors import RequestError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    study: Annotated[str | None, typer.Option(help="Only runs of this study.")] = None,
    task: Annotated[str | None, typer.Option(help="Only runs on this task.")] = None,
    status: Annotated[str | None, typer.Option(help="Only these: done, diverged, crashed or interrupted.")] = None,
    sort: Annotated[str, typer.Option(help="age, task, status, acc1 (best first) or time.")] = "age",
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """All runs, oldest first, a line each.

    Where there is no room for all columns, time, seed, model and techniques are left out, in this order.
    """
    from bakeoff.report.console import runs
    from bakeoff.report.console.text import say
    from bakeoff.runs.store import open_store
    from bakeoff.study.runs import SORTS, listed

    kept = open_store(store)
    order = options.one_of(sort, "--sort", SORTS)
    records, broken = listed(kept, study, task, status, order)
    out, err = consoles(as_json)
    for reason in broken.values():
        say(err, f"left out: {reason}")
    if as_json:
        print_json([record.as_json() for record in records])
    elif records:
        runs.show_runs(out, records)
    elif kept.ids():
        say(out, f"no such runs in {kept.url}")
    else:
        say(out, f"no runs in {kept.url}; start with: bakeoff train --task digits")


@app.command("export")
def export(
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="A study by name [the only one].")] = None,
    output: Annotated[Path, typer.Option(help="File to write.")] = Path("runs.csv"),
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """The runs of a study as CSV.

    A row for each evaluation of each run, a column for each technique: for other programs, and for bakeoff analyse.
    """
    from bakeoff import api
    from bakeoff.report.console.text import say_path

    path = api.export_runs(study or "", output, store=store)
    if as_json:
        print_json({"output": str(path)})
    elif not quiet:
        say_path(consoles(False)[0], "runs", path)


@app.command("show")
def show(
    run: options.Run,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """One run: its plan, its evaluations, and where its files are."""
    from bakeoff.report.console import runs
    from bakeoff.report.console.text import say
    from bakeoff.runs.store import open_store
    from bakeoff.study.runs import studies_of

    kept = open_store(store)
    record = kept.get(kept.find(run))
    studies = list(studies_of(kept, [record.run_id]))
    if as_json:
        print_json({**record.as_json(), "studies": studies})
        return
    out, _ = consoles(False)
    plan = None if record.command else kept.plan(record)
    runs.show_record(out, record, kept.folder(record.run_id))
    if studies:
        say(out, f"part of {', '.join(studies)}")
    if plan is not None:
        out.print()
        runs.show_plan(out, plan, {}, {})


@app.command("rm")
def remove(
    run: Annotated[list[str], typer.Argument(help=options.RUN_HELP, metavar="RUN")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Remove runs, with their weights and evaluations.

    Asks first, and names the studies that rest on them.
    """
    from bakeoff.files import printable
    from bakeoff.report.console.text import say
    from bakeoff.report.words import counted
    from bakeoff.runs.store import open_store
    from bakeoff.study.runs import studies_of

    kept = open_store(store)
    found = list(dict.fromkeys(kept.find(each) for each in run))
    studies = studies_of(kept, found)
    out, err = consoles(as_json)
    for study, used in studies.items():
        say(err, f"{study} rests on {', '.join(used)}: without, it lacks {counted(len(used), 'run')}")
    if not yes:
        what = printable(f"remove {', '.join(found)} from {kept.url}")
        if not sys.stdin.isatty():
            raise RequestError(f"nobody can be asked whether to {what}: say --yes")
        if not typer.confirm(f"{what}?", err=True):
            raise RequestError("nothing was removed")
    for each in found:
        kept.remove(each)
    if as_json:
        print_json({"removed": found, "studies": studies})
    else:
        say(out, f"removed {', '.join(found)}")
