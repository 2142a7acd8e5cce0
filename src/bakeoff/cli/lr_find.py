"""Find a learning rate to begin with."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json


def lr_find(
    task: options.TaskName = "digits",
    recipe: options.RecipeName = "baseline",
    with_: options.With = None,
    without: options.Without = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    px: options.Px = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness.")] = 0,
    low: Annotated[float | None, typer.Option(help="Lowest rate per 256 images [a thousandth of the plan's].")] = None,
    high: Annotated[float | None, typer.Option(help="Highest rate [a thousand times the plan's].")] = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.")] = 200,
    plot: Annotated[Path | None, typer.Option(help="Draw it to this file: .png, .svg or .pdf.")] = None,
    device: options.Device = "auto",
    workers: options.Workers = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Go on without images that can't be read.")] = False,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Find a learning rate to begin with.

    A range test: a few steps at a rate that rises all the way. Nothing is kept in the store.
    """
    from bakeoff import api
    from bakeoff.recipes.request import Request
    from bakeoff.report.console import lr_find as lines

    if plot:
        from bakeoff.report.render.svg import kind_of, save

        kind_of(plot)  # before the work
    request = Request(
        task=task, recipe=recipe, with_=options.names(with_), without=options.names(without),
        settings=settings or (), model=model, px=px, skip_bad=skip_bad,
    )  # fmt: skip
    with observer(quiet) as shown:
        found = api.lr_find(
            request, seed=seed, low=low, high=high, steps=steps, observer=shown, data=data, device=device,
            workers=workers,
        )  # fmt: skip
    if plot:
        from bakeoff.report.lr_find import picture

        save(picture(found), plot)
    if as_json:
        own = {"per_256": found.plan.lr.per_256, "plan_digest": found.plan.digest}
        print_json({**own, **asdict(found.test), "picture": str(plot) if plot else None})
        return
    out, _ = consoles(False)
    lines.show(out, found)
    if plot:
        out.print(f"picture: {plot}", soft_wrap=True, markup=False)
