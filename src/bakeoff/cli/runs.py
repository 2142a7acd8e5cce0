"""What is in the store."""

from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """All runs, oldest first."""
    from bakeoff.report.console import runs
    from bakeoff.runs.store import open_store

    kept = open_store(store)
    records = [record for run in kept.ids() if (record := kept.read(run))]
    if as_json:
        print_json([record.as_json() for record in records])
    elif records:
        runs.show_runs(consoles(False)[0], records)
    else:
        consoles(False)[0].print(f"no runs in {kept.root}; start with: bakeoff train --task digits")


@app.command("show")
def show(
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters.")],
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """One run: its plan, every evaluation of it, and where its files are."""
    from bakeoff.report.console import runs
    from bakeoff.runs.store import open_store

    kept = open_store(store)
    record = kept.get(kept.find(run))
    if as_json:
        print_json(record.as_json())
    else:
        out, _ = consoles(False)
        plan = kept.plan(record)
        runs.show_record(out, record, kept.folder(record.run_id))
        out.print()
        runs.show_plan(out, plan, {}, {})
