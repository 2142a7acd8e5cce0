"""The bench of one GPU, every part of it on the CPU at the size of a toy."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from bench import gpu
from bench.__main__ import main
from bench.compare import Ratio
from bench.gpu import cifar10, resnet50
from bench.gpu.rates import A100_BYTES, A100_FLOPS, Rates
from tests.helpers import pictures

CPU = torch.device("cpu")


def archive(folder: Path) -> None:
    """A CIFAR-10 of two classes, as it lies in the data folder."""
    noise = pictures(24, 3, 32)
    with tarfile.open(folder / cifar10.ARCHIVE, "w:gz") as tar:
        for index, image in enumerate(noise):
            part, label = ("train", "test")[index % 2], ("cat", "dog")[index // 2 % 2]
            path = folder / f"{index}.jpg"
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
            tar.add(path, f"{part}/{label}/{path.name}")


SIZES = gpu.Sizes(
    matmul=64,
    copied=2**10,
    cifar=cifar10.Sizes(model="cnn", batch=4, epochs=(1, 2), seeds=2),
    resnet=resnet50.Sizes(model="timm:test_resnet", px=32, batch=2, dtype="fp32", seconds=0.01, repeats=1),
    nets=("cnn_8px",),
    together=(2,),
    images=128,
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))


@pytest.mark.slow
def test_a_part_that_fails_costs_no_other_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> Iterator[Ratio]:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(resnet50, "compiled", fails)
    archive(tmp_path)
    rows = {row.name: row for row in gpu.measure(tmp_path, 60, CPU, SIZES)}
    assert list(rows) == [
        "gpu_matmul",
        "gpu_copy",
        "resnet50_32",
        "resnet50_32 utilisation",
        "cifar10_to_90.58, by matmul",
        "cifar10_to_90.58, by copy",
        "batched_cnn_8px_grouped_2",
        "batched_cnn_8px_vmap_2",
        "augment on cpu, 128 at once",
    ]
    assert all(row.ratio > 0 for row in rows.values())
    assert "ResNet50 compiled stopped" in (told := capsys.readouterr().err)
    assert "RuntimeError: no compiler" in told


def test_nothing_starts_that_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row.name for row in gpu.measure(tmp_path, 0, CPU, SIZES)] == ["gpu_matmul", "gpu_copy"]
    assert capsys.readouterr().err.count("0 s are left") == 5


def test_the_published_seconds_are_scaled_by_what_is_measured(tmp_path: Path) -> None:
    """On a device of twice an A100's matrix products and a quarter of its copies."""
    archive(tmp_path)
    rates = Rates([2 * A100_FLOPS], [A100_BYTES / 4], (1, 1))
    rows = list(cifar10.to_target(tmp_path, tmp_path, CPU, rates, lambda: 1e9, SIZES.cifar))
    assert [row.detail["scaled_seconds"] for row in rows] == pytest.approx([3.83 / 2, 3.83 * 4])
    for row in rows:
        assert [run["epochs"] for run in row.detail["pilots"]] == [1, 2]  # none reaches the target on noise
        assert [(run["seed"], run["epochs"]) for run in row.detail["runs"]] == [(0, 2), (1, 2)]
        assert row.ratios == pytest.approx(
            [row.detail["scaled_seconds"] / run["everything"] for run in row.detail["runs"]]
        )
        assert not row.reached


def test_operations_are_three_times_the_forward_pass_s_less_the_stem_s_gradient() -> None:
    """Of ResNet50 at 224 px: torchvision states 4.09 G multiplications with additions."""
    plan = resnet50.recipe(resnet50.Sizes(px=224, batch=1), CPU, compiled=False)
    stem = 2 * 112**2 * 64 * 3 * 7**2
    assert resnet50.operations(plan) == pytest.approx(3 * 2 * 4.09e9 - stem, rel=0.002)


def test_without_a_gpu_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert main(["gpu", "--out", str(tmp_path)]) == 0
    assert "left out, no GPU" in capsys.readouterr().err
    (kept,) = tmp_path.glob("*.json")
    assert json.loads(kept.read_text())["results"] == []


def test_what_is_stopped_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(_data: Path, minutes: float) -> Iterator[Ratio]:
        yield Ratio("first", "a / b", [minutes], "at least")
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "measure", stops)
    with pytest.raises(KeyboardInterrupt):
        main(["gpu", "--out", str(tmp_path), "--minutes", "3"])
    (kept,) = tmp_path.glob("*")
    assert [(row["name"], row["ratio"]) for row in json.loads(kept.read_text())["results"]] == [("first", 3)]
