"""The command line: every command is parsed, calls one function, and prints."""

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress

from bakeoff.engine import interrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong request, 130 interrupted.

    arguments: None for those of this process, which is the command then: what comes after it is not interrupted.
    """
    asked = list(sys.argv[1:] if arguments is None else arguments)

    def last_words() -> None:
        line = f"bakeoff: interrupted, the state is kept; go on with: {shlex.join(['bakeoff', *asked])}\n"
        with suppress(OSError, ValueError):
            if sys.stderr.isatty():
                line = "\r\x1b[K\x1b[?25h" + line  # a bar was there, and the cursor was hidden
            os.write(sys.stderr.fileno(), line.encode(errors="backslashreplace"))

    status, told = 130, False
    try:
        with interrupt.program(last_words) as signals:  # before anything is loaded that takes a while
            try:
                from bakeoff.cli.program import run

                status = run(asked, signals)
            except BaseException:
                told = "--debug" in asked
                if not signals.asked or told:  # what was interrupted may say so in any words
                    raise
            signals.over.set()
    except KeyboardInterrupt:
        if told:
            raise
    if arguments is None:
        interrupt.ignore()
    if status == 130:
        last_words()
        if arguments is None:
            interrupt.leave(status)
    return status
