"""The worked example in CONTRIBUTING.md is real: it runs and does what the text says."""

import os
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bakeoff import tasks, techniques
from bakeoff.engine.optim import lr_factor
from bakeoff.plan import diff
from bakeoff.recipe import Conflict, Recipe, compile_plan
from bakeoff.technique import Technique

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"


def example() -> str:
    """The page's first block of Python."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block
    return block[1]


@pytest.fixture
def warmup() -> Iterator[type[Technique]]:
    """The class that the page's first block of Python defines."""
    module = types.ModuleType("worked_example")
    sys.modules[module.__name__] = module
    exec(compile(example(), str(PAGE), "exec"), vars(module))
    yield module.Warmup
    del sys.modules[module.__name__]


def test_only_its_slot_changes_and_the_rate_rises(warmup: type[Technique]) -> None:
    task = tasks.get("digits", Path())
    compiled = compile_plan(task, Recipe("with", (warmup(),)))
    assert set(diff(compiled.base, compiled.plan)) == {"lr"} == set(warmup.slots)
    rates = [lr_factor(compiled.plan.lr, step, 900) for step in range(51)]
    assert rates[0] == pytest.approx(0.01)
    assert all(a < b for a, b in pairwise(rates))
    assert rates[50] == 1.0


def test_at_zero_it_does_nothing(warmup: type[Technique]) -> None:
    task = tasks.get("digits", Path())
    assert warmup.zero is not None
    assert compile_plan(task, Recipe("zero", (warmup(**warmup.zero),))).plan == task.base_plan()


def test_it_conflicts_with_the_technique_that_its_card_names(warmup: type[Technique]) -> None:
    other = techniques.make("lr_optimizations")
    assert other.name in warmup.card.interacts
    with pytest.raises(Conflict, match="both set lr"):
        compile_plan(tasks.get("digits", Path()), Recipe("both", (other, warmup())))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The parts of the repository that somebody who adds a technique touches or runs."""
    for folder in ("src", "tests", "docs", "bench", "examples"):
        if (ROOT / folder).exists():
            shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and path.suffix in (".md", ".toml"):
            shutil.copy(path, tmp_path)
    return tmp_path


def run(copy: Path, *arguments: str) -> str:
    """A Python program in the copy, as it is there; what it printed."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy / "src"), str(copy)]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=copy, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


PARTS = ("techniques", "every_technique", "cards", "narrative", "pictures", "pick", "docs", "cli", "site")
OF_THE_LIST = "up_to_date or listed or reaches or the_list or techniques_and_data or navigation or links or chance"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["warmup", "gridmask", "poly_loss"])
def test_a_technique_is_one_file_one_line_and_one_command(name: str, copy: Path) -> None:
    """As the page says, in a copy: everything passes that goes over the list of techniques."""
    techniques_folder = copy / "src" / "bakeoff" / "techniques"
    source = example() if name == "warmup" else (ROOT / "examples" / f"{name}.py").read_text("utf-8")
    (techniques_folder / f"{name}.py").write_text(source, "utf-8")
    listed = techniques_folder / "__init__.py"
    text = listed.read_text("utf-8")
    assert text.count('    "sync_batchnorm",\n') == 1
    listed.write_text(text.replace('    "sync_batchnorm",\n', f'    "sync_batchnorm",\n    "{name}",\n'), "utf-8")
    before = {path.name: path.read_bytes() for path in (copy / "docs" / "cards").iterdir()}
    run(copy, "docs/cards.py", name)

    after = {path.name: path.read_bytes() for path in (copy / "docs" / "cards").iterdir()}
    assert set(after) - set(before) == {f"{name}.md", f"{name}.png"}
    assert {file for file in before if before[file] != after[file]} == {"index.md"}
    files = [f"tests/test_{part}.py" for part in PARTS]
    chosen = f"({name} and not pair_trains) or {OF_THE_LIST}"
    told = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files, "-k", chosen)
    assert int(re.findall(r"(\d+) passed", told)[0]) > 2 * len(techniques.NAMES)  # with every other one, on two tasks
