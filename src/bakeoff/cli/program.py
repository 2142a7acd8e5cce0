"""The commands, and how a command that fails is told."""

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from bakeoff.cli import (
    analyse,
    data,
    demo,
    derive,
    doctor,
    estimate,
    export,
    handin,
    init,
    inspection,
    judge,
    lr_find,
    runs,
    skill,
    store,
    studies,
    suggest,
    techniques,
    training,
    verify,
    watch,
    worker,
)
from bakeoff.engine.interrupt import Program
from bakeoff.errors import BakeoffError, NoMemory, RequestError, lacks_memory

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
    more = {"allow_extra_args": True} if command is derive.derive else {}  # it says itself what doesn't go
    app.command(context_settings=more)(command)
app.command("inspect")(inspection.inspect)
app.command()(demo.demo)
app.command()(export.export)
app.command()(export.package)
app.command()(analyse.analyse)
app.command()(judge.judge)
app.command()(judge.ledger)
app.command()(skill.skill)
app.command()(handin.handin)
app.command()(init.init)
app.command()(watch.watch)
app.command()(verify.verify)
app.command()(worker.worker)
app.command()(lr_find.lr_find)
app.command()(estimate.estimate)
app.command()(doctor.doctor)
app.add_typer(techniques.app, cls=_Group, name="techniques", help="The training techniques and their cards.")
app.add_typer(runs.app, cls=_Group, name="runs", help="What is in the store.")
app.add_typer(store.app, cls=_Group, name="store", help="The files of a store: check, copy, pack.")
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


def run(arguments: Sequence[str], signals: Program) -> int:
    """Run a command and return its exit status; see `bakeoff.cli.main`. One that was interrupted says nothing."""
    try:
        return _run(arguments)
    except Exception as error:
        if signals.asked:
            return 130
        if "--debug" in arguments:
            raise
        return _explained(error)


def _run(arguments: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):  # what their encoding doesn't have is printed as an escape
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = int(app(arguments, prog_name="bakeoff", standalone_mode=False, obj=list(arguments)) or 0)
        sys.stdout.flush()
    except TyperException as error:
        return _misunderstood(error)
    return status


def _explained(error: Exception) -> int:
    """Say in one line what went wrong. Returns the exit status."""
    if isinstance(error, BakeoffError):
        return _complain(str(error), error.status)
    if isinstance(error, typer.Abort):
        return _complain("stopped; nothing was done", 2)
    if isinstance(error, BrokenPipeError):  # the reader of our output left
        _close_output()
        return 1
    if lacks_memory(error):
        return _complain(str(NoMemory()), 1)
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG) and not where:
            _close_output()
            where = ", in writing results to standard output"
        return _complain(f"{(error.strerror or str(error)).lower()}{where} (--debug shows where)", 1)
    return _complain(f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)", 1)


def _close_output() -> None:
    """Standard output can't be written to; Python would complain about what it still has at the exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
    with suppress(OSError):  # there may be nobody left to tell
        if sys.stderr.isatty():
            say(Console(stderr=True), line)
        else:
            print(line, file=sys.stderr)
    return status
