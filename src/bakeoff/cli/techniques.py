"""The techniques, their cards and their pictures."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.errors import RequestError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(as_json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False) -> None:
    """All techniques, in the order of the post's table."""
    from bakeoff.teach import cards, console

    print_json(cards.list_json()) if as_json else console.show_list(consoles(False)[0])


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a technique.")],
    file: Annotated[Path | None, typer.Argument(help="With --plot: .png, .svg or .pdf [NAME.png].")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Write a picture of what it does, too.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """The card of a technique.

    What it does, who claims what for it, and whether that was checked.
    """
    from bakeoff.teach import cards, console

    card = cards.card(name)
    out, _ = consoles(as_json)
    if file and not plot:
        raise RequestError(f"'{file}' is a file to draw to, which takes --plot")
    if plot:
        from bakeoff.teach import pictures  # drawing takes seconds to load

        path = file or Path(f"{name}.png")
        pictures.write(name, path)
        card["picture"] = str(path)
    if as_json:
        print_json(card)
        return
    console.show_card(out, name)
    if plot:
        out.print(f"\npicture: {path}", soft_wrap=True, markup=False)


@app.command("pick")
def pick(
    from_: Annotated[
        list[str] | None, typer.Option("--from", help="Techniques to pick from: A,B [the post's twelve].")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="A name or number: the same one picks the same [random].")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """One technique drawn at random, to look into."""
    from bakeoff import recipes
    from bakeoff.teach import console
    from bakeoff.teach.pick import pick

    twelve = [technique.name for technique in recipes.get("torchvision-2021").techniques]
    pool = twelve if from_ is None else options.names(from_)
    picked = pick(pool, secrets.token_hex(4) if seed is None else seed)
    print_json(picked) if as_json else console.show_pick(consoles(False)[0], picked)
