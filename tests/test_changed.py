"""Files that are changed, removed, cut or added while work on them is going on: named before a number is stated."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bakeoff import api
from bakeoff.cli import main
from bakeoff.errors import DataChanged, RequestError
from bakeoff.events import Event, Observer, TrainingPlanned, TrainingProgress
from bakeoff.launch.messages import Setup
from bakeoff.launch.queue import Batch, Queue, Trial, Try
from bakeoff.launch.worker import Handler
from bakeoff.report.console import observer as console
from bakeoff.runs.store import open_store
from bakeoff.study.events import StudyPlanned
from tests.test_contents import flip_a_bit
from tests.test_folder import fill, get


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path_factory.mktemp("cache")))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def copied(path: Path) -> None:
    shutil.copy(path, path.with_name("new.ppm"))


def moved(path: Path) -> None:
    path.rename(path.parents[1] / "b" / "moved.ppm")


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "changed": (flip_a_bit, "a/000.ppm holds something else"),
    "cut": (cut, "a/000.ppm holds something else"),
    "removed": (Path.unlink, "a/000.ppm is gone"),
    "added": (copied, "a/new.ppm is new"),
    "moved": (moved, "a/000.ppm is gone, and 1 more"),
}


@pytest.fixture(params=[(8, 8), (8, 100)], ids=["memory", "files"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return fill(tmp_path / "photos", {"a": 8, "b": 8}, request.param, suffix=".ppm")


def once(kind: type[Event], do: Callable[[], None]) -> Observer:
    """An observer that does something when it is told of the first event of a kind."""
    left = [do]

    def observe(event: Event) -> None:
        if isinstance(event, kind) and left:
            left.pop()()

    return observe


@pytest.mark.parametrize(("change", "says"), CHANGES.values(), ids=CHANGES)
def test_what_was_looked_at_is_what_is_loaded(images: Path, change: Callable[[Path], None], says: str) -> None:
    task = get(images, skip_bad=True)
    change(images / "a" / "000.ppm")
    with pytest.raises(DataChanged, match=f"^{images} was changed since it was looked at: {says}; start again$"):
        task.load(images)


def test_a_folder_that_is_gone_was_changed(images: Path) -> None:
    task = get(images)
    shutil.rmtree(images / "a")
    with pytest.raises(DataChanged, match="were changed since they were looked at: "):
        task.load(images)


@pytest.mark.slow
def test_a_training_whose_images_are_changed_while_it_is_planned_ends(images: Path, tmp_path: Path) -> None:
    change = once(TrainingPlanned, lambda: flip_a_bit(images / "b" / "001.ppm"))
    with pytest.raises(DataChanged, match=r"b/001\.ppm holds something else"):
        api.train(f"folder:{images}", store=tmp_path / "runs", length=0.01, observer=change)
    assert not list(tmp_path.glob("runs/*/run.json"))


@pytest.mark.slow
def test_a_training_whose_files_are_changed_under_it_is_no_result(tmp_path: Path) -> None:
    images = fill(tmp_path / "photos", {"a": 8, "b": 8}, (8, 100), suffix=".ppm")

    def change() -> None:
        for path in images.rglob("*.ppm"):
            flip_a_bit(path)

    with pytest.raises(DataChanged, match=r"\.ppm was changed while it was in use"):
        api.train(f"folder:{images}", store=tmp_path / "runs", length=0.2, observer=once(TrainingProgress, change))
    (run,) = open_store(tmp_path / "runs").ids()
    assert open_store(tmp_path / "runs").get(run).status == "crashed"


@pytest.mark.slow
def test_a_file_that_only_looks_newer_is_the_same(images: Path, tmp_path: Path) -> None:
    def change() -> None:
        for path in images.rglob("*.ppm"):
            path.touch()

    observe = once(TrainingProgress, change)
    assert api.train(f"folder:{images}", store=tmp_path / "runs", length=0.02, observer=observe).status == "done"


def test_a_worker_with_other_data_refuses(tmp_path: Path) -> None:
    tried = Try(seed=0, run="a" * 12)
    trial = Trial.of([api.plan_job("digits").plan], [], [tried])
    batch = Batch(task="digits", data_fingerprint="0" * 16, threads=1, extensions=(), trials=(trial,))
    Queue(open_store(tmp_path), "study").put(batch)
    answer = Handler(Setup(store=str(tmp_path), data=".", device="cpu")).make("study")
    assert answer.status == "unable"
    assert answer.reason.startswith(
        "the data of digits aren't those that runs were planned with (fingerprint 0000000000000000, here "
    )
    assert not list(tmp_path.glob("*/run.json"))


@pytest.mark.slow
def test_an_old_run_says_that_its_images_are_others_now(images: Path, tmp_path: Path) -> None:
    api.train(f"folder:{images}", store=tmp_path / "runs", length=0.01)
    flip_a_bit(images / "a" / "000.ppm")
    with pytest.raises(RequestError, match=r"was trained on other data \(fingerprint"):
        api.evaluate("last", store=tmp_path / "runs")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["changed", "cut", "removed", "added"])
def test_a_study_whose_images_are_changed_once_it_is_planned_ends(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = fill(tmp_path / "photos", {"a": 20, "b": 20}, (8, 8), suffix=".ppm")
    act, says = CHANGES[change]
    do, seen = once(StudyPlanned, lambda: act(images / "a" / "000.ppm")), console.Progress.__call__

    def observe(self: console.Progress, event: Event) -> None:
        do(event)
        seen(self, event)

    monkeypatch.setattr(console.Progress, "__call__", observe)
    asked = ["ablate", "--task", f"folder:{images}", "--px", "8", "--set", "examples_seen=64", "--jobs", "2"]
    asked += ["--recipe", "baseline", "--with", "mixup,ema,nesterov", "--store", str(tmp_path / "runs")]
    assert main(asked) == 1
    out, err = capsys.readouterr()
    assert not out
    assert f"bakeoff: {images} was changed since it was looked at: {says}; start again" in err
    assert not list(tmp_path.glob("runs/*/run.json"))
