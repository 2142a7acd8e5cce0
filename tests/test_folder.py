"""Folders of images: every layout, every kind of image, and every way in which a folder can be wrong."""

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from bakeoff import tasks
from bakeoff.data import images
from bakeoff.data import scan as scanning
from bakeoff.data.dataset import Files, Resident
from bakeoff.errors import RequestError
from bakeoff.plan import PadCrop
from bakeoff.report.console.data import show
from bakeoff.tasks.check import check
from tests.helpers import DATA, needs


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BAKEOFF_CACHE", str(folder))
    return folder


def fill(
    root: Path, counts: dict[str, int], size: tuple[int, int] = (12, 12), mode: str = "RGB", suffix: str = ".png"
) -> Path:
    """Random images, `counts` of each class folder (a path below root), (height, width) in pixels."""
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            generator = np.random.default_rng([number, *os.fsencode(folder)])
            shape = size if mode == "L" else (*size, 3)
            Image.fromarray(generator.integers(0, 256, shape, np.uint8)).save(root / folder / f"{number:03}{suffix}")
    return root


def get(root: Path, skip_bad: bool = False) -> tasks.Task:
    return tasks.get(f"folder:{root}", Path("/nowhere"), skip_bad)


# --- Layouts ----------------------------------------------------------------------------------------------------------


def test_small_images_are_kept_in_memory_in_sorted_classes(tmp_path: Path) -> None:
    task = get(fill(tmp_path, {"b": 10, "a": 20, "c/inner": 10, ".hidden": 3}))
    (tmp_path / "a" / ".trash.png").write_text("no image")
    (tmp_path / "a" / "notes.txt").write_text("no image")
    assert (task.classes, task.channels, task.px, task.resize_px) == (3, 3, 12, 12)
    assert (task.model, task.crop, task.train_examples) == ("cnn", PadCrop(), 28)
    dataset = task.load(Path("/nowhere"))
    assert dataset.classes == ("a", "b", "c")
    counts = {name: split.labels.bincount().tolist() for name, split in dataset.splits.items()}
    assert counts == {"train": [14, 7, 7], "select": [3, 2, 2], "report": [3, 1, 1]}
    names = [name for split in dataset.splits.values() for name in split.names]
    assert len(set(names)) == 40
    for split in dataset.splits.values():
        assert isinstance(split, Resident)
        for image, label, name in zip(split.images, split.labels.tolist(), split.names, strict=True):
            assert name.startswith(f"{dataset.classes[label]}/")
            assert np.array_equal(image.permute(1, 2, 0), np.asarray(Image.open(tmp_path / name)))


@pytest.mark.parametrize("size", [(12, 97), (97, 12)])
def test_larger_images_are_streamed(tmp_path: Path, size: tuple[int, int]) -> None:
    root = fill(tmp_path, {"a": 5, "b": 5}, size)
    task = get(root)
    assert (task.model, task.crop, task.px, task.resize_px) == ("cnn", PadCrop(), 12, 12)
    train = task.load(root).splits["train"]
    assert isinstance(train, Files)
    assert train.paths == tuple(root / name for name in train.names)
    assert train.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_images_of_several_sizes_are_streamed(tmp_path: Path) -> None:
    root = fill(fill(tmp_path, {"a": 5, "b": 5}), {"b/wide": 5}, (12, 13))
    dataset = get(root).load(root)
    train = dataset.splits["train"]
    assert isinstance(train, Files)
    pixels = [np.asarray(Image.open(root / name)) / 255 for name in train.names]
    assert dataset.mean == pytest.approx(np.mean([image.mean(axis=(0, 1)) for image in pixels], axis=0))


def test_gray_images_have_one_channel_whatever_mode_they_were_saved_in(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a": 5, "b": 5}, mode="L")
    Image.open(root / "a" / "000.png").convert("RGB").save(root / "a" / "000.png")
    task = get(root)
    assert task.channels == 1
    train = task.load(root).splits["train"]
    assert isinstance(train, Resident)
    assert train.images.shape == (6, 1, 12, 12)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"train": 10}, {"train": 7, "select": 2, "report": 1}),
        ({"train": 10, "test": 3}, {"train": 7, "select": 2, "report": 1, "test": 3}),
        ({"train": 10, "val": 4}, {"train": 10, "select": 2, "report": 2}),
        ({"train": 10, "valid": 5, "test": 3}, {"train": 10, "select": 3, "report": 2, "test": 3}),
    ],
)
def test_a_folder_may_be_split_already(tmp_path: Path, parts: dict[str, int], expected: dict[str, int]) -> None:
    root = fill(tmp_path, {f"{part}/{name}": count for part, count in parts.items() for name in "ab"})
    (root / "annotations").mkdir()
    dataset = get(root).load(root)
    assert {name: split.labels.bincount().tolist() for name, split in dataset.splits.items()} == {
        name: [count, count] for name, count in expected.items()
    }
    source = {name: {path.split("/")[0] for path in split.names} for name, split in dataset.splits.items()}
    held_out = {"val", "valid"} & set(parts) or {"train"}
    assert source["select"] == source["report"] == held_out
    assert source["train"] == {"train"}
    assert source.get("test", {"test"}) == {"test"}


def test_unlabelled_test_images_are_passed_over(tmp_path: Path) -> None:
    root = fill(tmp_path, {"train/a": 5, "train/b": 5, "test": 2})
    assert set(get(root).load(root).splits) == {"train", "select", "report"}


def test_the_path_may_be_below_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "photos", {"a": 5, "b": 5})
    from_data = tasks.get("folder:photos", tmp_path)
    monkeypatch.chdir(tmp_path)
    from_here = tasks.get("folder:photos", Path("/nowhere"))
    assert from_data.name == from_here.name == f"folder:{tmp_path / 'photos'}"


def test_splits_depend_on_names_and_labels_only(tmp_path: Path) -> None:
    a, b = (fill(tmp_path / where, {"x": 9, "y": 9}) for where in ("here", "there"))
    first, second = (get(root).load(root) for root in (a, b))
    assert first.fingerprint == second.fingerprint
    assert all(first.splits[name].names == second.splits[name].names for name in first.splits)


# --- Bad input: one line each -----------------------------------------------------------------------------------------


def text_file(root: Path) -> None:
    fill(root, {"a": 5, "b": 5})
    (root / "a" / "003.jpg").write_text("not an image\n")
    (root / "b" / "007.jpg").write_text("neither")


def truncated(root: Path) -> None:
    fill(root, {"a": 5, "b": 5})
    path = root / "a" / "002.jpg"
    Image.effect_noise((64, 64), 99).save(path)
    path.write_bytes(path.read_bytes()[:-900])


def one_class_differs(root: Path) -> None:
    fill(root, {"train/a": 5, "train/b": 5, "val/a": 2, "val/b": 2, "val/zebra": 2})


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda root: root.rmdir(), "is no folder"),
    "flat": (lambda root: fill(root, {".": 3}), "no class folders"),
    "flat train": (lambda root: fill(root, {"train": 3, "val": 3}), "no class folders"),
    "no train": (lambda root: fill(root, {"val/a": 3, "test/a": 3}), "no class folders"),
    "empty class": (lambda root: fill(root, {"a": 5, "b": 0}), "1 class folder without.*'b'"),
    "empty classes": (lambda root: fill(root, {"a": 5, "c": 0, "b": 0}), "2 class folders without.*'b'"),
    "one class": (lambda root: fill(root, {"only": 5}), "one class only, 'only'"),
    "class of val": (one_class_differs, "1 class in val/ that train/ lacks, first 'zebra'"),
    "class of train": (
        lambda root: fill(root, {"train/a": 5, "train/b": 5, "test/b": 1}),
        "1 class in test/ less than train/, first 'a'",
    ),
    "two validations": (
        lambda root: fill(root, {f"{part}/{name}": 5 for part in ("train", "val", "valid") for name in "ab"}),
        "both val/ and valid/",
    ),
    "too few": (lambda root: fill(root, {"a": 2, "b": 1}), "too few images to split: no class has 3"),
    "too few in val": (
        lambda root: fill(root, {"train/a": 1, "train/b": 1, "val/a": 1, "val/b": 1}),
        "too few images to split: no class has 2",
    ),
    "text": (text_file, r"2 files of 12 .*first a/003\.jpg: it is not an image; .*--skip-bad"),
    "truncated": (truncated, r"1 file of 11 .*first a/002\.jpg: .*truncated.*--skip-bad"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders_are_one_line(tmp_path: Path, case: str) -> None:
    root = tmp_path / "data"
    root.mkdir()
    build, message = BAD[case]
    build(root)
    with pytest.raises(RequestError, match=message) as failure:
        get(root)
    assert "\n" not in str(failure.value)
    assert str(root) in str(failure.value)


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(RequestError, match="needs the path"):
        tasks.get("folder:", Path())


@pytest.mark.parametrize("size", [(12, 12), (12, 100)])
def test_bad_files_can_be_left_out_and_are_reported(tmp_path: Path, size: tuple[int, int]) -> None:
    fill(tmp_path, {"a": 6, "b": 6}, size)
    (tmp_path / "a" / "000.png").write_text("not an image")
    task = get(tmp_path, skip_bad=True)
    dataset = task.load(tmp_path)
    assert dataset.skipped == {"a/000.png": "it is not an image"}
    assert sum(len(split) for split in dataset.splits.values()) == 11
    report = check(task, tmp_path)
    assert report.bad == dataset.skipped
    assert (report.height, report.width) == ((12,) * 3, (size[1],) * 3)
    assert report.storage == ("memory" if size == (12, 12) else "streamed")
    console = Console(record=True, width=100, file=io.StringIO())
    show(console, report)
    assert "a/000.png: it is not an image" in console.export_text()


def test_a_class_of_bad_files_only_is_an_error(tmp_path: Path) -> None:
    fill(tmp_path, {"train/a": 2, "train/b": 2, "val/a": 2, "val/b": 2})
    for path in (tmp_path / "train" / "b").iterdir():
        path.write_text("not an image")
    with pytest.raises(RequestError, match="1 class with too few images that can be read, first 'b' with 0"):
        get(tmp_path, skip_bad=True)


# --- Kept between runs (trap 20) --------------------------------------------------------------------------------------


def test_pixels_are_decoded_once_and_again_when_a_file_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill(tmp_path, {"a": 5, "b": 5})
    first = get(root).load(root)
    (kept,) = (cache / "folders").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(images, "read", None)  # any decoding would fail
        second = get(root).load(root)
    for name, split in first.splits.items():
        other = second.splits[name]
        assert isinstance(split, Resident)
        assert isinstance(other, Resident)
        assert torch.equal(split.images, other.images)
    assert first.fingerprint == second.fingerprint
    Image.new("RGB", (12, 12), "red").save(root / "a" / "000.png")
    assert get(root).load(root).fingerprint != first.fingerprint
    kept.write_bytes(b"damaged")
    fill(root, {"a": 1})
    assert get(root).load(root).fingerprint == first.fingerprint


def test_a_cache_that_cant_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fill(tmp_path / "data", {"a": 5, "b": 5})
    (tmp_path / "file").write_text("not a folder")
    expected = get(root).load(root).fingerprint
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "file"))
    assert get(root).load(root).fingerprint == expected


def test_more_than_fits_in_memory_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "SMALL_BYTES", 10 * 12 * 12 * 3 - 1)
    dataset = get(fill(tmp_path, {"a": 5, "b": 5})).load(tmp_path)
    assert isinstance(dataset.splits["train"], Files)


# --- Real data --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs("cifar10-images.tar.gz")
def test_cifar_jpegs_make_a_task(tmp_path: Path) -> None:
    taken: dict[tuple[str, ...], int] = {}
    with tarfile.open(DATA / "cifar10-images.tar.gz") as tar:
        for member in tar:
            key = tuple(member.name.split("/")[:2])
            if member.isfile() and taken.get(key, 0) < 20:
                taken[key] = taken.get(key, 0) + 1
                tar.extract(member, tmp_path, filter="data")
            if sum(taken.values()) == 200:
                break
    task = get(tmp_path)
    dataset = task.load(tmp_path)
    assert (task.classes, task.channels, task.px, task.train_examples) == (10, 3, 32, 140)
    assert "bird" in dataset.classes
    assert all(0.4 < mean < 0.56 for mean in dataset.mean)
    assert all(0.2 < std < 0.3 for std in dataset.std)


@needs("imagenet-sample")
def test_imagenet_photographs_make_a_task(tmp_path: Path) -> None:
    photographs = sorted((DATA / "imagenet-sample").glob("*/*"))[:24]
    for number, photograph in enumerate(photographs):
        folder = tmp_path / ("fish" if number < 12 else "fowl")
        folder.mkdir(exist_ok=True)
        (folder / photograph.name).symlink_to(photograph)
    task = get(tmp_path)
    report = check(task, tmp_path)
    assert (report.storage, report.channels, report.bad, report.duplicates) == ("streamed", 3, {}, {})
    assert report.height[0] < report.height[1] <= report.height[2]
    assert report.splits["train"] == {"fish": 8, "fowl": 8}
    assert all(0.2 < mean < 0.6 for mean in report.mean)
