"""What is taken away says what the network says, and loads where there is no bakeoff."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from PIL import Image

import bakeoff as bo
from bakeoff import cli
from bakeoff.data import augment, reduced
from bakeoff.data.images import read
from bakeoff.errors import RequestError
from bakeoff.inference.classifier import Classifier
from bakeoff.inference.graph import preprocessing
from bakeoff.plan import EvalView, Model
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.proportions import interval, paired_interval
from tests.helpers import pictures, small_plan

ALONE = (
    "import sys, runpy; sys.modules.update(torch=None, torchvision=None, bakeoff=None); "
    "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("read_px", [None, 24])
def test_the_graph_shows_an_image_as_evaluation_does(interpolation: str, read_px: int | None) -> None:
    views = (EvalView(resize_px=8, crop_px=8), EvalView(resize_px=31, crop_px=28), EvalView(resize_px=20, crop_px=33))
    for channels, view in (
        (1, views[0]),
        (3, views[1]),
        (3, views[2]),
        (1, views[1].model_copy(update={"shift_px": 2})),
    ):
        model = Model(name="cnn", classes=3, channels=channels, px=8)
        plan = small_plan(model=model, eval_view=view, interpolation=interpolation, read_px=read_px)
        graph = preprocessing(plan, (0.5,) * channels, (0.25,) * channels, 18).SerializeToString()
        session = onnxruntime.InferenceSession(graph)
        for sides in ((28, 28), (20, 33), (120, 90), (8, 8)):
            images = pictures(4, channels, *sides)
            wanted = augment.eval_view(reduced.reduce(images, read_px), view, interpolation).float()
            given = {"images": np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy())}
            shown = (torch.from_numpy(session.run(None, given)[0]) * 0.25 + 0.5) * 255
            assert (shown - wanted).abs().max() < (1.01 if read_px is None and interpolation != "bicubic" else 2.01)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for label, name in enumerate(("ant", "bee")):
            (root / split / name).mkdir(parents=True)
            for index in range(8):
                image = generator.integers(0, 120, (32, 32 + 4 * (index % 2), 3), np.uint8)
                image[:, 16 * label : 16 * label + 16] += 110
                Image.fromarray(image).save(root / split / name / f"{index}.png")
    return root


def trained(task: str, store: Path, **asked: object) -> str:
    return bo.train(task, length=0.05, store=store, device="cpu", workers=0, **asked).run_id  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("preprocess", [False, True])
def test_onnx_says_the_same_on_the_whole_report_split(
    tmp_path: Path, preprocess: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    trained("digits", tmp_path)
    options = ["--preprocess"] * preprocess
    made = ["export", "last", "--store", str(tmp_path), "--output", str(tmp_path / "out"), "--tta", *options]
    assert cli.main([*made, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["files"] == ["config.json", "model.onnx"]
    assert said["agreement"]["n"] == said["agreement"]["same"] == 799
    assert said["agreement"]["most"] < 1e-3
    assert cli.main(made) == 2  # the folder is there
    assert "is there already" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "px", "task"), [("resnet18", 32, "photos"), ("timm:resnet10t", 32, "photos"), ("resnet18", 8, "digits")]
)
def test_weights_load_without_bakeoff(photos: Path, tmp_path: Path, model: str, px: int, task: str) -> None:
    name = f"folder:{photos}" if task == "photos" else task
    run = trained(name, tmp_path, model=model, **({"px": px} if task == "photos" else {}))
    made = bo.export_model(run, "huggingface", tmp_path / "out", store=tmp_path, license="cc0-1.0")
    assert len(made.load) == 3 or task == "digits"  # gray images take a stem of one channel
    assert "bakeoff" not in "".join(made.load)
    ours = Classifier.load(Workspace.open(store=tmp_path, device="cpu"), run)
    names: dict[str, object] = {}
    exec("\n".join(made.load), names)
    loaded = names["model"]
    assert isinstance(loaded, torch.nn.Module)
    images = torch.randn(2, ours.plan.model.channels, px, px)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.eval()(images), ours.network(images))
        if model.startswith("timm:"):
            import timm

            local = timm.create_model(f"local-dir:{made.folder}", pretrained=True)
            torch.testing.assert_close(local.eval()(images), ours.network(images))
    card = (made.folder / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "cc0-1.0"
    assert ours.record.data_fingerprint in card
    assert str(photos) not in card


@pytest.mark.slow
def test_a_package_predicts_without_torch_and_bakeoff(photos: Path, tmp_path: Path) -> None:
    run = trained(f"folder:{photos}", tmp_path / "runs", px=20, model="cnn")
    made = bo.package(run, tmp_path / "out", store=tmp_path / "runs")
    assert made.agreement is not None
    assert made.agreement.same == made.agreement.n == 8
    paths = sorted(photos.glob("val/*/*.png"))
    (tmp_path / "bad.png").write_text("no image")
    command = [
        sys.executable,
        "-c",
        ALONE,
        str(made.folder / "predict.py"),
        *map(str, paths),
        str(tmp_path / "bad.png"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "bad.png: cannot identify" in done.stderr
    lines = done.stdout.splitlines()
    for path, line, ours in zip(paths, lines, bo.predict(run, paths, store=tmp_path / "runs"), strict=True):
        assert line.startswith(f"{path}: {ours.classes[0][0]} ")


@pytest.mark.parametrize(
    ("size", "mode"), [((9, 7), "RGBA"), ((9, 7), "LA"), ((5, 8), "P"), ((6, 6), "I;16"), ((7, 5), "L")]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_package_reads_images_as_training_does(
    tmp_path: Path, size: tuple[int, int], mode: str, channels: int
) -> None:
    from bakeoff.inference import standalone

    values = np.random.default_rng(0).integers(0, 256, (*size[::-1], 4), np.uint8)
    image = (
        Image.fromarray(values).convert(mode)
        if mode != "I;16"
        else Image.fromarray(values[..., 0].astype(np.uint16) * 200)
    )
    image.save(tmp_path / "x.png")
    ours = read(tmp_path / "x.png", channels).permute(1, 2, 0).numpy()
    assert np.array_equal(standalone.read(tmp_path / "x.png", channels), ours)


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no runs in"):
        bo.export_model("last", store=tmp_path)


def test_intervals_of_counted_accuracies() -> None:
    low, high = interval(81, 263)  # Newcombe 1998, https://doi.org/10.1002/sim.1097, table I: .2553 to .3662
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(10, 10)[1] == pytest.approx(1.0)
    low, high = paired_interval(9, 3, 100)
    assert low < 0.06 < high
    assert paired_interval(3, 9, 100) == pytest.approx((-high, -low))
