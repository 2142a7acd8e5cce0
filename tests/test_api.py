"""The public face: its names, what contradicts itself, and what an observer is told."""

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import bakeoff as bo
import bakeoff.engine.train as engine
from bakeoff.cli import main
from bakeoff.events import RunEnded, TechniqueSkipped, TrainingPlanned, TrainingProgress
from bakeoff.runs.events import RunBegan, RunKept
from bakeoff.study.events import StudyPlanned

SMALL = ("--task", "digits", "--recipe", "baseline", "--with", "mixup,label_smoothing", "--model", "softmax")
SHORT = ("--length", "0.02")


def small(recipe: str = "baseline", with_: Sequence[str] = ("mixup", "label_smoothing"), without=()) -> bo.Request:
    """The same as `SMALL` and `SHORT`, unless something else is said."""
    return bo.Request(recipe=recipe, with_=with_, without=without, model="softmax", length=0.02)


def test_the_face_shows_what_is_public_and_nothing_else() -> None:
    assert dir(bo) == sorted(bo.__all__)
    assert len(bo.__all__) == len(set(bo.__all__))
    for name in bo.__all__:
        assert getattr(bo, name) is not None
    assert set(bo._HOME) == {*bo.__all__} - {"__version__"}
    with pytest.raises(AttributeError, match="'bakeoff' has no attribute 'trian'"):
        bo.trian  # noqa: B018


@pytest.mark.slow
def test_every_name_can_be_imported_and_none_is_loaded_before() -> None:
    code = (
        "import sys, bakeoff; print(sorted({'torch', 'numpy', 'bakeoff.api'} & set(sys.modules)));"
        "from bakeoff import *; print(sorted(bakeoff.__all__) == sorted({*globals()} & {*bakeoff.__all__}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_the_version_is_the_package_s() -> None:
    assert bo.__version__ == importlib.metadata.version("bakeoff")


def test_the_module_is_the_command_line() -> None:
    command = [sys.executable, "-m", "bakeoff", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert "Usage: bakeoff" in done.stdout
    assert all(name in done.stdout for name in ("train", "ablate", "derive", "report", "evaluate", "predict"))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: bo.plan_job(bo.Request(), length=2.0), "^length is said beside a request"),
        (lambda: bo.plan_job(bo.Request(), "baseline"), "^recipe is said beside a request"),
        (lambda: bo.train(bo.Request(), model="mlp", without=("ema",)), "^model, without is said beside a request"),
        (lambda: bo.plan_ablation(bo.Request(), "torchvision-2021"), "^recipe is said beside a request"),
        (lambda: bo.ablate(bo.Request(), settings=("batch_size=8",)), "^settings is said beside a request"),
        (lambda: bo.derive(bo.Request(), runs=60, with_=("mixup",)), "^with_ is said beside a request"),
        (lambda: bo.plan_derivation(bo.Request(), "baseline", runs=60), "^recipe is said beside a request"),
        (lambda: bo.train(where=bo.Workspace.open(), device="cpu"), "^device is said beside a workspace"),
        (lambda: bo.train(bo.Request(), where=bo.Workspace.open(), store="."), "^store is said beside a workspace"),
        (lambda: bo.ablate(where=bo.Workspace.open(), jobs=1, threads=1), "^jobs, threads is said beside a workspace"),
        (lambda: bo.evaluate("0", where=bo.Workspace.open(), data="."), "^data is said beside a workspace"),
        (lambda: bo.ablate(design=bo.Ladder(), seeds=3), "has its size already"),
        (lambda: bo.ablate(design="ladders"), "unknown design 'ladders'; there are: factorial"),  # type: ignore[arg-type]
        (lambda: bo.derive(), "^a derivation needs a budget"),
        (lambda: bo.derive(runs=60, budget="1h"), "^a derivation needs a budget"),
    ],
)
def test_what_contradicts_itself_is_refused(ask, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(bo.RequestError, match=says):
        ask()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", [bo.plan_job, bo.train, bo.ablate, bo.plan_derivation])
def test_a_keyword_that_nothing_takes_is_an_error(call) -> None:
    with pytest.raises(TypeError, match="lenght"):
        call("digits", lenght=2.0, **({"runs": 60} if call is bo.plan_derivation else {}))


def test_keywords_and_a_request_ask_for_the_same() -> None:
    flat = bo.plan_job("digits", with_=("mixup", "label_smoothing"), model="softmax", length=0.02)
    assert flat == bo.plan_job(small())
    assert bo.plan_job("digits").recipe.name == "baseline"


@pytest.mark.slow
def test_a_size_in_python_is_the_option_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request, where = small(recipe="torchvision-2021", with_=(), without=("fixres",)), bo.Workspace.open(store=tmp_path)
    command = ["ablate", "--without", "fixres", "--model", "softmax", *SHORT, "--store", str(tmp_path)]
    for design, options in (
        (bo.Factorial(size=bo.Runs(32)), ["--runs", "32"]),
        (bo.Factorial(size=bo.Seeds(16), seed=3), ["--seeds", "16", "--design-seed", "3"]),
        (bo.Factorial(), []),
        (bo.LeaveOneOut(bo.Seeds(2)), ["--design", "leave-one-out", "--seeds", "2"]),
        (bo.AddOne(), ["--design", "add-one"]),
        (bo.Ladder(repeats=2), ["--design", "ladder", "--seeds", "2"]),
    ):
        planned = bo.plan_ablation(request, design=design, where=where)
        assert main([*command, *options, "--plan-only", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["study"] == planned.spec.name


@pytest.mark.slow
def test_a_study_in_python_is_the_command_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", *SMALL, *SHORT, "--runs", "24", "--store", str(tmp_path), "--json", "--quiet"]) == 0
    told = json.loads(capsys.readouterr().out)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")}
    found = bo.ablate(small(), design=bo.Factorial(size=bo.Runs(24)), store=tmp_path)
    assert json.loads(json.dumps(found.as_json())) == told
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")} == before
    assert len(before) == told["runs"] == 30  # with three more pairs of all on and all off


def test_an_observer_is_told_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_REPORT_SECONDS", -1.0)
    request = small(recipe="torchvision-2021", with_=(), without=("fixres",))
    events: list[bo.Event] = []
    record = bo.train(request, store=tmp_path, device="cpu", observer=events.append)
    (skipped,) = (event for event in events if isinstance(event, TechniqueSkipped))
    (planned,) = (event for event in events if isinstance(event, TrainingPlanned))
    steps = [event for event in events if isinstance(event, TrainingProgress)]
    assert planned.steps == record.steps
    assert skipped.technique == "inference_resize"
    assert skipped.reason
    assert len(steps) > 1
    began, *between, ended = events[-len(steps) - 2 :]
    assert between == steps
    assert isinstance(began, RunBegan)
    assert ended == RunKept(record)
    assert all(one.step < other.step for one, other in pairwise(steps))
    assert {event.steps for event in steps} == {record.steps}
    again: list[bo.Event] = []
    assert bo.train(request, store=tmp_path, device="cpu", observer=again.append) == record
    assert not any(isinstance(event, TrainingProgress) for event in again)  # nothing is trained twice


@pytest.mark.slow
def test_an_observer_is_told_of_a_study(tmp_path: Path) -> None:
    events: list[bo.Event] = []
    found = bo.ablate(
        small(), design=bo.Ladder(repeats=2), store=tmp_path, device="cpu", jobs=1, observer=events.append
    )
    (planned,) = (event for event in events if isinstance(event, StudyPlanned))
    ended = events[events.index(planned) + 1 :]
    assert planned.spec.rows == found.spec.rows
    assert planned.store.url == str(tmp_path)
    runs = [event for event in ended if isinstance(event, RunEnded)]
    assert len(runs) == len(ended) == 6
    assert [event.left for event in runs] == [5, 4, 3, 2, 1, 0]
    assert {event.run for event in runs} == {row.runs[0] for row in found.spec.rows}
    assert {(event.status, event.reason) for event in runs} == {("done", "")}
    assert min(event.seconds for event in runs) > 0
    again: list[bo.Event] = []
    bo.ablate(small(), design="ladder", seeds=2, store=tmp_path, device="cpu", jobs=1, observer=again.append)
    assert StudyPlanned in map(type, again)
    assert RunEnded not in map(type, again)
    assert (tmp_path / "studies" / found.spec.name / "report.html").exists()


@pytest.mark.parametrize("name", [name for name in bo.__all__ if isinstance(getattr(bo, name), type)])
def test_docstrings_of_public_types_list_their_attributes(name: str) -> None:
    kind = getattr(bo, name)
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else list(getattr(kind, "model_fields", ()))
    told = kind.__doc__ or ""
    assert not [each for each in names if not re.search(rf"\b{each}\b", told)]
