"""The notebooks run from a fresh kernel without a network, and what is kept of them is what a reader should see."""

import os
import re
import shutil
import subprocess
import sys
import time
from importlib import util
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.helpers import DATA, needs

pytestmark = pytest.mark.slow  # together

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
UNREACHABLE = "http://127.0.0.1:9"  # nothing listens on the discard port

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def run(*notebooks: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command that `make notebooks` runs, where every way to the network ends in nothing."""
    proxies = {name: UNREACHABLE for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
    inherited = {key: value for key, value in os.environ.items() if key.lower() != "no_proxy"}
    return subprocess.run(
        [sys.executable, str(ROOT / "notebooks" / "run.py"), *map(str, notebooks)],
        env={**inherited, **proxies, "BAKEOFF_DATA": str(DATA), **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def written(path: Path, *sources: str) -> Path:
    """A notebook of these code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@needs("mnist", "MNIST")
@each
def test_it_runs_from_a_fresh_kernel_without_a_network(path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(path, tmp_path))
    start = time.perf_counter()
    done = run(copy)
    assert done.returncode == 0, done.stderr or done.stdout
    assert done.stderr == "", "neither kernel nor cells warn"
    assert time.perf_counter() - start < 240, "two notebooks have 5 minutes on 2 busy cores"
    kept, new = code_cells(path), code_cells(copy)
    assert [cell.source for cell in new] == [cell.source for cell in kept]
    assert [cell.execution_count for cell in new] == list(range(1, len(new) + 1))
    assert not complaints(copy)


def complaints(path: Path) -> list[str]:
    """Errors and warnings among the outputs."""
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    return [str(output) for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


@each
def test_what_is_kept_is_one_execution_from_top_to_bottom(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert not complaints(path)
    assert [cell.execution_count for cell in code_cells(path)] == list(range(1, len(code_cells(path)) + 1))
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 1_500_000, "GitHub shows large notebooks slowly or not at all"
    assert str(Path.home()) not in path.read_text("utf-8")
    assert "/shared/data" not in path.read_text("utf-8"), "a path of the machine that ran it"


@each
def test_its_code_is_clean(path: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(path)], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


@each
def test_where_bakeoff_is_missing_the_first_cell_says_what_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = code_cells(path)[0].source
    exec(source, {})
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install"):
        exec(source, {})


def test_a_failing_notebook_is_named_and_left_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path / "wrong.ipynb", "print('so far so good')", "assert 1 + 1 == 3, 'arithmetic'")
    before = path.read_bytes()
    done = run(path)
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert "arithmetic" in done.stderr
    assert path.read_bytes() == before


def test_two_executions_leave_the_same_file_and_have_no_network(tmp_path: Path) -> None:
    path = written(
        tmp_path / "right.ipynb",
        "from urllib.request import urlopen\n"
        "try:\n    urlopen('http://example.com', timeout=5)\nexcept OSError as error:\n    print(error)",
        "import os\nprint(os.environ['BAKEOFF_DATA'])",
    )
    assert run(path, BAKEOFF_DATA="here").returncode == 0
    first = path.read_bytes()
    assert run(path, BAKEOFF_DATA="here").returncode == 0
    assert path.read_bytes() == first
    refused, data = (cell.outputs[0].text for cell in code_cells(path))
    assert "refused" in refused
    assert data == f"{Path('here').resolve()}\n"


def test_what_takes_a_while_shows_one_bar_that_ends_as_one_line(tmp_path: Path) -> None:
    path = written(
        tmp_path / "bar.ipynb",
        "import bakeoff as bo\nrecord = bo.train(length=0.5, device='cpu', store='runs')",
        "results = bo.ablate(design='add-one', seeds=1, length=0.02, jobs=1, store='runs')",
        "record = bo.train(length=0.1, device='cpu', store='runs', observer=lambda event: None)",
        "try:\n    bo.train(model='resnt18', store='runs')\nexcept bo.RequestError as error:\n    print(error)",
    )
    done = run(path)
    assert done.returncode == 0, done.stderr
    trained, studied, silent, wrong = (cell.outputs for cell in code_cells(path))
    for outputs, text in (
        (trained, r"cnn at 8 px: 188 steps .* memory\ntrained: 188 steps"),
        (studied, r"runs: \d+ done, 0 left"),
    ):
        (output,) = outputs
        assert output.output_type == "display_data"
        assert re.fullmatch(text, output.data["text/plain"])
        assert output.data["text/html"].split("<br>") == output.data["text/plain"].splitlines()  # no bar is left
    assert silent == []
    assert [output.output_type for output in wrong] == ["stream"]
