"""Judge a change to a training command."""

from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json
from bakeoff.errors import RequestError

if TYPE_CHECKING:
    from bakeoff.api.judging import Judged


def judge(
    baseline: Annotated[
        str | None, typer.Option(help="A command with {seed} and {out} in it, or, with --command, a commit.")
    ] = None,
    candidate: Annotated[str | None, typer.Option(help="The same, with the change.")] = None,
    command: Annotated[
        str | None, typer.Option(help="The command that is run in both commits of this git repository.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="KEY of the last JSON that it prints, FILE:KEY such as {out}/metrics.json:acc1, or an expression such "
            "as 'acc1=([0-9.]+)' [for bakeoff train its accuracy on select].",
            show_default=False,
        ),
    ] = None,
    lower: Annotated[
        bool | None, typer.Option("--lower/--higher", help="Which metric is better [by its name].", show_default=False)
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(
            "--delta",
            help="Differences within +-delta aren't worth having [what a change of seed does].",
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of runs, at most.")] = 30,
    budget: Annotated[
        str | None, typer.Option(help="Time, such as 30m, after which no pair is begun.", show_default=False)
    ] = None,
    ledger: Annotated[
        str, typer.Option(help="Whose error it spends: 5 % for all that is ever proposed to one ledger.")
    ] = "default",
    report: Annotated[
        str | None,
        typer.Option(help="A metric, as --metric, that nothing is judged by: what is kept is stated by it, once."),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="A failed run of the candidate ends it.")] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Judge --baseline, or --command here, against itself.")
    ] = False,
    accept: Annotated[
        list[str] | None, typer.Option(metavar="VERDICT,...", help="Verdicts for which the exit status is 0 [better].")
    ] = None,
    link: Annotated[
        list[str] | None, typer.Option(metavar="PATH,...", help="What both commits need and git doesn't have.")
    ] = None,
    depends: Annotated[
        list[str] | None, typer.Option(metavar="PATH,...", help="Files that runs depend on, beside those it names.")
    ] = None,
    shell: Annotated[bool, typer.Option("--shell", help="/bin/sh runs the commands.")] = False,
    limit: Annotated[str | None, typer.Option(help="Time of one run at most, such as 2h.", show_default=False)] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="That a run is told to take [all cores].")] = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Is this change to a training command better?

    Runs both with the same seeds, in an order that a coin draws, until it is settled. Exit status: 0 better, 3 no
    difference worth having, 4 worse, 5 undecided, 6 the candidate fails; of --self-test 0, or 7 where it finds a
    difference. Called again it goes on where it stopped.
    """
    from bakeoff import api
    from bakeoff.report.console import judged

    out, _ = consoles(as_json)
    verdicts = [options.one_of(name, "--accept", judged.VERDICTS) for name in options.names(accept)]
    how: Judged = {
        "metric": metric, "lower": lower, "delta": delta, "pairs": pairs, "budget": budget, "shell": shell,
        "depends": options.names(depends), "limit": limit, "threads": threads, "device": device, "store": store,
    }  # fmt: skip
    if self_test:
        if candidate or (baseline is None) == (command is None):
            raise RequestError("--self-test takes one command: --baseline CMD, or --command CMD")
        with observer(quiet) as shown:
            tested = api.self_test(baseline or command or "", observer=shown, **how)
        print_json(tested.as_json()) if as_json else judged.show_self_test(out, tested)
        return tested.status
    if baseline is None or candidate is None:
        raise RequestError(
            "judge takes --baseline and --candidate: two commands, or two commits and --command, which is run in both"
        )
    with observer(quiet) as shown:
        found = api.judge(
            baseline, candidate, command=command, links=options.names(link), report=report, ledger=ledger,
            fail_fast=fail_fast, observer=shown, **how,
        )  # fmt: skip
    print_json(found.as_json()) if as_json else judged.show(out, found)
    return 0 if found.verdict in verdicts else found.status


def ledger(
    name: Annotated[str, typer.Argument(help="Which one.")] = "default",
    store: options.StoreDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What was proposed to judge, and what error is left.

    Each proposal to a ledger, how it ended, and what it spent.
    """
    from bakeoff import api
    from bakeoff.report.console import judged

    out, _ = consoles(as_json)
    found = api.ledger(name, store=store)
    if as_json:
        print_json(found.as_json())
    else:
        judged.show_ledger(out, found)
