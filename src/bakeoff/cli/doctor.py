"""What this machine has of what bakeoff needs."""

from dataclasses import asdict
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.errors import BakeoffError


def doctor(
    paste: Annotated[
        bool, typer.Option("--paste", help="As a block for a bug report, with your home folder as ~.")
    ] = False,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What this machine has of what bakeoff needs, a line each.

    Nothing is written. The exit status is 1 where something is broken that was asked for: bakeoff's own requirements,
    or a store, data or device that is named by an option or in the environment.
    """
    from bakeoff import api
    from bakeoff.report.console import doctor as lines

    out, _ = consoles(as_json)
    findings = []
    if paste and not as_json:
        print("```text")
    for found in api.doctor(store=store, data=data, device=device):
        findings.append(found)
        if as_json or (quiet and found.state == "ok" and not paste):
            continue
        print(lines.pasted(found)) if paste else lines.show(out, found)
    broken = [found.what for found in findings if found.state == "broken"]
    if as_json:
        print_json({"findings": [asdict(found) for found in findings], "broken": broken})
    elif paste:
        print("```")
    elif not quiet:
        lines.show_end(out)
    if broken:
        raise BakeoffError(f"broken: {', '.join(broken)}")
