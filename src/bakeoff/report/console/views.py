"""Where it is shown how the work goes: on a terminal, in a file, in a notebook."""

import html
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bakeoff.files import printable
from bakeoff.report.console.bar import Bar
from bakeoff.report.console.text import plain, say

_LINE_SECONDS = 5.0
_SILENT_SECONDS = 1.5  # before a line says what is being done, where nothing says how far it is
_LINE_SHARE = 0.05  # of the time that something takes
_NOTEBOOK_SECONDS = 0.25  # each change is a message to the browser


class Display(Protocol):
    """Something that shows news, which stay, and a bar, which changes."""

    def say(self, text: str) -> None:
        """Show news."""

    def warn(self, text: str) -> None:
        """Show what must reach a person, also one who asked for quiet."""

    def table(self, show: Callable[[Console], None]) -> None:
        """Show more than a line, by a function that prints it, where there is room for it."""

    def bar(self, bar: Bar) -> None:
        """Show how far it is."""

    def open(self) -> None:
        """Begin."""

    def close(self, last: str) -> None:
        """End: the bar goes. last: what stays instead, where no results follow; the same at every execution."""


class Pace:
    """When to write the next line where nothing can be redrawn.

    Every 5 seconds, or in what takes long 20 times in all: a log stays short.
    """

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.what = ""

    def due(self, bar: Bar) -> bool:
        """Whether to tell this; if so, it counts as told."""
        now = time.monotonic()
        if bar.what != self.what:
            self.what, self.began = bar.what, now
        pause = max(_LINE_SECONDS, _LINE_SHARE * (now - self.began + (bar.left or 0.0)))
        if now - self.told < pause:
            return False
        self.told = now
        return True


class TerminalDisplay:
    """On a terminal a bar that is redrawn; in a file, plain lines."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Bar | None = None
        self._since = 0.0  # when what it does began
        self._pace = Pace()
        self._soon = threading.Timer(0, lambda: None)  # says what is being done, where that takes a while
        live = console.is_terminal and not console.quiet
        self._live = Live(get_renderable=self._now, console=console, transient=True) if live else None

    def _now(self) -> Bar | Text:
        return self.shown() or Text()

    def shown(self) -> Bar | None:
        """The bar, and where nobody knows how far it is, how long it has been."""
        if self._bar is None:
            return None
        took = time.monotonic() - self._since
        if self._bar.share is not None or took < _SILENT_SECONDS:
            return self._bar
        return replace(self._bar, facts=(*self._bar.facts, f"for {took:.0f} s"))

    def open(self) -> None:
        """Begin."""
        if self._live:
            self._live.start()

    def close(self, last: str) -> None:
        """End: the bar goes; results follow it."""
        self._soon.cancel()
        if self._live:
            self._live.stop()

    def say(self, text: str) -> None:
        """Show news: a line for each where nothing breaks lines."""
        self._soon.cancel()
        if self.console.is_terminal:
            say(self.console, text)
        else:
            self.console.print(plain(text), soft_wrap=True, highlight=False)

    def warn(self, text: str) -> None:
        """Show what must reach a person, also one who asked for quiet."""
        quiet, self.console.quiet = self.console.quiet, False
        self.say(f"warning: {text}")
        self.console.quiet = quiet

    def table(self, show: Callable[[Console], None]) -> None:
        """Show more than a line."""
        show(self.console)

    def bar(self, bar: Bar) -> None:
        """Show how far it is."""
        if self._bar is None or self._bar.what != bar.what:
            self._since = time.monotonic()
        self._bar = bar
        self._soon.cancel()
        if self._live:
            return
        if self._pace.due(bar):
            self.say(bar.words())
        elif bar.share is None and not bar.facts:
            self._soon = threading.Timer(_SILENT_SECONDS, self.say, (bar.words(),))
            self._soon.daemon = True
            self._soon.start()


class NotebookDisplay:
    """One output of a cell that changes in place: the news, and the bar. Its last state is what the notebook keeps."""

    def __init__(self) -> None:
        self._news: list[str] = []
        self._bar: Bar | None = None
        self._handle: Any = None
        self._told = time.monotonic()

    def open(self) -> None:
        """Begin; nothing is shown before there is something to show."""

    def close(self, last: str) -> None:
        """End: what is left is text."""
        self._bar = None
        if last:
            self.say(last)
        elif self._handle is not None:
            self._draw()

    def say(self, text: str) -> None:
        """Show news."""
        self._news.append(text)
        self._draw()

    def warn(self, text: str) -> None:
        """Show what must reach a person."""
        self.say(f"warning: {text}")

    def table(self, show: Callable[[Console], None]) -> None:
        """Nothing: a notebook shows results, which have tables of their own."""

    def bar(self, bar: Bar) -> None:
        """Show how far it is."""
        self._bar = bar
        if time.monotonic() - self._told >= _NOTEBOOK_SECONDS:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display  # there where a notebook is

        self._told = time.monotonic()
        lines = [printable(line) for line in (*self._news, *([self._bar.words()] if self._bar else []))]
        shown = "<br>".join(map(html.escape, lines))
        if self._bar:
            value = "" if self._bar.share is None else f' value="{self._bar.share:.3f}"'
            shown = f"<progress{value}></progress><br>{shown}"
        data = {"text/plain": "\n".join(lines), "text/html": shown}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(data, raw=True)


def in_notebook() -> bool:
    """Whether this runs in a cell of a notebook."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return getattr(found, "kernel", None) is not None
