"""Make runs of a study again, and say whether its numbers stand."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import BakeoffError


def verify(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="A study by name, or a report's file [the only study].")
    ] = None,
    runs: Annotated[int, typer.Option(help="How many runs to make again.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of which runs are drawn.")] = 0,
    with_: options.WithFile = None,
    task: options.TaskFile = None,
    delta: options.Delta = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Make some runs of a study again: do its numbers stand?

    On the same kind of machine they come out the same to the last bit; elsewhere, within the noise between runs. A
    report is compared with what its store says, too. What is made is not kept. The exit status is 1 where the numbers
    don't stand.
    """
    from bakeoff import api
    from bakeoff.report.console import verify as lines
    from bakeoff.report.verify import study_of
    from bakeoff.runs.store import open_store
    from bakeoff.stats.table import AnalysisOptions

    out, _ = consoles(as_json)
    report = Path(study) if study and Path(study).is_file() else None
    if report and store is None and report.absolute().parents[1].name == "studies":
        store = str(report.absolute().parents[2])
    kept, read_as = open_store(store), AnalysisOptions(delta=delta)
    name = study_of(report, kept) if report else study or ""
    check = api.check_report(report, options=read_as, store=kept) if report else None
    if check and not as_json:
        lines.show_report(out, check)
    with observer(quiet) as shown:
        found = api.verify(
            name, runs=runs, seed=seed, with_=options.names(with_), task=task, options=read_as, observer=shown,
            store=kept, data=data, device=device,
        )  # fmt: skip
    if as_json:
        print_json({**found.as_json(), "report": asdict(check) if check else None})
    else:
        lines.show(out, found)
    if found.stands is False or (check and not check.same_numbers):
        raise BakeoffError(f"the numbers of {found.study} don't stand")
