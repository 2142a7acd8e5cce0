"""Make the runs that studies of a store want."""

from dataclasses import asdict
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import BakeoffError


def worker(
    study: Annotated[str, typer.Option(help="A study by name, or its first characters [all of the store].")] = "",
    idle: Annotated[str, typer.Option(help="Time without anything to do after which it ends.")] = "5m",
    with_: Annotated[list[str] | None, typer.Option("--with", help="./FILE.py:CLASS of techniques in use.")] = None,
    model: options.ModelFile = None,
    task: options.TaskFile = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Make the runs that studies of a store want.

    Beside any number of others, on any machine that has the data; ends when there is nothing left to make.
    """
    from bakeoff import api
    from bakeoff.reader import duration
    from bakeoff.runs.workspace import Workspace

    out, _ = consoles(as_json)
    where, patience = Workspace.open(store=store, data=data, device=device), duration(idle)
    with observer(quiet) as shown:
        did = api.work(
            study, idle=patience, with_=options.names(with_), model=model, task=task, where=where, observer=shown
        )
    if as_json:
        print_json(asdict(did))
    else:
        diverged = sum(status == "diverged" for status in did.made.values())
        told = f"{len(did.made)} runs made" + (f", {diverged} of which diverged" if diverged else "")
        out.print(told, soft_wrap=True, markup=False)
    if did.failed:
        first = "; ".join(f"{run}: {why}" for run, why in list(did.failed.items())[:3])
        raise BakeoffError(f"{len(did.failed)} runs failed and are not tried again: {first}")
