"""Look at what a trained run learned."""

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json


def inspect(
    run: options.Run,
    compare: Annotated[str | None, typer.Option(help="Another run on the same images: what it changes.")] = None,
    split: Annotated[str, typer.Option(help="train, select, report, or test where the data set has one.")] = "report",
    output: Annotated[Path | None, typer.Option(help="File to write [RUN.html].")] = None,
    tta: options.Augmented = None,
    task: options.TaskFile = None,
    model: options.ModelFile = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Make a page of what a run gets right and wrong.

    One HTML file, with the images.
    """
    from bakeoff import api
    from bakeoff.report.console.text import say_path
    from bakeoff.stats.proportions import interval

    with observer(quiet) as progress:
        first, second = (
            api.inspect_run(
                each, split=split, tta=tta, task=task, model=model, device=device, workers=workers, store=store,
                data=data, observer=progress,
            ) if each else None
            for each in (run, compare)
        )  # fmt: skip
        assert first is not None
        path = api.write_inspection(first, output, compared_with=second)
    out, _ = consoles(as_json)
    right, n = int(first.right.sum()), len(first.right)
    low, high = (100 * end for end in interval(right, n))
    if as_json:
        acc = {"acc1": 100 * right / n, "low": low, "high": high, "n": n}
        print_json({"run_id": first.record.run_id, "split": split, **acc, "page": str(path)})
    else:
        say_path(out, f"{100 * right / n:.2f} % ({low:.2f} to {high:.2f} %) of {n:,} images right", path)
