"""The same page as Markdown (GitHub's), with its pictures as SVG files beside it."""

import re
from collections.abc import Callable, Iterable

from bakeoff.report.page import Block, Bullets, Cell, Code, Grid, Page, Picture, Section, Table, Text

Place = Callable[[Picture], str]


def _named(picture: Picture) -> str:
    return f"{picture.name}.svg"


def render(page: Page, place: Place) -> str:
    """The page. place: where a picture lies, relative to the file."""
    parts = [f"# {escape(page.title)}"]
    parts += [f"> {words(text)}" for text in page.notices]
    parts += [words(text) for text in page.headline]
    parts += [_section(part, place) for part in page.sections]
    return "\n\n".join(parts) + "\n"


def blocks(items: Iterable[Block], place: Place = _named) -> str:
    """Some of a section's blocks."""
    return "\n\n".join(_block(item, place) for item in items)


def _section(part: Section, place: Place) -> str:
    return f"## {escape(part.title)}\n\n{blocks(part.blocks, place)}"


def _block(item: Block, place: Place) -> str:
    match item:
        case Text():
            return words(item)
        case Bullets():
            return "\n".join(f"- {words(text)}" for text in item.items)
        case Code():
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", item.text)), default=0))
            return f"{fence}sh\n{item.text}\n{fence}"
        case Table():
            return _table(item)
        case Grid():
            return "\n".join(f"- {escape(tile.alt)}" for tile in item.tiles)
        case Picture():
            return f"![{escape(item.alt)}]({place(item)})\n\n{words(item.caption)}"


def _table(item: Table) -> str:
    rule = ["---:" if column.number else "---" for column in item.columns]
    lines = [[escape(column.title) for column in item.columns], rule, *([_cell(c) for c in row] for row in item.rows)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{text}\n\n{words(item.caption)}" if item.caption else text


def _cell(content: Cell) -> str:
    detail = f"<br>{escape(content.detail)}" if content.detail else ""
    text = escape(content.text)
    return (f"**{text}**" if content.tone in ("helps", "hurts") else text) + detail


def words(text: Text) -> str:
    """A paragraph."""
    marks = {"term": "*{}*", "strong": "**{}**"}
    parts = []
    for part in text.parts:
        if isinstance(part, str):
            parts.append(escape(part))
        elif part.kind == "code":
            parts.append(f"`{part.text}`")
        elif part.kind == "link":
            parts.append(f"[{escape(part.text)}]({part.url})")
        else:
            parts.append(marks[part.kind].format(escape(part.text)))
    return "".join(parts)


def escape(text: str) -> str:
    """Text that Markdown and HTML take for nothing else."""
    return re.sub(r"([\\`*_\[\]<>|~$#])", r"\\\1", text.replace("\n", " ").replace("&", "&amp;"))
