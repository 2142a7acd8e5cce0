"""Handing in: a whole folder or none, every number from the store, and what is the student's own left blank."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from bakeoff import recipes
from bakeoff.cli import main
from bakeoff.report import words
from bakeoff.runs.store import Store
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec
from bakeoff.teach.handin import BLANK
from bakeoff.teach.handin import hand_in as write
from bakeoff.teach.pick import pick
from tests.studies import write_study

pytestmark = pytest.mark.slow  # together

TWELVE = tuple(technique.name for technique in recipes.get("torchvision-2021").techniques)
ERROR = new_output("error", ename="ValueError", evalue="no such thing", traceback=[])


def printed(text: str):
    return new_output("stream", name="stdout", text=text)


def shown(**data: str):
    return new_output("execute_result", data=data, execution_count=1)


def ran(source: str, count: int, *outputs, tags=()):
    return new_code_cell(source, execution_count=count, outputs=list(outputs), metadata={"tags": list(tags)})


DRAW = ran("print(TECHNIQUE)", 1, printed("mixup\n"), tags=["technique"])


def notebook(path: Path, *cells) -> Path:
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    found = Store(tmp_path_factory.mktemp("runs"))
    write_study(found, training=("label_smoothing", "mixup", "cutmix"), evaluation=("ema",), images=120, runs=16)
    return found


@pytest.fixture
def hand_in(store, tmp_path, capsys):
    """Run the command; its exit status and what it printed."""

    def run(path: Path, *arguments: str) -> tuple[int, str, str]:
        output = () if "--output" in arguments else ("--output", str(tmp_path / "out"))
        status = main(["handin", "--notebook", str(path), "--store", store.url, *output, *arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def handed(store, tmp_path_factory):
    """A notebook and what was handed in with it."""
    place = tmp_path_factory.mktemp("week")
    path = notebook(place / "week.ipynb", new_markdown_cell("# A week"), DRAW)
    results = analyse(gather(store, StudySpec.load(store, "")))
    return path, results, write(path, results, place / "out")


def test_the_folder_has_everything(handed):
    path, _, done = handed
    assert {name: file.name for name, file in done.files.items()} == {
        "notebook": "week.ipynb",
        "narrative": "narrative.txt",
        "analysis": "analysis.txt",
        "report": "report.html",
        "table": "table.txt",
        "readme": "README.txt",
    }
    assert sorted(done.folder.iterdir()) == sorted(done.files.values())
    assert done.files["notebook"].read_bytes() == path.read_bytes()
    assert done.files["report"].read_text("utf-8").startswith("<!doctype html>")
    assert (done.technique, done.note) == ("mixup", "")
    assert sorted(path.parent.iterdir()) == [done.folder, path], "nothing else is left lying about"


def test_the_numbers_are_the_stores(handed):
    _, results, done = handed
    effect = next(effect for effect in results.main if effect.technique == "mixup")
    digits = words.digits(results.main)
    gain = words.signed(effect.gain_pp, digits)
    narrative, analysis, table = (done.files[name].read_text("utf-8") for name in ("narrative", "analysis", "table"))
    for text in (narrative, analysis):
        assert f"{gain} points of Acc@1" in text
        assert words.span(effect.low, effect.high, digits) in text
        assert f"the store of the study {results.spec.name}" in text
    assert f"{words.signed(results.total.gain_pp, words.digits([results.total]))} points of accuracy" in narrative
    assert gain.replace(words.MINUS, "-") in table
    assert max(map(len, table.splitlines())) <= 120


def test_every_place_for_own_words_is_in_the_readme(handed):
    done = handed[2]
    readme = done.files["readme"].read_text("utf-8")
    places = [
        f"  {done.files[name].name}: {line.removeprefix(BLANK).removesuffix(']')}"
        for name in ("narrative", "analysis")
        for line in done.files[name].read_text("utf-8").splitlines()
        if line.startswith(BLANK)
    ]
    assert len(places) == done.blanks == 5
    assert set(places) <= set(readme.splitlines())
    assert "5 places marked" in readme
    assert "UNVERIFIED" in readme


def test_the_analysis_is_the_notebooks_own_where_it_has_one(hand_in, tmp_path):
    cells = (
        DRAW,
        ran("1", 2, printed("before")),
        new_markdown_cell("# Analysis\n\nFrom what was **measured**."),
        new_markdown_cell("## Question 1: why $(16, 10)$?"),
        ran("2", 3, shown(**{"text/markdown": "It has `16`\nrows.\n\n| a | b |\n|---|---|\n| 1 | 2 |"})),
        ran("2", 3, shown(**{"text/markdown": "- one\n  item\n- $\\ln 10$"})),
        ran("3", 4, shown(**{"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})),
        new_markdown_cell("## Question 2"),
        ran("4", 5, printed("2.303\n"), new_output("stream", name="stderr", text="a warning")),
        new_markdown_cell("# The bridge"),
        ran("5", 6, printed("after")),
        ran("6", 7, shown(**{"text/plain": "42"}), tags=["analysis"]),
    )  # fmt: skip
    assert hand_in(notebook(tmp_path / "a.ipynb", *cells))[0] == 0
    text = (tmp_path / "out" / "analysis.txt").read_text("utf-8")
    assert text.split("\n\n") == [
        "Analysis",
        "From what was measured.",
        "Question 1: why (16, 10)?",
        "It has 16 rows.",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "- one item",
        "- $\\ln 10$",
        "[your words: in a sentence or two, from the numbers above. Question 1: why (16, 10)?]",
        "Question 2",
        "2.303",
        "42",
        "[your words: in a sentence or two, from the numbers above. Question 2]",
        "Where this is from: text and outputs of a.ipynb.\n",
    ]


def test_the_technique_may_be_named_or_drawn(hand_in, tmp_path):
    path = notebook(tmp_path / "a.ipynb", ran("1", 1))
    status, _, err = hand_in(path)
    assert status == 2
    assert "draws no technique; say which one it is: --technique NAME, or --seed" in err
    assert json.loads(hand_in(path, "--json", "--technique", "cutmix")[1])["technique"] == "cutmix"
    said = json.loads(hand_in(path, "--json", "--seed", " ada LOVELACE", "--output", str(tmp_path / "b"))[1])
    assert said["technique"] == pick(TWELVE, "Ada Lovelace")["technique"] == "weight_decay_tuning"
    assert "doesn't measure it" in (tmp_path / "b" / "narrative.txt").read_text("utf-8")
    assert hand_in(path, "--seed", "a", "--technique", "mixup")[0] == 2
    assert "did you mean mixup?" in hand_in(path, "--technique", "mixpu", "--output", str(tmp_path / "c"))[2]


def test_cells_out_of_order_are_noted(hand_in, tmp_path):
    status, out, _ = hand_in(notebook(tmp_path / "a.ipynb", DRAW, ran("1", 7), ran("2", 3)))
    assert status == 0
    assert "not run from top to bottom" in out
    assert "not run from top to bottom" in (tmp_path / "out" / "README.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([DRAW, ran("x = 1\ny", 2, ERROR)], "cell 2 of {} (x = 1) failed with ValueError: no such thing"),
        ([new_markdown_cell("# A"), new_code_cell("y = 2")], "cell 2 of {} (y = 2) was not executed"),
        ([new_markdown_cell("# Only words")], "{} has no code cell"),
    ],
)
def test_a_notebook_that_was_not_executed_without_error_is_refused(hand_in, tmp_path, cells, said):
    path = notebook(tmp_path / "a.ipynb", *cells)
    status, _, err = hand_in(path)
    assert status == 2
    assert said.format(path) in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_error_that_is_meant_to_be_shown_is_no_failure(hand_in, tmp_path):
    meant = ran("raise", 2, ERROR, tags=["raises-exception"])
    assert hand_in(notebook(tmp_path / "a.ipynb", DRAW, meant, new_code_cell("")))[0] == 0


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", '{"cells": [1]}', '{"cells": {}}'])
def test_what_is_no_notebook_is_refused(hand_in, tmp_path, text):
    path = tmp_path / "a.ipynb"
    path.write_text(text)
    status, _, err = hand_in(path)
    assert status == 2
    assert "is not a notebook of format 4" in err


def test_what_is_not_there_is_said(hand_in, tmp_path):
    assert "no notebook" in hand_in(tmp_path / "none.ipynb")[2]
    assert "can't read the notebook" in hand_in(tmp_path)[2]
    path = notebook(tmp_path / "a.ipynb", DRAW)
    status, _, err = hand_in(path, "--study", "mnist")
    assert (status, "unknown study" in err) == (2, True)
    status, _, err = hand_in(path, "--output", str(path / "below"))
    assert (status, "can't write" in err) == (2, True)


def test_words_that_are_there_are_kept(hand_in, tmp_path):
    path = notebook(tmp_path / "a.ipynb", DRAW)
    (tmp_path / "out").mkdir()
    status, out, _ = hand_in(path)
    assert status == 0, "an empty folder may be used"
    assert "mixup, study digits-factorial-abc123; 5 places are yours to write" in out
    mine = tmp_path / "out" / "narrative.txt"
    mine.write_text("my words")
    status, _, err = hand_in(path)
    assert status == 2
    assert "name another folder with --output" in err
    assert mine.read_text() == "my words"


def test_a_study_without_results_has_nothing_to_hand_in(tmp_path, capsys):
    empty = Store(tmp_path / "runs")
    write_study(empty, training=("mixup", "cutmix"), runs=16, missing=range(100))
    path = notebook(tmp_path / "a.ipynb", DRAW)
    assert main(["handin", "--notebook", str(path), "--store", empty.url, "--output", str(tmp_path / "o")]) == 2
    assert "has no finished run" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
