"""Look at a study while it is made."""

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json, until_ended
from bakeoff.errors import RequestError


def watch(
    study: Annotated[str | None, typer.Argument(metavar="STUDY", help="A study by name [the only one].")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page on this machine; 0: a free one.")] = 8642,
    every: Annotated[float, typer.Option(min=1.0, help="Seconds from look to look.")] = 5.0,
    price: Annotated[float | None, typer.Option(min=0.0, help="Of an hour of training in one process.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the page to this file, again and again, instead.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Write it once, or print it with --json, and stop.")] = False,
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Look at a study while it is made: a live page.

    It reads the store only, wherever the runs are made: runs done, failed and left, time and money so far, and effects
    with intervals that hold at any look. On this machine alone, or as a file that loads itself again.
    """
    from bakeoff.report.console.text import say, say_path
    from bakeoff.report.watch.server import HOST, Looker, server, write_again
    from bakeoff.runs.store import open_store
    from bakeoff.study.watch import Watched

    watched = Watched(open_store(store), study or "")
    if as_json:
        print_json(watched.look().as_json())
        return
    looker = Looker(watched, price, every)
    out, _ = consoles(False)
    if output or once:
        if output is None:
            raise RequestError("--once writes the page to a file (--output FILE), or prints it as --json")
        if once:
            from bakeoff.files import write_text

            write_text(output, looker.look()[1])
        else:
            with until_ended():
                write_again(looker, output, every)
        say_path(out, "page", output)
        return
    serving = server(looker, port)
    looker.look()
    say(out, f"http://{HOST}:{serving.server_port}/ has the page, on this machine alone; Ctrl-C ends it")
    with serving, until_ended():
        serving.serve_forever()
    say(out, "no longer watched; the study goes on")
