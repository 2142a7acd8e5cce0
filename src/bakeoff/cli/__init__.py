"""The command line: every command is parsed, calls one function, and prints."""

import shlex
import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from bakeoff.cli import data, derive, handin, runs, studies, techniques, training
from bakeoff.errors import BakeoffError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for command in (training.train, studies.ablate, derive.derive, studies.report, training.evaluate, training.predict):
    app.command()(command)
app.command()(handin.handin)
app.add_typer(techniques.app, name="techniques", help="The training techniques and their cards.")
app.add_typer(runs.app, name="runs", help="What is in the store.")
app.add_typer(data.app, name="data", help="SearchState at data before training on it.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong request, 130 interrupted."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
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
        return _complain(
            error.format_message() or f"no command; try: {shlex.join(['bakeoff', *arguments, '--help'])}", 2
        )
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; Python would complain about the flush at exit
        return 1
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _complain(f"internal error, please report it: {type(error).__name__}: {error} (--debug shows where)", 1)


def _complain(message: str, status: int) -> int:
    print("bakeoff:", " ".join(message.split()), file=sys.stderr)
    return status
