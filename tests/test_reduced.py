"""Images as a plan reads them: smaller, once, with the same bits whether they are kept or not."""

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch import Tensor

from bakeoff import tasks
from bakeoff.data import loader, reduced
from bakeoff.data.dataset import Dataset, Files, Resident
from bakeoff.data.kept import Kept
from bakeoff.plan import EvalView, PadCrop, Plan, ResizedCrop
from tests.helpers import greatest_difference, pictures, small_data, small_plan

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def folder(root: Path, *sizes: tuple[int, int]) -> Dataset:
    """Two classes of 10 images each, of these (width, height) in turn."""
    for number in range(20):
        place = root / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (*sizes[number % len(sizes)][::-1], 3), np.uint8)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    return tasks.get(f"folder:{root}", root).load(root)


def read_at(px: int | None, crop: PadCrop | ResizedCrop) -> Plan:
    view = EvalView(resize_px=16, crop_px=16)
    model = small_plan().model.model_copy(update={"px": 16, "channels": 3, "classes": 2})
    return small_plan(model=model, image_ops=(crop,), train_px=16, read_px=px, eval_view=view, examples_seen=48)


def batches(dataset: Dataset, plan: Plan, workers: int = 0) -> Tensor:
    return torch.cat([images for images, _ in loader.batches(dataset, plan, 0, 0, CPU, workers)])


def test_the_shorter_side_is_reduced_and_never_enlarged() -> None:
    wide = pictures(1, 3, 30, 60)[0]
    assert reduced.reduce(wide, 20).shape == (3, 20, 40)
    assert reduced.reduce(wide, 30) is wide
    assert reduced.reduce(wide, None) is wide
    by_pillow = Image.fromarray(wide.permute(1, 2, 0).numpy()).resize((40, 20), Image.Resampling.BILINEAR)
    assert greatest_difference(reduced.reduce(wide, 20), torch.from_numpy(np.array(by_pillow)).permute(2, 0, 1)) <= 1


@pytest.mark.parametrize("crop", [PadCrop(), ResizedCrop()])
def test_kept_images_give_the_bits_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crop: PadCrop) -> None:
    plan = read_at(20, crop)
    dataset = folder(tmp_path / "photos", (40, 30), (24, 50), (18, 18))
    kept = reduced.split(dataset, "train", 20)
    assert isinstance(kept, Files)
    assert kept.kept is not None
    assert kept.kept.bytes == kept.kept.path.stat().st_size
    shown = batches(dataset, plan)
    monkeypatch.setattr(reduced, "MEMORY_SHARE", 0.0)
    kept.kept.path.unlink()
    again = replace(dataset)
    files = reduced.split(again, "train", 20)
    assert isinstance(files, Files)
    assert files.kept is None
    assert torch.equal(shown, batches(again, plan))


def test_a_cache_that_cannot_be_written_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {}
    for name, sizes in {"one": [(40, 30)], "several": [(40, 30), (30, 40)]}.items():
        expected[name] = batches(folder(tmp_path / name, *sizes), read_at(20, PadCrop()))
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "file"))
    for name, shown in expected.items():
        root = tmp_path / name
        assert torch.equal(batches(tasks.get(f"folder:{root}", root).load(root), read_at(20, PadCrop())), shown)


def test_images_that_come_to_have_one_size_are_in_memory(tmp_path: Path) -> None:
    dataset = folder(tmp_path / "photos", (120, 100), (60, 50))
    assert isinstance(dataset.splits["train"], Files)
    assert isinstance(reduced.split(dataset, "train", 60), Files)
    train = reduced.split(dataset, "train", 40)
    assert isinstance(train, Resident)
    assert train.images.shape == (14, 3, 40, 48)
    assert train.images.is_contiguous()


def test_images_in_memory_are_reduced_there() -> None:
    data = small_data(px=12)
    train = reduced.split(data, "train", 8)
    assert isinstance(train, Resident)
    assert train.images.shape == (30, 1, 8, 8)
    assert reduced.split(data, "train", 8) is train
    assert reduced.split(data, "train", None) is data.splits["train"]


def test_room_is_a_share_of_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, memory = namedtuple("Usage", "free"), namedtuple("Memory", "available")
    kept = Kept(tmp_path / "kept", np.full((100, 2), 100), 3)
    for free, available, fits in ((13e6, 7e6, True), (11e6, 7e6, False), (13e6, 5e6, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage(free))
        monkeypatch.setattr(psutil, "virtual_memory", lambda available=available: memory(available))
        assert reduced._room(kept) is fits
