"""The same page as a notebook: every section is a cell whose output is kept, so it reads without being run."""

import base64
import json
from typing import Any

from bakeoff.report.page import Page, Picture, Section
from bakeoff.report.render import markdown
from bakeoff.report.render.svg import drawn
from bakeoff.study.analyse import Results

_SETUP = """\
# Run this to compute the report anew from the store; what it said when it was written stands below.
import os
from pathlib import Path

from IPython.display import Markdown

from bakeoff.report import chart
from bakeoff.report.render import markdown
from bakeoff.report.compose import page
from bakeoff.runs.store import Store
from bakeoff.stats.table import Reading
from bakeoff.study.analyse import analyse
from bakeoff.study.spec import Spec

store = Store(Path(os.environ.get("BAKEOFF_STORE", "runs")))
results = analyse(store, Spec.load(store, {study!r}), {reading!r})
sections = {{section.name: section for section in page(results).sections}}"""


def render(page: Page, results: Results) -> str:
    """The notebook as JSON, format 4.5."""
    head = [f"# {markdown.escape(page.title)}"]
    head += [f"> {markdown.words(text)}" for text in page.notices]
    head += [markdown.words(text) for text in page.headline]
    cells = [
        _markdown("title", "\n\n".join(head)),
        _code("setup", _SETUP.format(study=results.spec.name, reading=results.reading), []),
    ]
    for section in page.sections:
        cells += _section(section)
    for count, cell in enumerate((cell for cell in cells if cell["cell_type"] == "code"), start=1):
        cell["execution_count"] = count
        for output in cell["outputs"]:
            output["execution_count"] = count
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _section(section: Section) -> list[dict[str, Any]]:
    """A heading; then a cell for each picture and one for every run of blocks between pictures."""
    cells = [_markdown(section.name, f"## {markdown.escape(section.title)}")]
    start = 0
    for index, block in enumerate((*section.blocks, None)):
        if block is not None and not isinstance(block, Picture):
            continue
        if index > start:
            cells.append(_blocks(section, start, index))
        if isinstance(block, Picture):
            cells.append(_picture(block))
            cells.append(_markdown(f"{block.name}-caption", markdown.words(block.caption)))
        start = index + 1
    return cells


def _blocks(section: Section, start: int, end: int) -> dict[str, Any]:
    source = f'Markdown(markdown.blocks(sections["{section.name}"].blocks[{start}:{end}]))'
    text = markdown.blocks(section.blocks[start:end])
    return _code(f"{section.name}-{start}", source, [{"text/markdown": text, "text/plain": text}])


def _picture(picture: Picture) -> dict[str, Any]:
    image = base64.b64encode(drawn(picture.draw(False), "png")).decode()
    return _code(f"{picture.name}-chart", picture.code, [{"image/png": image, "text/plain": picture.alt}])


def _markdown(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def _code(name: str, source: str, outputs: list[dict[str, str]]) -> dict[str, Any]:
    kept = [
        {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": None} for data in outputs
    ]
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "source": source,
        "outputs": kept,
        "execution_count": None,
    }
