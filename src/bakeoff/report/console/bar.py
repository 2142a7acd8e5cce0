"""How far something is, in one line that fits, and what is known so far below it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text

from bakeoff.report import words
from bakeoff.report.console.text import plain

_WIDEST = 24  # columns of the bar itself

Known = tuple[tuple[str, tuple[str, ...]], ...]  # heads, each with what is known, the most important first


@dataclass(frozen=True)
class Bar:
    """What is done now.

    what: in a word. share: how much of it, in [0, 1]; None: not known. left: seconds to come; None: not known. facts:
    in words, the most important first: where there is no room, the last are left out. known: so far, each head in a
    line of its own, as far as there is room.
    """

    what: str
    share: float | None = None
    left: float | None = None
    facts: tuple[str, ...] = ()
    known: Known = ()

    def lines(self, width: int) -> list[Text]:
        """What fits in so many columns; nothing is cut."""
        line = plain(self.what)
        if self.share is not None:
            room = min(_WIDEST, width // 5)
            full = round(self.share * room)
            line.append(" ").append("\u2501" * full, "bar.complete").append("\u2500" * (room - full), "bar.back")
        line.append_text(_fitting(" ", self._facts(), width - line.cell_len))
        heads = (_fitting(f"{head} ", items, width) for head, items in self.known)
        return [line, *(text for text in heads if text.plain)]

    def words(self) -> str:
        """All of it in one line."""
        parts = [", ".join(self._facts()), *(f"{head} {', '.join(items)}" for head, items in self.known if items)]
        return ": ".join(part for part in (self.what, "; ".join(part for part in parts if part)) if part)

    def _facts(self) -> list[str]:
        share = [] if self.share is None else [f"{100 * self.share:.0f} %"]
        left = [] if self.left is None else [f"{words.duration(self.left)} left"]
        return [*share, *left, *self.facts]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.lines(options.max_width):
            line.no_wrap, line.overflow = True, "ignore"
            yield line


def _fitting(head: str, items: Sequence[str], width: int) -> Text:
    """The head and those first items that fit, between commas; nothing where not even one does."""
    line = Text()
    for item in items:
        more = plain(f", {item}" if line.plain else f"{head}{item}")
        if line.cell_len + more.cell_len > width:
            break
        line.append_text(more)
    return line
