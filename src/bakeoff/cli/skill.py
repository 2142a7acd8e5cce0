"""How agents use bakeoff."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import print_json


def skill(
    output: Annotated[Path | None, typer.Option(help="File to write it to.", show_default=False)] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """The skill file: how an agent plans, judges and reports."""
    from bakeoff import api, reader
    from bakeoff.files import write_text

    text = api.skill()
    if output is not None:
        output = reader.path(output, "--output", text=False)
        output.parent.mkdir(parents=True, exist_ok=True)
        write_text(output, text)
    if as_json:
        print_json({"name": "bakeoff", "text": text, "output": None if output is None else str(output)})
    elif output is None:
        sys.stdout.write(text)
    elif not quiet:
        print(f"skill: {output}")
