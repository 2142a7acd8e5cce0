"""A report as plain data: sections of paragraphs, tables and pictures, which every format renders in its own way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure

Tone = Literal["", "helps", "hurts", "no_effect", "undecided", "none"]


@dataclass(frozen=True)
class Span:
    """Words that stand out. kind: "term" is where a word is defined."""

    text: str
    kind: Literal["term", "strong", "code", "link"]
    url: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    parts: tuple[str | Span, ...]

    @classmethod
    def of(cls, *parts: str | Span) -> "Text":
        """A paragraph of these parts."""
        return cls(parts)

    @property
    def plain(self) -> str:
        """Without what makes words stand out."""
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)


@dataclass(frozen=True)
class Bullets:
    """A list of short paragraphs."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Code:
    """What to type."""

    text: str


@dataclass(frozen=True)
class Cell:
    """A table's cell: what it says, and below it in small what explains that."""

    text: str
    detail: str = ""
    tone: Tone = ""


@dataclass(frozen=True)
class Column:
    """A table's column. number: set flush right."""

    title: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows. wide: where there's little room, a row becomes a card."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: Text | None = None
    wide: bool = False


@dataclass(frozen=True)
class Picture:
    """A chart. draw: True for a narrow page. alt: what it shows, in words."""

    name: str
    draw: Callable[[bool], Figure]
    alt: str
    caption: Text


@dataclass(frozen=True)
class Tile:
    """A small image. source: its address, or the image itself as one. alt: what it is. lines: below it."""

    source: str
    alt: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """Small images side by side. pairs: two and two belong together, and stay so."""

    tiles: tuple[Tile, ...]
    pairs: bool = False


Block = Text | Bullets | Code | Table | Picture | Grid


@dataclass(frozen=True)
class Section:
    """A part of the page. name: its anchor."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A report. notices: what a reader must know before anything else. headline: the answer in a few sentences."""

    title: str
    notices: tuple[Text, ...]
    headline: tuple[Text, ...]
    sections: tuple[Section, ...]

    def pictures(self) -> Iterator[Picture]:
        """All charts, in order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Picture))


def term(text: str) -> Span:
    """A word, where it's defined."""
    return Span(text, "term")


def strong(text: str) -> Span:
    """Words to see at a glance."""
    return Span(text, "strong")


def code(text: str) -> Span:
    """A name in code."""
    return Span(text, "code")


def link(text: str, url: str) -> Span:
    """A reference."""
    return Span(text, "link", url)
