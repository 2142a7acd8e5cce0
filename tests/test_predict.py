"""Images are predicted as they are evaluated, any number of them, and written in every format."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

import bakeoff as bo
from bakeoff import cli
from bakeoff.data import augment, stream
from bakeoff.data.dataset import Files
from bakeoff.data.images import read
from bakeoff.engine.evaluate import ask
from bakeoff.errors import RequestError
from bakeoff.inference.classifier import Classifier
from bakeoff.plan import EvalView
from bakeoff.runs.workspace import Workspace
from tests.helpers import pictures, small_plan

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour images of two sizes in class folders, split already."""
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 8)):
        for label, name in enumerate(CLASSES):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                image = generator.integers(0, 120, (24, 24 + 4 * (index % 2), 3), np.uint8)
                image[:, 8 * label : 8 * label + 8] += 110
                Image.fromarray(image).save(root / split / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bo.RunRecord]:
    store = tmp_path_factory.mktemp("runs")
    record = bo.train(f"folder:{photos}", model="cnn", px=20, length=0.5, store=store, workers=0, device="cpu")
    return store, record


@given(
    sides=st.tuples(st.integers(8, 40), st.integers(8, 40)),
    channels=st.sampled_from((1, 3)),
    resize=st.integers(8, 30),
    shift=st.integers(0, 3),
    interpolation=st.sampled_from(("bilinear", "bicubic", "nearest")),
)
def test_an_image_alone_is_shown_as_in_a_batch(
    sides: tuple[int, int], channels: int, resize: int, shift: int, interpolation: str
) -> None:
    images = pictures(5, channels, *sides)
    view = EvalView(resize_px=resize, crop_px=8, shift_px=shift)
    together = augment.eval_view(images, view, interpolation)
    for image, shown in zip(images, together, strict=True):
        assert torch.equal(augment.eval_view(image[None].contiguous(), view, interpolation)[0], shown)


def test_files_are_shown_as_evaluation_shows_them(photos: Path, trained: tuple[Path, bo.RunRecord]) -> None:
    store, record = trained
    classifier = Classifier.load(Workspace.open(store=store, device="cpu"), record.run_id)
    paths = tuple(sorted(photos.glob("val/*/*.png")))
    files = Files(paths, torch.zeros(len(paths), dtype=torch.int64), 3, read_px=classifier.plan.read_px)
    view, interpolation = classifier.plan.eval_view, classifier.plan.interpolation
    shown = torch.cat(list(stream.eval_images(files, view, interpolation, 7, 0)))
    assert torch.equal(shown, torch.stack([classifier.show(read(path, 3)) for path in paths]))


@pytest.mark.parametrize("tta", [False, True])
def test_as_many_are_right_as_evaluation_counts(photos: Path, trained: tuple[Path, bo.RunRecord], tta: bool) -> None:
    store, record = trained
    evaluated = bo.evaluate(record.run_id, split="report", tta=tta, store=store, workers=0)
    dataset = bo.load_data(f"folder:{photos}")
    names, labels = dataset.splits["report"].names, dataset.splits["report"].labels.tolist()
    found = list(bo.predict(record.run_id, [photos / name for name in names], topk=1, tta=tta, store=store))
    right = [p.classes[0][0] == dataset.classes[label] for p, label in zip(found, labels, strict=True)]
    assert evaluated.n == len(right)
    assert evaluated.acc["acc1"] == pytest.approx(100 * sum(right) / len(right))
    assert (evaluated.mirror, evaluated.shift_px) == ((True, 1) if tta else (False, 0))


def test_test_time_augmentation_averages_probabilities() -> None:
    plan = small_plan()
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    images = torch.randn(4, 1, 12, 12)
    view = EvalView(resize_px=12, crop_px=8, mirror=True, shift_px=2)
    corners = [images[:, :, top : top + 8, left : left + 8] for top in (0, 4) for left in (0, 4)]
    crops = [images[:, :, 2:10, 2:10], *corners]
    expected = torch.stack([network(x).softmax(1) for c in crops for x in (c, c.flip(3))]).mean(0)
    torch.testing.assert_close(ask(network, images, plan, view).exp(), expected)
    assert view.times == 10


def test_an_evaluation_technique_takes_no_runs_of_its_own() -> None:
    job = bo.plan_job("cifar10", "baseline", with_=["test_time_augmentation"])
    alone = bo.plan_job("cifar10", "baseline")
    assert job.plan.training_digest == alone.plan.training_digest
    assert job.plan.digest != alone.plan.digest
    assert "mirror" not in json.dumps(alone.plan.model_dump(mode="json"))
    both = bo.plan_job("imagenet", "baseline", with_=["test_time_augmentation", "inference_resize"])
    assert both.plan.eval_view == EvalView(resize_px=232, crop_px=224, mirror=True, shift_px=7)


def test_every_format(
    photos: Path, trained: tuple[Path, bo.RunRecord], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, _ = trained
    (tmp_path / "bad.png").write_text("no image")
    files = [*map(str, sorted(photos.glob("val/ant/*.png"))[:3]), str(tmp_path / "bad.png")]

    def predicted(*options: str) -> str:
        assert cli.main(["predict", "last", *files, "--topk", "2", "--store", str(store), *options]) == 1
        return capsys.readouterr().out

    document = json.loads(predicted("--json"))
    assert document == json.loads(predicted("--format", "json"))
    assert document[3] == {"image": files[3], "error": "it is not an image"}
    table = list(csv.DictReader(io.StringIO(predicted("--format", "csv"))))
    assert not predicted("--output", str(tmp_path / "out.parquet"))
    kept = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    for told, row, other in zip(document, table, kept, strict=True):
        assert told["image"] == row["image"] == other["image"]
        for k, each in enumerate(told.get("classes", ()), start=1):
            assert each["class"] == row[f"class_{k}"] == other[f"class_{k}"]
            assert each["probability"] == float(row[f"probability_{k}"])
            assert each["probability"] == pytest.approx(other[f"probability_{k}"])
    assert kept[3]["error"] == table[3]["error"] == "it is not an image"
    assert predicted("--output", str(tmp_path / "out.csv")) == ""
    assert (tmp_path / "out.csv").read_text() == predicted("--format", "csv")
    lines = predicted().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{files[0]}: ")


def test_a_format_that_is_not_there(trained: tuple[Path, bo.RunRecord], capsys: pytest.CaptureFixture[str]) -> None:
    for options, said in (
        (("--format", "cvs"), "did you mean csv?"),
        (("--format", "parquet"), "say --output FILE.parquet"),
        (("--output", "/nowhere/x.csv"), "can't write /nowhere/x.csv: No such file or directory"),
    ):
        assert cli.main(["predict", "last", "x.png", "--store", str(trained[0]), *options]) == 2
        assert said in capsys.readouterr().err


def test_standard_input_holds_an_image_or_names(
    photos: Path,
    trained: tuple[Path, bo.RunRecord],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, _ = trained
    paths = sorted(photos.glob("val/bee/*.png"))[:2]

    def predicted(data: bytes) -> list[str]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert cli.main(["predict", "last", "-", "--topk", "1", "--store", str(store)]) == 0
        return capsys.readouterr().out.splitlines()

    alone = predicted(paths[0].read_bytes())
    names = predicted("".join(f"{path}\n" for path in paths).encode())
    assert names == predicted(b"".join(bytes(path) + b"\0" for path in paths))
    assert [line.split(": ")[0] for line in names] == list(map(str, paths))
    assert alone == [f"-: {names[0].split(': ')[1]}"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    assert cli.main(["predict", "last", "-", "--store", str(store)]) == 2


@pytest.mark.slow
def test_worker_processes_change_nothing(photos: Path, trained: tuple[Path, bo.RunRecord], tmp_path: Path) -> None:
    store, record = trained
    (tmp_path / "bad.png").write_text("no image")
    paths = [*sorted(photos.glob("*/*/*.png")), tmp_path / "bad.png", tmp_path / "gone.png", photos / "val"]
    alone = list(bo.predict(record.run_id, paths, store=store, workers=0))
    assert alone == list(bo.predict(record.run_id, paths, store=store, workers=2))
    assert [p.error for p in alone if p.error] == ["it is not an image", "there is no such file"]
    assert len(alone) == 24 + 24 + 2  # each image once


def test_what_is_asked_wrongly(trained: tuple[Path, bo.RunRecord]) -> None:
    with pytest.raises(RequestError, match="--topk is a whole number"):
        next(bo.predict("last", ["x.png"], topk=0, store=trained[0]))
    with pytest.raises(RequestError, match="there is no such file"):
        next(bo.predict("last", ["x.png"], store=trained[0]))
