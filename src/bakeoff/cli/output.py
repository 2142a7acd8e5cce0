"""Where results go, and where everything else does."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from bakeoff.report.console.observer import Progress


def consoles(as_json: bool) -> tuple[Console, Console]:
    """(for results, for everything else); with --json results go to standard output by other ways."""
    return console(stderr=as_json), console(stderr=True)


def console(**options: Any) -> Console:
    """A console that shows something: of no width, as $COLUMNS may say, nothing is seen."""
    made = Console(highlight=False, **options)
    if not made.width:
        made.width = 80
    return made


def print_json(data: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(data, indent=1), flush=True)


def observer(quiet: bool) -> "Progress":
    """What shows on standard error how the work goes, with its bar; quiet: nothing."""
    from bakeoff.report.console.observer import Progress
    from bakeoff.report.console.views import TerminalDisplay

    return Progress(TerminalDisplay(console(stderr=True, quiet=quiet)))


@contextmanager
def until_ended() -> Iterator[None]:
    """What serves until it is told to end: SIGINT, SIGTERM and SIGHUP leave the block, and are no failure."""

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    caught = [each for name in ("SIGINT", "SIGTERM", "SIGHUP") if (each := getattr(signal, name, None)) is not None]
    if threading.current_thread() is not threading.main_thread():
        caught = []
    before = {number: signal.signal(number, end) for number in caught}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
