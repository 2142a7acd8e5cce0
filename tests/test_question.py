"""`bakeoff ablate --question recipe`, as it is used."""

import json
from pathlib import Path

import pytest

from bakeoff.cli import main
from bakeoff.launch.queue import complete
from bakeoff.runs.store import open_store

RECIPE = """
name: mine
techniques:
- lr_optimizations
- random_erasing
- label_smoothing
- ema
"""
QUICK = ("--task", "digits", "--model", "softmax", "--length", "0.1", "--jobs", "1", "--threads", "1")


def ask(folder: Path, *options: str) -> int:
    file = folder / "mine.yaml"
    file.write_text(RECIPE)
    return main(["ablate", *QUICK, "--recipe", str(file), "--question", "recipe", "--store", str(folder), *options])


@pytest.mark.slow
def test_a_recipe_is_audited_until_everything_is_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(tmp_path, "--json", "--delta", "50") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["design"], found["runs"], found["runs_left"]) == ("leave-one-out", 6 * 4, 0)
    assert {effect["seeds"] for effect in found["effects"]} == {6}
    made = sorted(tmp_path.glob("*/run.json"))
    assert len(made) == 24
    (study,) = open_store(tmp_path).study_names()
    assert complete(open_store(tmp_path), study)  # a worker that waits for more leaves
    made[0].unlink()
    assert not complete(open_store(tmp_path), study)
    assert ask(tmp_path, "--quiet", "--delta", "50") == 0
    capsys.readouterr()
    assert ask(tmp_path, "--json", "--delta", "0", "--seeds", "10") == 0
    told = capsys.readouterr()
    longer = json.loads(told.out)
    assert "after 6 seeds lr_optimizations, random_erasing, label_smoothing and ema are not settled" in told.err
    assert (longer["runs"], len(sorted(tmp_path.glob("*/run.json")))) == (40, 40)
    assert ask(tmp_path, "--json", "--delta", "0", "--seeds", "10", "--quiet") == 0
    assert json.loads(capsys.readouterr().out) == longer


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--design", "ladder"), "leave --design and --half-width out"),
        (("--half-width", "0.2"), "leave --design and --half-width out"),
        (("--runs", "30", "--seeds", "6"), "leave all but one out"),
        (("--runs", "11"), "take 3 seeds at least, 12 runs"),
        (("--question", "mine"), "unknown value of --question 'mine'"),
    ],
)
def test_what_contradicts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], why: str
) -> None:
    assert ask(tmp_path, *options) == 2
    assert why in " ".join(capsys.readouterr().err.split())
