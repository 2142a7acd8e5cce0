"""The store seen from the command line: runs listed, shown, removed; images named by files, folders and patterns."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.inference.predict import image_files
from bakeoff.runs.lease import Leases
from bakeoff.runs.store import Store
from bakeoff.study.runs import of_study, studies_of
from bakeoff.study.spec import StudySpec
from tests.studies import write_study


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudySpec:
    monkeypatch.setenv("BAKEOFF_STORE", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "100")
    return write_study(Store(tmp_path / "runs"), runs=24, failed={3: "diverged"}, task="folder:/home/ada/photos")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert main(arguments) == status
    return capsys.readouterr()


def test_runs_are_lines_whose_ids_can_be_pasted(
    study: StudySpec, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lines, store = run(capsys, "runs", "list")[0].splitlines(), Store(tmp_path / "runs")
    ids = [line.split()[0] for line in lines[1:] if not line.startswith("no room")]
    assert ids == store.ids()
    assert "/home/ada" not in "".join(lines)
    assert "photos" in lines[1]
    assert f"run {ids[-1]}" in run(capsys, "runs", "show", "last")[0]
    assert f"run {ids[0]}" in run(capsys, "runs", "show", ids[0][:8])[0]


def test_runs_are_filtered_and_sorted(study: StudySpec, capsys: pytest.CaptureFixture[str]) -> None:
    def found(*options: str) -> list[dict[str, object]]:
        records: list[dict[str, object]] = json.loads(run(capsys, "runs", "list", "--json", *options)[0])
        return records

    every = found()
    assert {record["run_id"] for record in found("--status", "diverged")} == set(study.rows[3].runs)
    assert found("--task", "photos") == found("--task", "folder:/home/ada/photos") == every
    assert found("--task", "hotos") == []
    assert found("--study", study.name[:4]) == every
    acc = [record["metrics"]["report"]["acc1"] for record in found("--sort", "acc1") if record["metrics"]]  # type: ignore[index]
    assert acc == sorted(acc, reverse=True)
    statuses = [str(record["status"]) for record in found("--sort", "status")]
    assert statuses == sorted(statuses)
    for option, value in (("--status", "don"), ("--sort", "agee"), ("--study", "nothing")):
        assert "bakeoff: unknown" in run(capsys, "runs", "list", option, value, status=2)[1]
    assert "no such runs" in run(capsys, "runs", "list", "--task", "x")[0]


def test_a_file_that_is_no_run_hides_no_other(
    study: StudySpec, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = Store(tmp_path / "runs")
    count = len(store.ids())
    for name, text in (("empty", ""), ("other", "[1]"), ("foreign", '{"a": 1}')):
        store.storage.write(f"{name}/run.json", text.encode())
    out, err = run(capsys, "runs", "list", "--json")
    assert len(json.loads(out)) == count
    assert all(name in err for name in ("empty", "other", "foreign"))


def test_runs_are_removed_after_a_question(
    study: StudySpec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = Store(tmp_path / "runs")
    first, second = store.ids()[:2]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    _, err = run(capsys, "runs", "rm", first, status=2)
    assert f"{study.name} rests on {first}" in err
    assert "say --yes" in err
    assert first in store.ids()
    out, _ = run(capsys, "runs", "rm", first[:6], second, first, "--yes", "--json")
    assert json.loads(out) == {"removed": [first, second], "studies": {study.name: [first, second]}}
    assert not Path(store.folder(first)).exists()
    assert store.read(first) is None
    assert "unknown run" in run(capsys, "runs", "rm", first, "-y", status=2)[1]
    with Leases(store.storage).claim(store.ids()[0]):
        assert "being trained" in run(capsys, "runs", "rm", store.ids()[0], "-y", status=1)[1]


def test_a_study_knows_its_runs(study: StudySpec, tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert of_study(store, study.name) == {run for row in study.rows for run in row.runs}
    assert studies_of(store, ["0" * 12]) == {}
    kept = Store(Path(__file__).parents[1] / "studies" / "mnist-5k-derived")
    (name,) = kept.study_names("search")
    assert set(kept.ids()) <= of_study(kept, name)


@pytest.mark.parametrize("model", ["resnet81", "timm:resnt18", "vit_b_16"])
def test_a_wrong_request_leaves_no_run_behind(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEOFF_STORE", str(tmp_path / "runs"))
    run(capsys, "train", "--model", model, "--device", "cpu", status=2)
    assert Store(tmp_path / "runs").ids() == []
    assert {path.name for path in (tmp_path / "runs").iterdir()} <= {"splits"}


def test_images_are_named_by_files_folders_and_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/b/2.png", "a/1.JPG", "a/[1].png", "a/.hidden.png", "a/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    below = [Path("a/1.JPG"), Path("a/[1].png"), Path("a/b/2.png")]
    assert image_files([Path("a")]) == below
    assert image_files([Path("a"), Path("a/1.JPG")]) == below
    assert image_files([Path("a/*.png")]) == [Path("a/[1].png")]
    assert image_files([Path("a/**/*.png")]) == [Path("a/[1].png"), Path("a/b/2.png")]
    assert image_files([Path("a/[1].png"), Path("gone.png")]) == [Path("a/[1].png"), Path("gone.png")]
    assert image_files([Path("a/notes.txt")]) == [Path("a/notes.txt")]  # named: so it is meant
    assert image_files([Path("empty"), Path("a/1.JPG")]) == [Path("empty"), Path("a/1.JPG")]
    for paths, why in (("empty", "no image files"), ("x*.png", "no file matches"), ("x" * 5000, "no such file")):
        with pytest.raises(RequestError, match=why):
            image_files([Path(paths)])


@pytest.mark.slow
def test_bad_images_are_named_and_the_others_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEOFF_STORE", str(tmp_path / "runs"))
    run(capsys, "train", "--length", "0.02", "--device", "cpu")
    folder = tmp_path / "images [red]"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((8, 8), 80 * number, np.uint8)).save(folder / f"{number}.png")
    (folder / "bad.png").write_text("x")
    out, err = run(capsys, "predict", "last", str(folder), "gone.png", "--topk", "2", status=1)
    assert [line.rpartition(": ")[0] for line in out.splitlines()] == [str(folder / f"{n}.png") for n in range(3)]
    assert f"{folder}/bad.png: it is not an image" in err
    assert err.splitlines()[-1] == "bakeoff: 2 of 5 images can't be read"
    answers = json.loads(run(capsys, "predict", "last", str(folder), "--json", status=1)[0])
    assert [sorted(answer) for answer in answers] == [["classes", "image"]] * 3 + [["error", "image"]]
    shutil.rmtree(folder)
