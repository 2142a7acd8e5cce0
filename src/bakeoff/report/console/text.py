"""Text and tables on a terminal: names stay what they are, and lines are broken between words, never inside one.

All that is printed for people goes through here. Nothing is read as markup, so a class may be called "[red]"; what a
terminal would obey or can't show is printed as an escape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bakeoff.files import printable

_GAP = 2  # columns between two cells

Cell = str | Text


@dataclass(frozen=True)
class Column:
    """A column of a table.

    name: its heading. right: numbers, which stand at the right. whole: cells stay in one line, as numbers do. rank: 0,
    or where there is no room for all columns those of the highest rank are left out first.
    """

    name: str
    right: bool = False
    whole: bool = False
    rank: int = 0


def plain(*lines: str, style: str = "") -> Text:
    """Text as it is, markup and all; see `printable`."""
    return Text("\n".join(map(printable, lines)), style)


def say(console: Console, *parts: str | Text) -> None:
    """Print a paragraph. A word that is longer than the line, such as a path, stays whole: a terminal goes on below."""
    whole = Text.assemble(*(plain(part) if isinstance(part, str) else part for part in parts))
    for line in broken(whole, console.width):
        _line(console, line)


def say_beside(console: Console, head: Text, text: Text, indent: int) -> None:
    """Print a paragraph beside a head of at most `indent` columns; below it, where there is no room beside it."""
    room = console.width - indent - 2 * _GAP
    if head.plain and room < _longest_word(text):
        _line(console, Text(" " * _GAP) + head)
        head, indent = Text(), _GAP
    before = _GAP + (indent + _GAP if indent else 0)
    for line in broken(text, console.width - before):
        start = Text(" " * _GAP) + head
        _line(console, start + Text(" " * (before - start.cell_len)) + line)
        head = Text()


def say_path(console: Console, label: str, what: object) -> None:
    """Print where something is, or what a file holds, in one line, so that it can be copied."""
    _line(console, plain(f"{label}: {what}"))


def _line(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)


def show_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], rule: bool = False) -> None:
    """Print a table that fits.

    Where there is no room, cells and headings are broken between words, then columns are left out, which is said, and
    then each row becomes a list. rule: a line below the headings.
    """
    every = [[plain(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    heads = [plain(column.name, style="bold") for column in columns]
    least, most = [], []
    for index, column in enumerate(columns):
        cells = [row[index] for row in every]
        whole = max((_width(cell) for cell in cells), default=0)
        words = whole if column.right or column.whole else max((_longest_word(cell) for cell in cells), default=0)
        least.append(max(words, _longest_word(heads[index])))
        most.append(max(whole, _width(heads[index])))
    kept = list(range(len(columns)))
    while _total(least, kept) > console.width and any(columns[index].rank for index in kept):
        kept.remove(max(kept, key=lambda index: columns[index].rank))
    if _total(least, kept) > console.width:
        _show_lists(console, heads, every)
        return
    widths = _shared(least, most, kept, console.width)
    _show_row(console, columns, kept, widths, heads, bottom=True)
    if rule:
        _line(console, Text("\u2500" * _total(widths, kept), "dim"))
    for row in every:
        _show_row(console, columns, kept, widths, row)
    if left_out := [column.name for index, column in enumerate(columns) if index not in kept]:
        say(console, plain(f"no room for: {', '.join(left_out)}; a wider terminal and --json have them", style="dim"))


def _show_row(
    console: Console,
    columns: Sequence[Column],
    kept: Sequence[int],
    widths: Sequence[int],
    cells: Sequence[Text],
    bottom: bool = False,
) -> None:
    lines = {index: broken(cells[index], widths[index]) for index in kept}
    height = max(map(len, lines.values()), default=0)
    for number in range(height):
        line = Text()
        for index in kept:
            at = number - (height - len(lines[index]) if bottom else 0)
            part = lines[index][at] if 0 <= at < len(lines[index]) else Text()
            free = " " * (widths[index] - part.cell_len)
            line.append_text(Text(free) + part if columns[index].right else part + Text(free))
            line.append(" " * _GAP)
        line.rstrip()
        _line(console, line)


def _show_lists(console: Console, heads: Sequence[Text], rows: Sequence[Sequence[Text]]) -> None:
    """Each row as lines "heading: cell"."""
    for number, row in enumerate(rows):
        if number:
            console.print()
        for head, cell in zip(heads, row, strict=True):
            if cell.plain:
                say(console, Text.assemble(head, ": " if head.plain else "", cell))


def _shared(least: Sequence[int], most: Sequence[int], kept: Sequence[int], room: int) -> list[int]:
    """Widths that fit: the widest columns that can be narrower give first, those of one width together."""
    widths = list(most)
    while _total(widths, kept) > room:
        wide = [index for index in kept if widths[index] > least[index]]
        most_of = max(widths[index] for index in wide)
        for index in wide:
            widths[index] -= widths[index] == most_of
    return widths


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + _GAP * (len(kept) - 1)


def broken(text: Text, width: int) -> list[Text]:
    """The lines of a text when it is broken between words so that none has more than `width` columns.

    Longer words stay whole.
    """
    lines = []
    for paragraph in text.split("\n", allow_blank=True):
        cuts, used = [], 0
        words = paragraph.plain.split(" ")
        starts = accumulate((len(word) + 1 for word in words[:-1]), initial=0)
        for start, word in zip(starts, words, strict=True):
            needed = cell_len(word)
            if used and used + needed > width:
                cuts.append(start)
                used = 0
            used += needed + 1
        edges = [0, *cuts, len(paragraph)]
        for start, end in pairwise(edges):
            line = paragraph[start:end]
            line.rstrip()
            lines.append(line)
    return lines


def _width(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)
