"""The same page as a notebook: every section is a cell whose output is kept, so it reads without being run."""

import json
from typing import Any

from bakeoff.report.display import Part
from bakeoff.report.page import Page
from bakeoff.report.render import markdown
from bakeoff.stats.table import DEFAULT
from bakeoff.study.analyse import Results

_SETUP = """\
# Run this to compute the report anew from the store, $BAKEOFF_STORE or runs/ here.
# What it said when it was written stands below.
import bakeoff as bo

results = bo.open_study({study})"""


def render(page: Page, results: Results) -> str:
    """The notebook as JSON, format 4.5. Its cells import bakeoff and nothing in it."""
    head = [f"# {markdown.escape(page.title)}"]
    head += [f"> {markdown.words(text)}" for text in page.notices]
    head += [markdown.words(text) for text in page.headline]
    study = repr(results.spec.name)
    if results.options != DEFAULT:
        study += f", options=bo.{results.options!r}"
    cells = [_markdown("title", "\n\n".join(head)), _code("setup", 1, _SETUP.format(study=study), [])]
    for count, section in enumerate(page.sections, start=2):
        cells.append(_markdown(section.name, f"## {markdown.escape(section.title)}"))
        source = f'bo.section(results, "{section.name}")'
        cells.append(_code(f"{section.name}-shown", count, source, Part(section.blocks).outputs()))
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


def _markdown(name: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def _code(name: str, count: int, source: str, outputs: list[dict[str, str]]) -> dict[str, Any]:
    kept = [{"output_type": "display_data", "data": data, "metadata": {}} for data in outputs]
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "source": source,
        "outputs": kept,
        "execution_count": count,
    }
