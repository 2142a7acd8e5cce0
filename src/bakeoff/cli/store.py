"""The store as files: whether they are whole."""

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json

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


# With one command alone, typer would leave its name out.
app.callback()(lambda: None)
