"""Options that several commands share, and how their values are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from bakeoff.errors import RequestError, shown, unknown

if TYPE_CHECKING:
    from bakeoff.ablation.design import Design

RUN_HELP = "Id of a run, its first characters, or last: the one that ended last."
Run = Annotated[str, typer.Argument(help=RUN_HELP)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, all else on standard error.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Results only: no progress.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
StoreDir = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PATH", help="Results: a folder or s3://BUCKET/FOLDER [$BAKEOFF_STORE, else runs/]."
    ),
]
DataDir = Annotated[
    str | None, typer.Option("--data", help="Folder of data sets, or s3://... [$BAKEOFF_DATA, else a cache].")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that decode files [one per core].")]
On = Annotated[
    str,
    typer.Option(help="What makes the runs: local, ray, an address of Ray, slurm, or workers (that you start)."),
]
TaskName = Annotated[
    str,
    typer.Option("--task", help="A task by name, your images by folder:, table: or hf: and a path, or ./FILE.py:TASK."),
]

RecipeName = Annotated[str, typer.Option("--recipe", help="A recipe by name, or a recipe file.")]
With = Annotated[list[str] | None, typer.Option("--with", help="Techniques to add: A,B or ./FILE.py:CLASS.")]
WithFile = Annotated[
    list[str] | None, typer.Option("--with", help="./FILE.py:CLASS of techniques from outside, to show their cards.")
]
Without = Annotated[list[str] | None, typer.Option("--without", help="Techniques to leave out: A,B.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="TECHNIQUE.KNOB=VALUE or SLOT=VALUE.")]
ModelName = Annotated[str | None, typer.Option("--model", help="A network by name, or ./FILE.py:BUILDER [the task's].")]
TaskFile = Annotated[str | None, typer.Option("--task", help="./FILE.py:TASK, where the run's task comes from one.")]
ModelFile = Annotated[
    str | None, typer.Option("--model", help="./FILE.py:BUILDER, where the run's network comes from one.")
]
Augmented = Annotated[
    bool | None, typer.Option("--tta/--no-tta", help="With test-time augmentation or without [as planned].")
]
Px = Annotated[
    int | None, typer.Option(min=1, help="Side at which images are read, trained on and evaluated [the task's].")
]
Track = Annotated[
    list[str] | None,
    typer.Option("--track", help="Tell of runs: jsonl, tensorboard, mlflow, wandb or trackio; =WHERE may follow."),
]
Delta = Annotated[
    float | None,
    typer.Option(
        "--delta",
        min=0.0,
        help="Gains within +-delta points aren't worth having [2 % of the errors, one image or more].",
    ),
]
Length = Annotated[float, typer.Option("--length", help="Multiple of the training length.")]


def _grace(value: str) -> str:
    from bakeoff.engine import interrupt
    from bakeoff.reader import duration

    if value != GRACE:  # what it is anyway
        interrupt.set_grace(duration(value))
    return value


GRACE = "20s"
Grace = Annotated[
    str,
    typer.Option("--grace", callback=_grace, help="Longest from a signal until it has ended, whatever it is doing."),
]


def names(values: Sequence[str] | None) -> list[str]:
    """Names from options that may be given more than once and hold commas."""
    return [name.strip() for value in values or () for name in value.split(",") if name.strip()]


def numbers(text: str, option: str) -> list[int]:
    """Whole numbers between commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise RequestError(f"{option} takes whole numbers such as 1,5, not '{text}'") from None


T = TypeVar("T", bound=str)


def one_of(value: str, option: str, known: Sequence[T]) -> T:
    """The value, if it is one of those that are known."""
    for each in known:
        if each == value:
            return each
    raise unknown(f"value of {option}", value, known)


QUESTIONS = ("general", "recipe")


def design(
    question: str,
    kind: str | None,
    seeds: int | None,
    runs: int | None,
    budget: str | None,
    half_width: float | None,
    delta: float | None,
    seed: int,
) -> "Design":
    """A design with its size. Raises RequestError for a kind that isn't one, and for sizes that contradict."""
    from bakeoff.ablation.design import (
        KINDS,
        MOST_SEEDS,
        Budget,
        Factorial,
        HalfWidth,
        LeaveOneOut,
        Runs,
        Seeds,
        Settled,
        design,
    )

    name = one_of(kind or "factorial", "--design", KINDS)
    if one_of(question, "--question", QUESTIONS) == "recipe":
        if kind not in (None, "leave-one-out") or half_width is not None:
            raise RequestError(
                "--question recipe leaves one technique out at a time; leave --design and --half-width out"
            )
        if sum(given is not None for given in (seeds, runs, budget)) > 1:
            raise RequestError("--seeds, --runs and --budget all limit --question recipe; leave all but one out")
        within = (
            Runs(runs) if runs is not None else Budget(budget) if budget is not None else Seeds(seeds or MOST_SEEDS)
        )
        return LeaveOneOut(Settled(within, delta), seed)
    for option, given in (("--half-width", half_width), ("--budget", budget)):
        taken = runs or seeds or (half_width is not None and budget)
        if given is not None and (name != "factorial" or taken):
            others = "--runs and --seeds" if half_width is None else "--budget, --runs and --seeds"
            raise RequestError(f"{option} picks the size of a factorial; leave {others} out")
    if runs is not None and name != "factorial":
        raise RequestError(f"--runs sets the size of a factorial or limits --question recipe; for {name} use --seeds")
    if runs is not None and seeds is not None:
        raise RequestError("--runs and --seeds both set the size of a factorial; leave one out")
    if half_width is not None:
        return Factorial(HalfWidth(half_width), seed)
    if budget is not None:
        return Factorial(Budget(budget), seed)
    return design(name, seeds, seed) if runs is None else Factorial(Runs(runs), seed)


def jobs(text: str) -> int | None:
    """A number of processes; None for auto."""
    if text == "auto":
        return None
    if text.isdecimal() and text.isascii() and len(text) < 10 and int(text) > 0:
        return int(text)
    raise RequestError(f"--jobs takes a number of processes or auto, not {shown(text)}")


def only_without(context: typer.Context, parameters: Sequence[str], why: str) -> None:
    """Raise RequestError where one of these was typed. why: they go with something else."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in parameters and source is not None and source.name == "COMMANDLINE":
            raise RequestError(f"{parameter.opts[-1]}: {why}; leave it out")
