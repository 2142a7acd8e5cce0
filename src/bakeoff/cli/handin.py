"""Hand in."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.errors import RequestError


def handin(
    notebook: Annotated[Path, typer.Option("--notebook", help="The executed notebook.")],
    name: Annotated[str, typer.Option("--study", help="A study by name [the only one].")] = "",
    output: Annotated[Path, typer.Option("--output", help="Folder to write; one that holds something is kept.")] = Path(
        "handin"
    ),
    technique: Annotated[str | None, typer.Option(help="What to write about [what the notebook drew].")] = None,
    seed: Annotated[str | None, typer.Option(help="Your name or number, to draw the technique with.")] = None,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Make the folder to hand in.

    It holds the notebook, a narrative, an analysis, the report, and what is left for you to write.
    """
    from bakeoff import api, recipes
    from bakeoff.teach.pick import pick

    if technique is not None and seed is not None:
        raise RequestError("--technique names a technique and --seed draws one; give one of the two")
    if seed is not None:
        twelve = [technique.name for technique in recipes.get("torchvision-2021").techniques]
        technique = pick(twelve, seed)["technique"]
    written = api.hand_in(notebook, name, output, technique, store=store)
    out, _ = consoles(as_json)
    if as_json:
        files = {key: str(path) for key, path in written.files.items()}
        print_json({**asdict(written), "folder": str(written.folder), "files": files})
        return
    if not quiet:
        out.print(
            f"{written.technique}, study {written.study}; {written.blanks} places are yours to write, listed in "
            f"{written.files['readme']}",
            soft_wrap=True,
            markup=False,
        )
        if written.note:
            out.print(written.note, soft_wrap=True, markup=False)
    out.print(f"to hand in: {written.folder}", soft_wrap=True, markup=False)
