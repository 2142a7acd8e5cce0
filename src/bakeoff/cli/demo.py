"""Ask a trained run about images, on a page."""

import threading
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json, until_ended


def demo(
    run: options.Run,
    second: Annotated[str | None, typer.Argument(metavar="RUN2", help="Another one, to be asked beside it.")] = None,
    topk: Annotated[int, typer.Option(min=1, max=1000, help="How many classes to name.")] = 5,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page on this machine; 0: a free one.")] = 8643,
    tta: options.Augmented = None,
    task: options.TaskFile = None,
    model: options.ModelFile = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Ask a trained run about what you draw or drop: a page.

    On this machine alone; with two runs, side by side.
    """
    from bakeoff import api
    from bakeoff.report.console.text import say

    with observer(quiet) as progress:
        served = api.demo(
            run, second, topk=topk, port=port, tta=tta, task=task, model=model, device=device, store=store, data=data,
            observer=progress,
        )  # fmt: skip
    out, _ = consoles(as_json)
    with served:
        if as_json:
            print_json({"url": served.url, "runs": list(served.runs)})
        else:
            say(out, f"{served.url} has the page, on this machine alone; Ctrl-C ends it")
        with until_ended():
            threading.Event().wait()
    say(out, "the page is closed")
