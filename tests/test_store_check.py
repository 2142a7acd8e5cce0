"""`bakeoff store check`: every kind of damage is one line, and what is whole is said to be."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bakeoff.cli import main
from bakeoff.runs.store import Store
from bakeoff.study.check import check
from tests.kept import unpack
from tests.studies import write_study


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept store of digits as files: runs with evaluations, a study and splits."""
    folder = tmp_path_factory.mktemp("whole")
    unpack("digits", folder)
    return folder


def put(path: Path, text: str | bytes) -> object:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return None


def change(path: Path, **values: object) -> object:
    return put(path, json.dumps({**json.loads(path.read_text()), **values}))


Damage = Callable[[Path, Path, Path], object]  # of a store, in which are one run, with its folder, and a view of it


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda s, r, v: put(r / "run.json", ""), r"/run.json isn't as it was written \(it isn't whole"),
        (lambda s, r, v: put(r / "run.json", "[1]"), r"/run.json isn't as it was written \(it isn't JSON of an object"),
        (lambda s, r, v: put(r / "run.json", '{"a": 1}'), "in a form that this version doesn't read"),
        (lambda s, r, v: put(v, v.read_bytes()[:200]), r"\.json isn't as it was written \(it isn't whole"),
        (lambda s, r, v: change(v, acc={"acc1": 99.0, "acc5": 99.0}), r"\(acc1 is 99.0, and its images say"),
        (lambda s, r, v: v.rename(v.with_name("report-raw-1-1.json")), "-1-1.json: it is the evaluation "),
        (lambda s, r, v: change(r / "run.json", seed=77), "/run.json: its plan, seed and data make run"),
        (lambda s, r, v: r.rename(s / "abcdefabcdef"), "abcdefabcdef/run.json: its plan, seed and data make run"),
        (lambda s, r, v: (r / "run.json").unlink(), "no run.json, so that what is in it belongs to no run"),
        (lambda s, r, v: put(r / ".partial-1-2", "x"), r"/.partial-1-2: not whole; its writer was killed"),
        (
            lambda s, r, v: put(r / "weights.safetensors", "x") or change(r / "run.json", weights_digest="0" * 64),
            "/weights.safetensors: other weights than the run's",
        ),
        (lambda s, r, v: put(next(s.glob("studies/*/study.json")), "{}"), "study .* whose form this one doesn't read"),
        (lambda s, r, v: put(next(s.glob("splits/*")), "{"), r"splits/\w+.json isn't as it was written"),
        (lambda s, r, v: next(s.glob("splits/*")).rename(s / "splits/0.json"), "splits/0.json: it is of other data"),
    ],
)
def test_each_fault_is_a_line(whole: Path, tmp_path: Path, damage: Damage, line: str) -> None:
    run = next(path for path in sorted(whole.iterdir()) if (path / "run.json").is_file())
    for part in (run.name, "splits", "studies"):
        shutil.copytree(whole / part, tmp_path / part)
    assert check(Store(tmp_path)).faults == ()
    copy = tmp_path / run.name
    damage(tmp_path, copy, next(iter(sorted(copy.glob("views/*")))))
    (fault,) = check(Store(tmp_path)).faults
    assert "\n" not in fault

    assert re.search(line, fault), fault


def test_a_link_to_nowhere_is_no_run_and_stops_nothing(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    store = Store(tmp_path)
    runs = store.ids()
    (tmp_path / ("0" * 12)).symlink_to(tmp_path / "nowhere")
    put(tmp_path / "notes.txt", "mine")
    assert (store.ids(), check(store).faults) == (runs, ())


def test_the_command_ends_with_1_where_something_is_wrong(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "check", "--store", str(whole)]) == 0
    assert "54 runs, 273 files in" in capsys.readouterr().out
    put(tmp_path / "abc" / "run.json", "")
    assert main(["store", "check", "--store", str(tmp_path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["faults"]) == 1


def test_one_bad_file_poisons_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = write_study(Store(tmp_path))
    put(tmp_path / "abc" / "run.json", "")
    put(tmp_path / "studies" / "other" / "study.json", "{")
    assert main(["report", spec.name, "--store", str(tmp_path)]) == 0
    assert main(["runs", "list", "--store", str(tmp_path)]) == 0
    assert "abc/run.json" in capsys.readouterr().err
