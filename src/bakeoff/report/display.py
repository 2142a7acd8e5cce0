"""Parts of a report in a notebook: what a cell shows when it ends in one of these calls."""

import base64
from dataclasses import dataclass
from functools import lru_cache

from bakeoff.errors import unknown
from bakeoff.report.compose import page
from bakeoff.report.page import Block, Picture, Section, Text
from bakeoff.report.render import markdown
from bakeoff.report.render.svg import drawn
from bakeoff.report.rows import rows
from bakeoff.report.sections.health import notices
from bakeoff.report.sections.summary import headline as answer
from bakeoff.study.analyse import Results


@dataclass(frozen=True)
class Part:
    """Some blocks of a report, which Jupyter shows as text, tables and pictures."""

    blocks: tuple[Block, ...]

    def outputs(self) -> list[dict[str, str]]:
        """What is shown: media type -> content, for each picture, its caption, and the blocks between pictures."""
        found: list[dict[str, str]] = []
        between: list[Block] = []
        for block in self.blocks:
            if isinstance(block, Picture):
                image = base64.b64encode(drawn(block.draw(False), "png")).decode()
                found += [*_text(between), {"image/png": image, "text/plain": block.alt}, *_text([block.caption])]
                between = []
            else:
                between.append(block)
        return found + _text(between)

    def _ipython_display_(self) -> None:
        from IPython.display import display  # there where a notebook is

        for output in self.outputs():
            display(output, raw=True)  # type: ignore[no-untyped-call]


def section(results: Results, name: str) -> Part:
    """One section of a study's report, such as "effects", "pairs", "stacked" or "limits", without its title.

    Raises RequestError, with the names, for one that this report doesn't have.
    """
    sections = _sections(results)
    if name not in sections:
        raise unknown("section of this report", name, sections)
    return Part(sections[name].blocks)


def headline(results: Results) -> Part:
    """What a study found, in a few sentences; before them, what a reader must know first."""
    return Part((*notices(results), *answer(results, rows(results))))


def paragraphs(*texts: str) -> Part:
    """Plain text as paragraphs: what looks like Markdown in it stays as it is."""
    return Part(tuple(Text.of(text) for text in texts))


@lru_cache(maxsize=2)  # a notebook asks for them one after the other
def _sections(results: Results) -> dict[str, Section]:
    return {each.name: each for each in page(results).sections}


def _text(blocks: list[Block]) -> list[dict[str, str]]:
    text = markdown.blocks(blocks)
    return [{"text/markdown": text, "text/plain": text}] if blocks else []
