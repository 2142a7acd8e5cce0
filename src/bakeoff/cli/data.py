"""Look at data before training on it."""

from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json

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
    """What is in a data set: classes, sizes, splits, duplicates, files that can't be read."""
    from bakeoff import api, tasks
    from bakeoff.data import check as checks

    folder = api.data_folder(data)
    report = checks.check(tasks.get(task, folder, skip_bad=skip_bad), folder)
    print_json(report.as_json()) if as_json else checks.show(consoles(False)[0], report)
