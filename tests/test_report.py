"""Reports say what Results say, in every format, for every design, whatever is missing."""

import io
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from rich.console import Console

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.report import chart, display, render, words
from bakeoff.report.compose import page
from bakeoff.report.console import study as terminal
from bakeoff.report.page import Picture, Table, Text
from bakeoff.report.render import markdown
from bakeoff.report.rows import rows
from bakeoff.report.stacked import steps
from bakeoff.runs.store import Store
from bakeoff.stats.table import AnalysisOptions
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec
from tests.documents import Document
from tests.studies import TRAINING, write_study


def results_of(root: Path, **what: Any) -> Results:
    """Of a small study."""
    store = Store(root)
    small = {"training": TRAINING[:4], "evaluation": ("ema",), "images": 120, "runs": 16}
    return analyse(gather(store, write_study(store, **{**small, **what})))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store(tmp_path_factory.mktemp("runs"))
    training = tuple(name for name in TRAINING if name != "fixres")
    write_study(found, training=training, runs=48, not_applicable={"fixres": "the model has <one> input size"})
    return found


@pytest.fixture(scope="module")
def results(store: Store) -> Results:
    return analyse(gather(store, StudySpec.load(store, "digits")))


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report in every format."""
    folder = tmp_path_factory.mktemp("report")
    for format in render.PAGES:
        render.write(results, format, folder / f"found.{format}")
    return folder


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "found.html").read_text()


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[+-]?\d+\.\d+", text.replace(words.MINUS, "-"))]


def test_key_table_is_what_was_measured(html: str, results: Results) -> None:
    head, *body = Document(html).tables[0]
    assert [title.strip("|") for title in head] == [
        "Technique", "Errors", "Averaged, points", "What to do", "The post, points", "A paper, points",
        "Extra training time",
    ]  # fmt: skip
    table = rows(results)
    assert [row.technique for row in table] == [*results.spec.order, "fixres"]
    assert len(body) == len(table) == 12
    for cells, row in zip(body, table, strict=True):
        name, errors, yours, advice, post, paper, time = (cell.strip("|\n").replace("|", " ") for cell in cells)
        assert name.startswith(row.title)
        assert row.post is not None
        assert numbers(post) == [row.post.acc1]
        if row.claim:
            assert numbers(paper)[0] == pytest.approx(row.claim.gain, abs=0.006)
            assert row.claim.dataset in paper
            assert row.claim.model in paper
        else:
            assert paper == words.DASH
        if row.effect is None:
            assert "the model has <one> input size" in advice
            continue
        e = row.effect
        assert numbers(yours) == pytest.approx([e.gain_pp, e.sim_low, e.sim_high], abs=0.0051)
        assert e.errors
        assert e.decision
        percents = [float(found) for found in re.findall(r"[+-]?\d+", errors.replace(words.MINUS, "-"))]
        change = [-100 * share for share in (e.errors.removed, e.errors.high, e.errors.low)]
        assert percents == pytest.approx(change, abs=0.51)
        assert ("*" in errors) == (e.errors.low > 0 or e.errors.high < 0)  # as the interval beside it says
        assert row.advice in advice
        assert ("beyond doubt" in advice) == (e.decision.established or "beyond doubt after" in advice)
        if row.advice in ("keep", "leave out") and not e.decision.established:
            assert f"{words.sureness(e.decision.p_sign)} sure; expected loss" in advice
            assert "*" not in errors
        if not row.evaluation:
            percent = float(time.split("\u00a0%")[0].replace(words.MINUS, "-"))
            assert time.endswith(words.worth(row.worth))
            assert percent == pytest.approx(100 * (results.cost[row.technique] - 1), abs=0.51)
    assert {row.technique for row in table if row.claim} == {
        "long_training", "random_erasing", "label_smoothing", "mixup", "cutmix",
    }  # fmt: skip
    assert {"keep", "leave out", "doesn't matter", "not applicable"} <= {row.advice for row in table}


def test_only_what_was_read_at_its_source_and_compares_stands_beside_an_effect(html: str, results: Results) -> None:
    *_, (head, *body) = Document(html).tables
    assert head[-2:] == ["State", "Comparable"]
    claims = [claim for row in rows(results) for claim in sorted(row.claims, key=lambda claim: not claim.comparable)]
    assert len(body) == len(claims)
    for (*_, state, comparable), claim in zip(body, claims, strict=True):
        assert state.split("|")[1] == words.provenance(claim)
        assert comparable.split("|")[1] == ("yes" if claim.comparable else "no")
        assert claim.incomparable in comparable
        if claim.comparable:
            assert "verified in" in state
            assert claim.source_kind in ("paper text", "abstract", "author repo")
    fast = [claim for claim in claims if claim.gain == -0.14]  # the same accuracy in an hour
    assert [claim.comparable for claim in fast] == [False]


def test_headline_sorts_every_technique_once(results: Results) -> None:
    first, *groups = (text.plain for text in page(results).headline)
    assert numbers(first)[:3] == pytest.approx(
        [results.total.gain_pp, results.total.low, results.total.high], abs=0.0051
    )
    assert f"{results.recipe.acc['acc1']:.2f}" in first
    everything = " ".join(groups)
    assert all(everything.count(words.title(name)) == 1 for name in results.spec.names)


@pytest.mark.slow
def test_what_is_not_worth_having_is_what_was_asked(store: Store) -> None:
    wide = analyse(gather(store, StudySpec.load(store, "digits")), AnalysisOptions(delta=0.75))
    (text,) = (t.plain for t in page(wide).sections[0].blocks if isinstance(t, Text) and "What to do" in t.plain)
    assert "expected to lose less than 0.75 points." in text


def test_html_needs_nothing_else(html: str) -> None:
    document = Document(html)
    assert len(set(document.ids)) == len(document.ids)
    for tag, target in document.leads:
        assert target.startswith("#") or (tag == "a" and target.startswith("https://")), (tag, target)
        if target.startswith("#"):
            assert target[1:] in document.ids
    for target in re.findall(r"url\(([^)]*)\)", html):
        assert target[1:] in document.ids
    assert "<script" not in html
    assert "@import" not in html
    assert "<metadata" not in html


def test_sections_stand_in_the_order_of_interest(html: str) -> None:
    assert re.findall(r'<section id="(.*?)">', html) == [
        "effects", "chart", "in-recipe", "pairs", "stacked", "accuracy", "curves", "classes", "calibration", "noise",
        "runs", "limits", "numbers", "claims",
    ]  # fmt: skip


@pytest.mark.slow
def test_same_results_same_bytes(written: Path, store: Store, tmp_path: Path) -> None:
    again = analyse(gather(store, StudySpec.load(store, "digits")))
    for format in render.PAGES:
        render.write(again, format, tmp_path / f"found.{format}")
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written.iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (written / path.name).read_bytes(), path.name


def test_markdown_says_the_same_with_pictures_beside_it(results: Results, written: Path) -> None:
    text = (written / "found.md").read_text()
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert pictures == ["found-effects.svg", "found-stacked.svg", "found-curves.svg", "found-classes.svg"]
    assert {path.name for path in written.glob("*.svg")} == set(pictures)
    tables = [list(group) for group in _tables(text)]
    whole = [block for section in page(results).sections for block in section.blocks if isinstance(block, Table)]
    assert len(tables) == len(whole)
    for lines, table in zip(tables, whole, strict=True):
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {len(table.columns) + 1}
        assert len(lines) == len(table.rows) + 2
    assert "the model has \\<one\\> input size" in text
    bold = text.replace("\\*", "").split("**")[1::2]
    assert "Keep:" in bold
    assert all(part == part.strip() for part in bold)  # Markdown takes anything else for asterisks


def _tables(text: str) -> Iterator[list[str]]:
    found: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("| "):
            found.append(line)
        elif found:
            yield found
            found = []


@pytest.mark.slow
def test_notebook_is_valid_and_runs_again(written: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((written / "found.ipynb").read_text())
    nbformat.validate(notebook)
    monkeypatch.setenv("BAKEOFF_STORE", store.url)
    names: dict[str, object] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [line for line in cells[0]["source"].splitlines() if "import" in line] == ["import bakeoff as bo"]
    exec(cells[0]["source"], names)
    assert len(cells) == 15
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda output, raw: shown.append(output))
    for cell in cells[1:]:
        shown.clear()
        eval(cell["source"], names)._ipython_display_()
        assert shown == [output["data"] for output in cell["outputs"]]


@pytest.mark.slow
def test_notebook_keeps_how_results_were_read(store: Store, tmp_path: Path) -> None:
    wide = analyse(gather(store, StudySpec.load(store, "digits")), AnalysisOptions(delta=0.75))
    text = render.write(wide, "ipynb", tmp_path / "found.ipynb").read_text()
    source = json.loads(text)["cells"][1]["source"]
    assert source.endswith(", options=bo.AnalysisOptions(level=0.95, delta=0.75, unplanned=False, share=1.0))")


def test_parts_of_a_report_in_a_notebook(results: Results) -> None:
    (chart_, caption) = display.section(results, "chart").outputs()
    assert chart_["image/png"].startswith("iVBOR")
    assert caption["text/markdown"].startswith("Filled bars")
    assert "Keep:" in display.headline(results).outputs()[0]["text/plain"].replace("*", "")
    assert display.paragraphs("a_b", "c").outputs() == [{"text/markdown": "a\\_b\n\nc", "text/plain": "a\\_b\n\nc"}]
    with pytest.raises(RequestError, match="did you mean effects"):
        display.section(results, "efects")


@pytest.mark.slow
@pytest.mark.parametrize("design", ["factorial", "leave-one-out", "add-one", "ladder"])
def test_every_design(design: str, tmp_path: Path) -> None:
    results = results_of(tmp_path, design=design)
    text = render.write(results, "html", tmp_path / "report.html").read_text()
    Document(text)
    term = {
        "factorial": "averaged effect",
        "leave-one-out": "in-recipe effect",
        "add-one": "effect alone",
        "ladder": "stacked effect",
    }[design]
    assert f"<dfn>{term}</dfn>" in text
    total = {"leave-one-out": "train the baseline", "add-one": "train the whole recipe"}
    assert total.get(design, "Together, the 5 techniques gain") in page(results).headline[0].plain
    assert ("Order-dependent" in text) == (design in ("factorial", "ladder"))
    if design in ("leave-one-out", "add-one"):
        with pytest.raises(RequestError, match="a factorial or a ladder can"):
            chart.waterfall(results)
    assert ('id="in-recipe"' in text) == ('id="pairs"' in text) == (design == "factorial")


def test_stack_of_a_ladder_is_its_runs(tmp_path: Path) -> None:
    results = results_of(tmp_path, design="ladder")
    found = steps(results)
    assert [step.technique for step in found] == list(results.spec.order)
    assert found[0].before == results.baseline.acc["acc1"]
    assert found[-1].after == pytest.approx(results.recipe.acc["acc1"])
    assert all(step.after == after.before for step, after in pairwise(found))


def test_stack_of_a_factorial_leads_from_baseline_to_recipe(results: Results) -> None:
    found = steps(results)
    assert [step.technique for step in found] == list(results.spec.order)
    assert found[0].before == pytest.approx(results.baseline.acc["acc1"], abs=0.5)
    assert found[-1].after == pytest.approx(results.recipe.acc["acc1"], abs=0.7)
    assert all(step.low < step.after - step.before < step.high for step in found)


@pytest.mark.slow
def test_what_is_missing_is_said_first(tmp_path: Path) -> None:
    results = results_of(tmp_path, missing={3, 4, 5}, failed={7: "diverged", 8: "crashed"})
    text = render.write(results, "html", tmp_path / "report.html").read_text()
    Document(text)
    top = text[: text.index("<nav")]
    assert "3 of 22 runs have not finished" in top
    assert "2 of 22 runs gave no result (1 crashed and 1 diverged)" in top
    assert text.index('class="notice"') < text.index('class="headline"')
    assert text.count("loss is not finite &lt;at&gt; step 12") == 3  # above, and beside each of the two runs
    assert "<at>" not in text
    shown = io.StringIO()
    terminal.show(Console(file=shown, width=100), results)
    assert shown.getvalue().startswith("3 of 22 runs have not finished")


@pytest.mark.parametrize("design", ["factorial", "leave-one-out", "add-one", "ladder"])
def test_no_finished_run(design: str, tmp_path: Path) -> None:
    results = results_of(tmp_path, design=design, missing=range(1000))
    for format in render.PAGES:
        render.write(results, format, tmp_path / f"report.{format}")
    text = (tmp_path / "report.html").read_text()
    Document(text)
    assert "No run has finished" in text
    assert text.count("its runs have not finished") == 5
    assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE)
    shown = io.StringIO()
    terminal.show(Console(file=shown, width=80), results)
    assert "No run has finished" in shown.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("no", "yes"), ("a", "b", "c")])
def test_few_classes(classes: tuple[str, ...], tmp_path: Path) -> None:
    results = results_of(tmp_path, classes=classes, images=120)
    section = next(section for section in page(results).sections if section.name == "accuracy")
    definition, table = section.blocks[:2]
    assert isinstance(definition, Text)
    assert f"With {len(classes)} classes it is 100\u00a0% whatever the model does" in definition.plain
    assert isinstance(table, Table)
    assert [row[0].text for row in table.rows] == ["Acc@1", f"Acc@{len(classes)}"]
    assert chart.effects_chart(results).axes


def test_many_classes_show_both_ends(tmp_path: Path) -> None:
    results = results_of(tmp_path, classes=tuple(f"class {i}" for i in range(60)), images=300)
    section = next(section for section in page(results).sections if section.name == "classes")
    picture, table = section.blocks
    assert isinstance(picture, Picture)
    assert "Shown are 20 of 60" in picture.caption.plain
    assert isinstance(table, Table)
    gains = [numbers(row[3].text)[0] for row in table.rows]
    assert len(gains) == 20
    assert gains == sorted(gains, reverse=True)
    (axes,) = picture.draw(True).axes
    assert len(axes.get_yticklabels()) == 20


@pytest.mark.slow
def test_names_with_markup_stay_text(tmp_path: Path) -> None:
    classes = ("<b>bold</b>", "a|b", "$x_1$", "*star*", "[bold]rich[/]", "&amp;", "\u732b")
    results = results_of(
        tmp_path,
        classes=classes,
        images=140,
        task="folder:</style><script>alert(1)</script>",
        command="bakeoff ablate --task 'folder:<x>' && echo `ls`",
        not_applicable={"adamw": "[red]no[/] | <i>no</i>"},
    )
    text = render.write(results, "html", tmp_path / "report.html").read_text()
    Document(text)
    assert "<script" not in text
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    lines = render.write(results, "md", tmp_path / "report.md").read_text()
    assert "\\<b\\>bold\\</b\\>" in lines
    assert "| a\\|b |" in lines
    assert "\\$x\\_1\\$" in lines
    assert "```sh\nbakeoff ablate --task 'folder:<x>' && echo `ls`\n```" in lines
    shown = io.StringIO()
    terminal.show(Console(file=shown, width=120), results)
    assert "[red]no[/]" in shown.getvalue()


def test_names_that_no_file_can_hold_become_printable(tmp_path: Path) -> None:
    names = ("caf\udce9", "nul\x00", "\x1b[31mred", "two\nlines", "\u202eleft", "]]>", "na\u00efve")
    found = results_of(tmp_path, images=140, classes=("0", "1", "2", "3", "4", "5", "6"))
    found = replace(found, spec=replace(found.spec, classes=names, command="bakeoff \udce9\x07"))
    for format in render.PAGES:
        path = render.write(found, format, tmp_path / f"found.{format}")
        text = path.read_text()
        told = text.replace("\\\\", "\\").replace("\\[", "[")
        for name in (
            "caf\\xe9",
            "nul\\x00",
            "\\x1b[31mred",
            "two\\nlines",
            "\\u202eleft",
            "na\u00efve",
            "bakeoff \\xe9\\x07",
        ):
            assert name in told, (format, name)
        assert not set(text) & set("\x00\x07\x1b\u202e\udce9")
    drawing = (tmp_path / "found-classes.svg").read_text()
    ElementTree.fromstring(drawing)
    assert "\\x1b[31mred" in drawing


def test_a_full_disk_keeps_the_old_report(written: Path, results: Results, tmp_path: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    for format in render.PAGES:
        path = tmp_path / f"found.{format}"
        path.write_text("old")
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
        try:
            with pytest.raises(BakeoffError, match="can't write the report to .*: file too large"):
                render.write(results, format, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == len(render.PAGES)


@pytest.mark.parametrize("width", [80, 140])
def test_terminal_fits_and_says_the_same(width: int, results: Results) -> None:
    shown = io.StringIO()
    terminal.show(Console(file=shown, width=width), results)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    lines = [line for line in lines if line.strip()]
    for row in rows(results):
        (line,) = (line for line in lines if line.split()[0] == row.technique)
        if row.effect is not None:
            assert row.effect.errors
            assert numbers(line)[0] == pytest.approx(row.effect.gain_pp, abs=0.0051)
            assert words.errors(row.effect.errors.removed).replace(words.MINUS, "-").replace("\u00a0", " ") in line
    assert shown.getvalue().isascii() or set(shown.getvalue()) - set(map(chr, range(128))) == {"\u2500"}


def test_an_unknown_format_and_a_path_that_cannot_be_written(results: Results, tmp_path: Path) -> None:
    unknown: Any = "pdf"
    with pytest.raises(RequestError, match="unknown format 'pdf'; there are: html, md, ipynb"):
        render.write(results, unknown, tmp_path / "report.pdf")
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="can't write the report"):
        render.write(results, "md", tmp_path / "file" / "report.md")


def test_a_report_that_can_t_be_written_whole_keeps_the_old_one(
    written: Path, results: Results, tmp_path: Path
) -> None:
    *names, last = sorted(path.name for path in written.iterdir() if path.suffix in (".md", ".svg"))
    for name in names:
        (tmp_path / name).write_text("old")
    (tmp_path / last).mkdir()  # in the way of a picture
    with pytest.raises(RequestError, match="can't write the report"):
        render.write(results, "md", tmp_path / "found.md")
    assert sorted(os.listdir(tmp_path)) == [*names, last]
    assert {(tmp_path / name).read_text() for name in names} == {"old"}


@pytest.mark.slow
def test_reporting_loads_no_torch() -> None:
    code = (
        "import sys, bakeoff.report.render.html, bakeoff.report.render.notebook, bakeoff.report.compose, "
        "bakeoff.report.console.study; "
        "print(sorted({'torch', 'torchvision', 'bakeoff.engine.train'} & set(sys.modules)))"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    env = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_words() -> None:
    assert [words.signed(value) for value in (0.344, -0.2, -0.001, float("nan"))] == [
        "+0.34", "\u22120.20", "0.00", "not known",
    ]  # fmt: skip
    assert [words.listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
    assert markdown.escape("a_b | <i>&amp;") == "a\\_b \\| \\<i\\>&amp;amp;"
