"""Promises on real data, end to end: what the README and the issues say a run reaches."""

import json
import tarfile
from pathlib import Path

import pytest

import bakeoff as bo
from bakeoff.cli import main
from tests.helpers import DATA, needs


@pytest.mark.slow
def test_the_recipe_classifies_digits(tmp_path: Path) -> None:
    record = bo.train("digits", "torchvision-2021", store=tmp_path, device="cpu")
    assert record.metrics["report"]["acc1"] >= 96.0
    assert record.metrics["report"]["acc5"] >= 99.0


@needs("mnist", "MNIST")
def test_softmax_reaches_the_course_notebook_s_level(tmp_path: Path) -> None:
    """Plain SGD, batches of 16, learning rate 0.1, no augmentation: about 90 %."""
    record = bo.train(
        "mnist-5k",
        model="softmax",
        settings=("batch_size=16", "lr.per_256=1.6", "optimizer.momentum=0", "image_ops=[]"),
        store=tmp_path,
        data=DATA,
        device="cpu",
    )
    assert bo.Plan.model_validate(record.plan).peak_lr == pytest.approx(0.1)
    assert record.metrics["report"]["acc1"] >= 89.0


@needs("mnist", "MNIST")
def test_the_official_test_set_is_opened_on_request_only(tmp_path: Path) -> None:
    record = bo.train("mnist-5k", model="softmax", length=0.1, store=tmp_path, data=DATA, device="cpu")
    assert {view.split for view in record.views} == {"select", "report"}
    view = bo.evaluate(record.run_id, split="test", store=tmp_path, data=DATA)
    assert view.n == 10_000


@pytest.mark.slow
@needs("imagenet-sample")
def test_resnet50_trains_on_photographs_through_the_streaming_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ImageNet's own plan at its sizes, some steps of it; the sample has one image a class, so many share one."""
    root = tmp_path / "photos"
    for index, image in enumerate(sorted((DATA / "imagenet-sample").glob("*/*"))):
        folder = root / ("cat" if index % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / image.name).symlink_to(image)
    status = main(
        ["train", "--task", f"folder:{root}", "--recipe", "torchvision-2021", "--model", "resnet50", "--without",
         "repeated_augmentation", "--set", "batch_size=8", "--set", "examples_seen=5", "--workers", "2",
         "--px", "224",
         "--store", str(tmp_path / "runs"), "--device", "cpu", "--json"]
    )  # fmt: skip
    record = json.loads(capsys.readouterr().out)
    assert status == 0
    assert record["plan"]["train_px"] == 176
    assert record["plan"]["eval_view"] == {"resize_px": 232, "crop_px": 224}
    assert record["steps"] == 4  # long training makes 33 images of 5
    assert record["metrics"]["report"]["n"] > 30


@pytest.mark.slow
@needs("cifar10-images.tar.gz")
def test_cifar10_trains_from_its_folders(tmp_path: Path) -> None:
    with tarfile.open(DATA / "cifar10-images.tar.gz") as archive:
        few = {"train": 200, "test": 40}  # images of each class
        members = [m for m in archive if m.isfile() and int(Path(m.name).stem) < few[m.name.split("/")[0]]]
        archive.extractall(tmp_path / "cifar", members, filter="data")
    record = bo.train(f"folder:{tmp_path / 'cifar'}", store=tmp_path / "runs", model="cnn", length=0.3, device="cpu")
    assert record.plan["train_px"] == 32
    assert record.metrics["report"]["acc1"] > 20.0  # ten classes, a few seconds
    view = bo.evaluate(record.run_id, split="test", store=tmp_path / "runs")
    assert view.n == 400
