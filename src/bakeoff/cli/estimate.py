"""What something would take."""

from dataclasses import asdict
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import RequestError


def estimate(
    what: Annotated[str, typer.Argument(help="train, ablate or derive.")] = "train",
    task: options.TaskName = "digits",
    recipe: options.RecipeName = "torchvision-2021",
    with_: options.With = None,
    without: options.Without = None,
    settings: options.Settings = None,
    model: options.ModelName = None,
    px: options.Px = None,
    length: options.Length = 1.0,
    design: Annotated[str, typer.Option(help="Of a study: factorial, leave-one-out, add-one or ladder.")] = "factorial",
    seeds: Annotated[int | None, typer.Option(min=1, help="Of a study, as for ablate.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Of a factorial or a derivation.")] = None,
    hardware: Annotated[str | None, typer.Option(help="That isn't here: a100 or v100 [this machine].")] = None,
    devices: Annotated[int, typer.Option(min=1, help="Devices that share the runs, or one training.")] = 1,
    price: Annotated[float | None, typer.Option(min=0.0, help="Of an hour of a device, in any currency.")] = None,
    device: options.Device = "auto",
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What a training or a study takes: hours, memory, money.

    Here, on many devices, or on hardware that isn't here; each number with a range and where it comes from. Nothing is
    run and no data are read: --dry-run and --plan-only say more, of this machine alone.
    """
    from bakeoff import api
    from bakeoff.recipes.request import Request
    from bakeoff.report.console.estimate import show
    from bakeoff.study.estimate import WHAT

    kind = options.one_of(what, "WHAT", WHAT)
    if kind == "derive" and runs is None:
        raise RequestError("a derivation is estimated by its runs: --runs 80")
    request = Request(
        task=task, recipe=recipe, with_=options.names(with_), without=options.names(without), settings=settings or (),
        model=model, length=length, px=px,
    )  # fmt: skip
    chosen = options.design("general", design, seeds, runs, None, None, None, 0) if kind == "ablate" else None
    with observer(quiet) as shown:
        found = api.estimate(
            request, kind, design=chosen, runs=runs, hardware=hardware, devices=devices, price=price, device=device,
            data=data, observer=shown,
        )  # fmt: skip
    out, _ = consoles(as_json)
    print_json(asdict(found)) if as_json else show(out, found)
