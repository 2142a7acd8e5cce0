"""What is written is generated or true: the README's opening, its commands, the files that the map names."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench import page

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_readme_s_opening_is_the_kept_study_s() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "docs" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    found = readme.results()
    assert readme.filled(README, found) == README, "run: make readme"
    drawn = (ROOT / "docs" / "img" / "effects.svg").read_text("utf-8")
    words = re.compile(r"<text[^>]*>([^<]+)</text>")  # where lines lie differs between versions of matplotlib
    assert words.findall(drawn) == words.findall(readme.picture(found)), "run: make readme"
    assert "TrivialAugment" in words.findall(drawn)


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for line in README.splitlines() if line.startswith("    bakeoff ")]
    return [line for line in lines if line]


def test_the_page_on_speed_is_of_the_kept_results() -> None:
    assert page.page(page.benchmarks()) == page.PAGE.read_text("utf-8"), "run: python -m bench.page"


@pytest.mark.parametrize("command", commands())
def test_the_readme_s_commands_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command and option is one that the program takes."""
    from bakeoff.cli import main

    words = shlex.split(command)[1:]
    name = [word for word in words[:2] if re.fullmatch("[a-z-]+", word) and not word.startswith("-")]
    if name[0] not in ("techniques", "runs", "data", "store"):
        name = name[:1]
    assert main([*name, "--help"]) == 0
    told = capsys.readouterr().out
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in told, f"{command}: {option}"


@pytest.mark.slow
def test_the_readme_s_python_runs(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    quick = code.replace("seed=0)", 'seed=0, length=0.02, model="softmax", without=["fixres"])').replace(
        "seeds=24)", 'seeds=16, length=0.02, model="softmax", without=["fixres"])'
    )
    assert quick.count("softmax") == 2
    done = subprocess.run([sys.executable, "-c", quick], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "label_smoothing" in done.stdout


def test_the_map_names_every_file_that_it_should() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    names = re.findall(r"`([a-z_/]+\.py)`", text)
    source = ROOT / "src" / "bakeoff"
    folders = [ROOT, source, *(path for path in source.rglob("*") if path.is_dir())]
    assert len(names) > 50
    for name in names:
        assert any((folder / name).exists() for folder in folders), f"{name} is on the map and nowhere else"
