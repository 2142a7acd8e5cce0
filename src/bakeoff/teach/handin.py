"""A folder to hand in: the executed notebook, the text for the forms, the study's report, and what is left to write.

Every number of the text comes from the study's store, from the cards or from the notebook's own outputs, and the text
says which. Sentences that are the student's own to write are left blank and marked.
"""

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bakeoff import techniques
from bakeoff.errors import RequestError
from bakeoff.report import render, words
from bakeoff.report.console import study
from bakeoff.report.rows import rows
from bakeoff.report.sections.health import notices
from bakeoff.report.sections.summary import headline
from bakeoff.study.analyse import Results
from bakeoff.teach.narrative import QUESTIONS, Narrative, narrative

BLANK = "[your words: "  # how every place begins that is the student's own to fill
_WIDTH = 120  # columns of the table as text
_HEADING = re.compile(r"^(#+)\s+(.*?)\s*#*$")


@dataclass(frozen=True)
class HandIn:
    """What was written.

    files: notebook, narrative, analysis, report, table, readme. blanks: how many places are the student's own. note:
    what to mend before handing in; empty where nothing is.
    """

    folder: Path
    study: str
    technique: str
    blanks: int
    note: str
    files: dict[str, Path]


def hand_in(notebook: Path, results: Results, folder: Path, technique: str | None = None) -> HandIn:
    """Write the folder; nothing is left of it when something is wrong.

    technique: what the narrative is about; None: the one that a cell of the notebook tagged `technique` printed.

    Raises RequestError for a notebook that isn't one or wasn't executed without error, a study without results, a
    technique that isn't there, a folder that holds something.
    """
    cells = _cells(notebook)
    note = _executed(cells, notebook)
    technique = technique or _drawn(cells, notebook)
    techniques.get(technique)
    if results.spec.program:
        raise RequestError(f"study {results.spec.name} is of a command: what is handed in is about techniques")
    if not len(results.runs):
        raise RequestError(f"study {results.spec.name} has no finished run, so there is nothing to state yet")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} exists and may hold words of yours; name another folder with --output")
    story = narrative(technique, results)
    texts = {
        "narrative.txt": _narrative(story, results),
        "analysis.txt": _analysis(cells, notebook) or _answers(story),
        "table.txt": _table(results),
    }
    blanks = sum(text.count(BLANK) for text in texts.values())
    texts["README.txt"] = _readme(notebook.name, texts, results, note)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".handin-") as parent:
            partial = Path(parent) / "whole"
            partial.mkdir()
            shutil.copyfile(notebook, partial / notebook.name)
            for name, text in texts.items():
                (partial / name).write_text(text, "utf-8")
            render.write(results, "html", partial / "report.html")
            if folder.exists():
                folder.rmdir()  # it is empty
            os.replace(partial, folder)
    except OSError as error:
        raise RequestError(f"can't write to {folder}: {error.strerror}") from None
    names = ("narrative.txt", "analysis.txt", "report.html", "table.txt", "README.txt")
    files = {"notebook": folder / notebook.name, **{Path(name).stem.lower(): folder / name for name in names}}
    return HandIn(folder, results.spec.name, technique, blanks, note, files)


def _cells(path: Path) -> list[dict[str, Any]]:
    """The cells of a notebook, the text of each in one piece."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RequestError(f"no notebook {path}") from None
    except OSError as error:
        raise RequestError(f"can't read the notebook {path}: {error.strerror}") from None
    except ValueError:
        data = None
    cells = data.get("cells") if isinstance(data, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and "cell_type" in cell for cell in cells):
        raise RequestError(f"{path} is not a notebook of format 4 (.ipynb)")
    if not any(cell["cell_type"] == "code" for cell in cells):
        raise RequestError(f"{path} has no code cell; hand in the notebook that you executed")
    return [{**cell, "source": _joined(cell.get("source", ""))} for cell in cells]


def _executed(cells: list[dict[str, Any]], path: Path) -> str:
    """Check that every cell was run without error; a note if it wasn't from top to bottom."""
    counts = []
    for number, cell in enumerate(cells, start=1):
        if cell["cell_type"] != "code" or not cell["source"].strip():
            continue
        where = f"cell {number} of {path} ({cell['source'].strip().splitlines()[0][:40]})"
        if cell.get("execution_count") is None:
            raise RequestError(f"{where} was not executed; run all cells from the top, save, and try again")
        failure = next((output for output in cell.get("outputs", ()) if output["output_type"] == "error"), None)
        if failure and "raises-exception" not in _tags(cell):
            raise RequestError(
                f"{where} failed with {failure['ename']}: {failure['evalue']}; mend it and run all cells"
            )
        counts.append(cell["execution_count"])
    if counts == sorted(counts):
        return ""
    return "The notebook's cells were not run from top to bottom: restart its kernel and run all, so that it holds."


def _drawn(cells: list[dict[str, Any]], path: Path) -> str:
    """The technique that the notebook drew."""
    for cell in cells:
        if "technique" in _tags(cell):
            return "".join(_outputs(cell))
    raise RequestError(f"{path} draws no technique; say which one it is: --technique NAME, or --seed with your name")


def _narrative(story: Narrative, results: Results) -> str:
    table = rows(results)
    spec = results.spec
    found = [text.plain for text in (*notices(results), *headline(results, table))]
    why = ["Why the two numbers differ, as far as these runs say:", *(f"- {reason}" for reason in story.why)]
    return _paragraphs(
        story.paragraph,
        *(why if story.why else ()),
        _blank(f"what you expected of {story.title} before you saw a number, and what you make of the numbers"),
        f"The study as a whole. {' '.join(found)}",
        _blank("what you would change or measure next, and why"),
        f"Where this is from: what is published from bakeoff's cards (bakeoff techniques show {story.technique}); what "
        f"was measured from the store of the study {spec.name}; the post is {words.POST}",
    )


def _answers(story: Narrative) -> str:
    """The three answers, with a place for the student's own words after each."""
    own = (
        "the idea as you would tell it to somebody who has never trained a network",
        "what the paper itself says at that place, after you have looked",
        "which of these reasons you believe, and what would show that you are right",
    )
    parts = []
    for number, (question, answer) in enumerate(zip(QUESTIONS, story.answers, strict=True)):
        parts += [f"{number + 1}. {question}", *answer, _blank(own[number])]
    return _paragraphs(f"{story.title}: three answers", *parts)


def _analysis(cells: list[dict[str, Any]], path: Path) -> str:
    """What the notebook says under its heading `Analysis` and in cells tagged `analysis`; nothing if it has neither."""
    parts: list[str] = []
    question = ""  # one that stands without a place for the student's answer
    for cell in _section(cells):
        if cell["cell_type"] == "code":
            parts += [text for text in _outputs(cell) if text]
            continue
        for block in _plain(cell["source"]):
            if block.startswith("#"):
                parts += [_own_answer(question)] if question else []
                question = block.lstrip("# ") if parts else ""  # the first is the heading of them all
            parts.append(block.lstrip("# "))
    if not parts:
        return ""
    return _paragraphs(*parts, _own_answer(question), f"Where this is from: text and outputs of {path.name}.")


def _own_answer(question: str) -> str:
    return _blank(f"in a sentence or two, from the numbers above. {question}".rstrip())


def _section(cells: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cells of the section `Analysis`, its heading first, and those tagged so."""
    level = 0  # of the heading that opened the section; 0: outside
    for cell in cells:
        if cell["cell_type"] == "markdown" and (heading := _HEADING.match(cell["source"].lstrip().split("\n")[0])):
            if "analysis" in heading[2].lower() and not level:
                level = len(heading[1])
            elif level and len(heading[1]) <= level:
                level = 0
        if level or "analysis" in _tags(cell):
            yield cell


def _plain(markdown: str) -> Iterator[str]:
    """Paragraphs, list items and tables, each in one piece and without marks for emphasis; headings keep their #."""
    text = re.sub(r"\*\*|`", "", markdown)
    text = re.sub(r"(?<!\$)\$([^$\n]+)\$(?!\$)", lambda found: found[0] if "\\" in found[0] else found[1], text)
    for block in re.split(r"\n\s*\n", text.strip()):
        piece: list[str] = []
        for line in map(str.strip, block.split("\n")):
            if _HEADING.match(line):
                yield line
            elif line.startswith("|"):
                piece.append(f"\n{line}" if piece else line)
            elif re.match(r"[-*] |\d+\. ", line) and piece:
                yield "".join(piece)
                piece = [line]
            else:
                piece.append(f" {line}" if piece else line)
        if piece:
            yield "".join(piece)


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    """What a cell printed or showed as text; pictures are left to the notebook."""
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if output["output_type"] == "stream" and output.get("name") == "stdout":
            yield _joined(output["text"]).strip()
        elif "text/markdown" in data:
            yield from _plain(_joined(data["text/markdown"]))
        elif data and not any(kind.startswith("image/") for kind in data):
            yield _joined(data.get("text/plain", "")).strip()


def _table(results: Results) -> str:
    text = io.StringIO()
    study.show(Console(file=text, width=_WIDTH, highlight=False), results)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _readme(notebook: str, texts: dict[str, str], results: Results, note: str) -> str:
    places = [
        f"  {name}: {place}"
        for name, text in texts.items()
        for place in re.findall(re.escape(BLANK) + r"(.*?)\]", text)
    ]
    parts = [
        "To hand in",
        f"{notebook}: the notebook, as you executed it\n"
        "narrative.txt: the narrative, ready to paste\n"
        "analysis.txt: the analysis questions with what was measured, ready to paste\n"
        f"report.html: the whole report of the study {results.spec.name}; open it in a browser\n"
        "table.txt: its table as text",
        f"Yours to write. {words.counted(len(places), 'place')} marked '{BLANK}...]' are left blank, since nobody but "
        "you can fill them:",
        "\n".join(places),
        "Replace each mark, brackets included, by your sentences. All other text was put together from the study's "
        "store, from bakeoff's cards and from the notebook's outputs: check it, and say so where you hand it in. What "
        "is marked UNVERIFIED was quoted from memory: look it up in the paper before you quote it.",
    ]
    return _paragraphs(*parts, *([note] if note else []))


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"


def _blank(what: str) -> str:
    return f"{BLANK}{what}]"


def _tags(cell: dict[str, Any]) -> list[str]:
    tags: list[str] = cell.get("metadata", {}).get("tags", [])
    return tags


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
