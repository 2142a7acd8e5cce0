"""Draft a study of a command."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import RequestError


def init(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The file to write.")],
    from_: Annotated[str, typer.Option("--from", help="The command that trains once, as you type it.")],
    factor: Annotated[
        list[str] | None, typer.Option("--factor", help="NAME=TEXT that is added to the command where it is on.")
    ] = None,
    shell: Annotated[bool, typer.Option("--shell", help="/bin/sh runs it, for pipes and &&.")] = False,
    limit: Annotated[str, typer.Option("--time", help="What one try may take.")] = "1h",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Draft a study of a command of yours, and try the command.

    Three runs, in the file's folder: does the seed change anything, does the same seed give the same number?
    """
    from bakeoff import api, reader
    from bakeoff.report import words

    factors = {}
    for each in factor or ():
        name, equals, text = each.partition("=")
        if not equals or not name:
            raise RequestError(f"--factor is NAME=TEXT, such as mixup='--mixup 0.2', not '{each}'")
        factors[name] = text
    out, _ = consoles(as_json)
    with observer(quiet) as shown:
        found = api.draft_study(study_file, from_, factors, shell=shell, time=reader.duration(limit), observer=shown)
    if as_json:
        data = {**asdict(found), "path": str(found.path), "metric": found.metric.model_dump()}
        print_json({**data, "seeded": found.seeded, "repeats": found.repeats})
        return
    first, again, other = (f"{value:.6g}" for value in found.values)
    same = "the same seed gives the same number" if found.repeats else "the same seed gives another number each time"
    seed = "another seed another one" if found.seeded else "WITH ANOTHER SEED TOO: THE SEED CHANGES NOTHING"
    lines = [
        f"metric: {found.metric.called}, {found.metric.place}; a run takes {words.duration(found.seconds)}",
        f"seed 0: {first}; again: {again}; seed 1: {other}: {same}, {seed}",
    ]
    if not found.seeded:
        lines.append("let the command take {seed}, or read $BAKEOFF_SEED: without it nothing can be measured")
    todo = f"bakeoff ablate {found.path}" if found.factors else f"name its factors in {found.path}"
    for line in (*lines, f"{found.path} is written; next: {todo}"):
        out.print(line, soft_wrap=True, markup=False)
