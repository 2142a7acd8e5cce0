"""The command line: every command is parsed, calls one function, and prints."""

import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bakeoff.cli import (
    analyse,
    data,
    derive,
    doctor,
    export,
    handin,
    inspection,
    lr_find,
    runs,
    store,
    studies,
    suggest,
    techniques,
    training,
    verify,
    watch,
    worker,
)
from bakeoff.errors import BakeoffError, RequestError

_WORD = 400  # characters that a word of an error may have: a path does, what nobody would read doesn't


class _Group(TyperGroup):
    """Commands, with a suggestion for one that isn't there."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command. Raises RequestError for one that isn't there."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise RequestError(suggest.instead_of_command(args[0], list(self.commands), ctx.command_path))
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (training.train, studies.ablate, derive.derive, studies.report, training.evaluate, training.predict):
    app.command()(command)
app.command("inspect")(inspection.inspect)
app.command()(export.export)
app.command()(export.package)
app.command()(analyse.analyse)
app.command()(handin.handin)
app.command()(watch.watch)
app.command()(verify.verify)
app.command()(worker.worker)
app.command()(lr_find.lr_find)
app.command()(doctor.doctor)
app.add_typer(techniques.app, cls=_Group, name="techniques", help="The training techniques and their cards.")
app.add_typer(runs.app, cls=_Group, name="runs", help="What is in the store.")
app.add_typer(store.app, cls=_Group, name="store", help="The files of a store: are they whole?")
app.add_typer(data.app, cls=_Group, name="data", help="Look at data before training on it.")


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"bakeoff {version('bakeoff')}")
        raise typer.Exit


@app.callback()
def _bakeoff(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Train image classifiers with any subset of training techniques, and measure what each one buys."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong request, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # what their encoding doesn't have is printed as an escape
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = int(app(arguments, prog_name="bakeoff", standalone_mode=False, obj=arguments) or 0)
        if status == 130:
            _complain(f"interrupted, the state is kept; go on with: {shlex.join(['bakeoff', *arguments])}", status)
        return status
    except BakeoffError as error:
        if "--debug" in arguments:
            raise
        return _complain(str(error), error.status)
    except TyperException as error:
        return _misunderstood(error)
    except typer.Abort:
        return _complain("stopped; nothing was done", 130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; Python would complain about the flush at exit
        return 1
    except OSError as error:
        if "--debug" in arguments:
            raise
        where = f": {error.filename}" if error.filename else ""
        return _complain(f"{(error.strerror or str(error)).lower()}{where} (--debug shows where)", 1)
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _complain(f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)", 1)


def _misunderstood(error: Any) -> int:
    """What can't be parsed; a group of commands alone shows its help."""
    kind = type(error).__name__  # their classes aren't public
    if kind == "NoArgsIsHelpError":
        print(error.format_message())
        return 0
    if kind == "NoSuchOption" and error.ctx:
        known = [
            name for parameter in error.ctx.command.params for name in (*parameter.opts, *parameter.secondary_opts)
        ]
        return _complain(suggest.instead_of_option(error.option_name, known, error.ctx.command_path), 2)
    return _complain(error.format_message(), 2)


def _complain(message: str, status: int) -> int:
    from rich.console import Console

    from bakeoff.files import printable
    from bakeoff.report.console.text import say

    words = (word if len(word) <= _WORD else f"{word[: _WORD // 2]}...{word[-40:]}" for word in message.split())
    line = f"bakeoff: {printable(' '.join(words))}"
    if sys.stderr.isatty():
        say(Console(stderr=True), line)
    else:
        print(line, file=sys.stderr)
    return status
