"""The techniques and their cards."""

from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(as_json: options.Json = False, quiet: options.Quiet = False, debug: options.Debug = False) -> None:
    """All techniques, in the order of the post's table."""
    from bakeoff.report import cards

    print_json(cards.list_json()) if as_json else cards.render_list(consoles(False)[0])


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name of a technique.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """The card of a technique: what it does, who claims what for it, and whether that was checked."""
    from bakeoff.report import cards

    print_json(cards.card_json(name)) if as_json else cards.render_card(consoles(False)[0], name)
