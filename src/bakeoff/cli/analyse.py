"""What runs that exist say."""

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, print_json
from bakeoff.errors import RequestError


def analyse(
    runs: Annotated[
        str,
        typer.Argument(
            metavar="RUNS",
            help="A .csv, .tsv, .jsonl, .json or .parquet with a row for each run, mlflow:URI, tensorboard:DIR or "
            "optuna:FILE.",
            show_default=False,
        ),
    ],
    metric: Annotated[str | None, typer.Option(help="Column that says how good a run is [by its name].")] = None,
    lower: Annotated[
        bool | None, typer.Option("--lower/--higher", help="Which metric is better [by its name].", show_default=False)
    ] = None,
    factors: Annotated[
        list[str] | None, typer.Option(metavar="A,B,...", help="Columns that were set [those of few values].")
    ] = None,
    seed: Annotated[str | None, typer.Option(help="Column of seeds [by its name].")] = None,
    run: Annotated[
        str | None, typer.Option(help="Column of runs, where several rows are one training [by its name].")
    ] = None,
    more: Annotated[
        int | None, typer.Option(help="Suggest so many runs [as many as it takes to tell everything apart].")
    ] = None,
    next_: Annotated[Path | None, typer.Option("--next", help="File to write them to, as CSV.")] = None,
    delta: options.Delta = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What runs that exist say of what was set in them.

    Effects with intervals, what can't be told apart, and what to run next so that it can.
    """
    from bakeoff import api
    from bakeoff.report.console import observed
    from bakeoff.stats.table import AnalysisOptions

    found = api.analyse_runs(
        runs, metric=metric, lower=lower, factors=options.names(factors), seed=seed, run=run,
        more=more, options=AnalysisOptions(delta=delta),
    )  # fmt: skip
    if next_ is not None and not found.next:
        raise RequestError("these runs tell everything apart, so there are none to suggest; --more N asks for some")
    if next_ is not None:
        api.write_next(found, next_)
    out, _ = consoles(as_json)
    if as_json:
        print_json(found.as_json())
    elif not quiet:
        observed.show(out, found)
