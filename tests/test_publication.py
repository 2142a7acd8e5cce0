"""The publication kit: a study as LaTeX that compiles, as numbers for programs, and its charts as files."""

import csv
import io
import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from bakeoff.api import open_study
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.report import data, render, words
from bakeoff.report.methods import methods
from bakeoff.report.render import latex
from bakeoff.study.analyse import Results
from tests.test_report import results_of

LATEX = shutil.which("pdflatex")
KEPT = Path(__file__).parents[1] / "studies"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results_of(tmp_path_factory.mktemp("runs"), images=140)


def tabular(text: str) -> list[list[str]]:
    """The cells of the table."""
    found = re.search(r"\\toprule\n(.*)\\bottomrule", text, re.DOTALL)
    assert found
    lines = [line for line in found[1].splitlines() if not line.startswith("\\midrule")]
    assert all(line.endswith(r" \\") for line in lines)
    return [re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines]


def test_csv_is_the_effects(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(data.as_csv(results))))
    effects = [*results.main, *results.in_recipe, results.total]
    assert len(rows) == len(effects) + len(results.spec.not_applicable)
    for row, effect in zip(rows, effects, strict=False):
        assert row["technique"] == ("" if effect is results.total else effect.technique)
        assert float(row["gain_pp"] or "nan") == pytest.approx(effect.gain_pp, nan_ok=True, rel=1e-15)
        assert float(row["simultaneous_high"] or "nan") == pytest.approx(effect.sim_high, nan_ok=True, rel=1e-15)
        assert row["action"] == (effect.decision.action if effect.decision else "")
    assert [row["note"] for row in rows[len(effects) :]] == list(results.spec.not_applicable.values())
    assert {row["study"] for row in rows} == {results.spec.name}


def test_parquet_says_the_same_in_types(results: Results, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = render.write(results, "parquet", tmp_path / "found.parquet")
    table = parquet.read_table(path)
    assert table.to_pylist() == data.rows(results)
    assert {str(field.type) for field in table.schema} == {"string", "double", "int64", "bool"}


@pytest.mark.parametrize("design", ["factorial", "leave-one-out", "add-one", "ladder"])
def test_latex_of_every_design(design: str, tmp_path: Path) -> None:
    found = results_of(tmp_path / "runs", images=140, design=design, missing=(3,))
    text = render.write(found, "latex", tmp_path / "found.tex").read_text()
    heads, *body = tabular(text)
    assert {len(row) for row in body} == {len(heads)}
    assert len(body) == len(found.main) + len(found.spec.not_applicable) + 1
    assert text.count("{") == text.count("}")
    assert text.isascii()
    for name in re.findall(r"\\includegraphics\[.*?\]{(.*?)}", text):
        assert (tmp_path / name).read_bytes().startswith(b"%PDF")
    assert "have not finished" in text  # what a reader must know first
    assert "valid at any look" in text


def test_methods_name_design_seeds_splits_hardware_and_versions(results: Results) -> None:
    text = methods(results)
    spec = results.spec
    for part in (
        spec.data_fingerprint, words.counted(len(spec.rows), "run"),
        words.counted(len({r.block for r in spec.rows}), "seed"),
        f"{spec.splits['report']:,} report", "two-level factorial", spec.device, *spec.versions.values(), spec.command,
    ):  # fmt: skip
        assert part in text, part
    assert "nan" not in text


def test_what_latex_obeys_is_escaped() -> None:
    shown = latex.escape("a_b & 5 % of $x$ #1 {y} ~/^ \\input{z} <b> --x 猫 é \u22121 “")
    assert shown.startswith(
        r"a\_b \& 5 \% of \$x\$ \#1 \{y\} \textasciitilde{}/\textasciicircum{} \textbackslash{}input"
    )
    assert shown.endswith(r"\textless{}b\textgreater{} -{}-x U+732B é $-$1 U+201C")
    assert latex.escape_label("folder:/caf\xe9 1") == "folder:-caf-1"


def test_a_chart_is_the_file_and_the_others_lie_beside_it(results: Results, tmp_path: Path) -> None:
    for kind in ("svg", "png"):
        render.write(results, kind, tmp_path / f"found.{kind}")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"found.svg", "found.png", "found-stacked.svg", "found-curves.png"} <= names
    ElementTree.parse(tmp_path / "found.svg")
    with Image.open(tmp_path / "found.png") as picture:
        assert picture.width > 800


def test_without_a_finished_run(tmp_path: Path) -> None:
    found = results_of(tmp_path / "runs", missing=range(1000))
    text = render.write(found, "latex", tmp_path / "found.tex").read_text()
    assert "not measured" in text
    assert "no interval" in text or "not known" in text
    rows = data.rows(found)
    assert all(row["gain_pp"] is None for row in rows)
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())
    with pytest.raises(RequestError, match="nothing can be drawn"):
        render.write(found, "svg", tmp_path / "found.svg")
    assert not (tmp_path / "found.svg").exists()


@pytest.mark.slow
@pytest.mark.skipif(LATEX is None, reason="no pdflatex on the PATH (apt-get install texlive-latex-recommended)")
@pytest.mark.parametrize("study", ["digits", "mnist-5k-derived", "hostile"])
def test_it_compiles(study: str, results: Results, tmp_path: Path) -> None:
    if study == "hostile":
        names = ("caf\udce9", "a_b", "{", "\\input{x}", "猫", "50%", "$x$", "~", "&", "#")
        spec = replace(
            results.spec, classes=names, task="folder:/home/x_1/{50% & more}", command="bakeoff \\ \x07 --a '{' 猫"
        )
        found = replace(results, spec=spec)
    else:
        found = open_study(store=KEPT / study)
    render.write(found, "latex", tmp_path / "found.tex")
    done = subprocess.run(
        [str(LATEX), "-interaction=nonstopmode", "-halt-on-error", "found.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "found.pdf").stat().st_size > 10_000


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(KEPT / "digits")
    assert main(["report", "--store", store, "--format", "csv", "--output", str(tmp_path / "a.csv"), "--quiet"]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'a.csv'}\n"
    assert (tmp_path / "a.csv").read_text().startswith("study,task,design,technique,")
    assert main(["report", "--store", store, "--format", "tex"]) == 2
    assert "unknown value of --format 'tex'; did you mean latex?" in capsys.readouterr().err
