"""What a folder of images means: names of parts in any case, links, pipes, odd names; nothing is dropped in silence."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest

from bakeoff.data.dataset import Dataset
from bakeoff.data.folders import part_named, read_folders
from bakeoff.errors import RequestError
from bakeoff.events import DataFound, Event, observing
from bakeoff.task import Task
from tests.test_folder import fill, get


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path_factory.mktemp("cache")))


def parts(root: Path) -> dict[str, list[str]]:
    return {part: sorted(names.names) for part, names in read_folders(root).parts.items()}


def pairs(*folders: str) -> dict[str, int]:
    return {f"{folder}/{name}": 4 for folder in folders for name in ("cat", "dog")}


# --- Names of parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *((name, "train") for name in ("train", "TRAIN", "Training", "training_set", "seg_train", "train-images")),
        *((name, "val") for name in ("val", "Valid", "VALIDATION", "dev", "validation set", "val2017", "devset")),
        *((name, "test") for name in ("test", "Testing", "test_set", "eval", "holdout", "Held-Out", "evaluation")),
        *((name, None) for name in ("cat", "trainer", "steam train", "contest", "valley", "développement", "")),
    ],
)  # fmt: skip
def test_names_of_parts(name: str, part: str | None) -> None:
    assert part_named(name) == part


@pytest.mark.parametrize(
    "names",
    [
        ("Train", "Test"), ("TRAIN", "TEST"), ("training", "testing"), ("training_set", "test_set"),
        ("Training", "Validation"), ("seg_train", "seg_test"), ("train", "dev"), ("Train", "holdout"),
        ("train", "valid", "eval"),
    ],
)  # fmt: skip
def test_parts_are_recognised_whatever_they_are_called(tmp_path: Path, names: tuple[str, ...]) -> None:
    fill(tmp_path, pairs(*names))
    found = read_folders(tmp_path)
    assert found.classes == ("cat", "dog")
    assert list(found.parts) == [part_named(name) for name in names]
    (note,) = found.notes
    assert note.startswith("read as ")
    assert all(f"{name}/ to " in note for name in names)


def test_parts_inside_of_a_folder_of_their_own_name(tmp_path: Path) -> None:
    fill(tmp_path, {**pairs("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred": 3})
    found = read_folders(tmp_path)
    assert {part: len(each.names) for part, each in found.parts.items()} == {"train": 8, "test": 8}
    assert found.notes == (
        "read as seg_train/seg_train/ to train on, seg_test/seg_test/ to test on",
        "seg_pred/ is called as if it had no labels",
        "passed over: 3 images outside of the folders of classes",
    )


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    fill(tmp_path, {"bus": 3, "car": 3, "train": 3})
    assert read_folders(tmp_path).classes == ("bus", "car", "train")
    assert read_folders(tmp_path).notes == ("read as one set of 3 classes, 'train' among them, split here",)
    fill(tmp_path / "split", {f"{part}/{name}": 3 for part in ("train", "test") for name in ("bus", "train")})
    assert read_folders(tmp_path / "split").classes == ("bus", "train")


AMBIGUOUS: dict[str, tuple[dict[str, int], str]] = {
    "class of classes": ({"bus": 3, "car": 3, "train/steam": 3, "train/old": 3}, "train/.* beside bus/, car/; if it"),
    "split beside classes": ({"cat": 3, "dog": 3, "eel": 3, **pairs("train")}, "train/.* beside cat/, dog/, eel/;"),
    "unlabelled test": ({"cat": 3, "dog": 3, "test": 3}, "test/, called like a set to test on, beside cat/, dog/"),
    "masks": ({**pairs("train", "val"), "masks": 3}, "beside masks/"),
    "two of a kind": (pairs("train", "training"), "both train/ and training/ to train on; keep one"),
    "in any case": (pairs("train", "Val", "VAL"), "both VAL/ and Val/"),
    "no training set": (pairs("val", "test"), "no class folders to train on: .*test/, val/"),
    "flat": ({"Train": 3, "Test": 3}, "no class folders to train on"),
    "parts inside": ({"a/train": 3, "a/test": 3, "b/train": 3, "b/test": 3}, "inside of a/; parts go outside"),
    "wrapped parts": (pairs("data/train", "data/test"), "inside of data/; name folder:.*/data"),
    "wrapped classes": (pairs("data"), "one class only, 'data', with 2 folders in it; .*name folder:.*/data"),
}  # fmt: skip


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_what_is_ambiguous_is_refused_in_a_line(tmp_path: Path, case: str) -> None:
    counts, message = AMBIGUOUS[case]
    fill(tmp_path, counts)
    with pytest.raises(RequestError, match=message) as failure:
        read_folders(tmp_path)
    assert "\n" not in str(failure.value)


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    fill(tmp_path, {"cat": 3, "dog": 3, ".": 2, ".git": 5})
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "dog" / ".DS_Store").touch()
    assert read_folders(tmp_path).notes[1:] == (
        "passed over: 2 images outside of the folders of classes, 1 file without the name of an image, 2 hidden files",
    )


# --- Links and what isn't a file --------------------------------------------------------------------------------------


# Links from below the root, and where they lead to.
LINKS: dict[str, dict[str, str]] = {
    "circle": {"cat/b": "../dog", "dog/a": "../cat"},
    "itself": {"cat/self": "."},
    "up": {"cat/up": "../../.."},
    "root": {"again": "."},
    "disk": {"cat/disk": "/"},
    "other class": {"cat/all": "../dog"},
    "class twice": {"ant": "cat"},
    "image": {"cat/0.png": "../dog/000.png"},
    "images": {f"cat/{number}.png": "000.png" for number in range(9)},
}


@pytest.mark.parametrize("case", LINKS)
def test_no_image_is_counted_twice(tmp_path: Path, case: str) -> None:
    root = fill(tmp_path / "data", {"cat": 3, "dog": 3})
    before = parts(root)
    for name, target in LINKS[case].items():
        (root / name).symlink_to(target)
    assert parts(root) == before
    assert "to what is read already (first " in read_folders(root).notes[-1]


def test_links_to_other_places_are_followed(tmp_path: Path) -> None:
    fill(tmp_path / "else", {"eel": 3, "more/deep": 2})
    root = fill(tmp_path / "data", {"cat": 3, "dog": 3})
    (root / "eel").symlink_to("../else/eel")
    (root / "cat" / "more").symlink_to("../../else/more")
    (root / "dog" / "linked.png").symlink_to(tmp_path / "else" / "more" / "deep" / "001.png")  # as cat/more is, later
    found = read_folders(root)
    assert found.classes == ("cat", "dog", "eel")
    assert found.parts["all"].counts(3) == [5, 3, 3]
    assert found.notes[1:] == ("passed over: 1 link to what is read already (first dog/linked.png)",)


def test_pipes_sockets_and_broken_links_are_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"a": 5, "b": 5})
    os.mkfifo(tmp_path / "a" / "pipe.png")
    monkeypatch.chdir(tmp_path / "b")  # a socket's name may be 100 characters long
    with socket.socket(socket.AF_UNIX) as there:
        there.bind("socket.png")
    (tmp_path / "b" / "gone.png").symlink_to("nowhere")
    (tmp_path / "b" / "self.png").symlink_to("self.png")
    with pytest.raises(RequestError, match=r"4 files of 14 .* first a/pipe\.png: it is a named pipe"):
        get(tmp_path)
    dataset = get(tmp_path, skip_bad=True).load(tmp_path)
    assert sorted(dataset.skipped) == ["a/pipe.png", "b/gone.png", "b/self.png", "b/socket.png"]


# --- Odd names --------------------------------------------------------------------------------------------------------


def test_names_of_classes_can_be_printed_whatever_their_bytes_are(tmp_path: Path) -> None:
    names = ["caf\udce9", "[", "[red]x[", "[link=http:", "new\nline", "\x1b[31mred", "日本", "a b"]
    fill(tmp_path, {os.fsdecode(os.fsencode(name)): 5 for name in names})
    dataset = get(tmp_path).load(tmp_path)
    assert set(dataset.classes) == {
        r"caf\xe9", "[", "[red]x[", "[link=http:", r"new\nline", r"\x1b[31mred", "日本", "a b"
    }  # fmt: skip
    "".join(dataset.classes).encode()


def test_names_that_look_the_same_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"caf\udce9": 5, r"caf\xe9": 5})
    with pytest.raises(RequestError, match="look the same"):
        get(tmp_path)


# --- Few images -------------------------------------------------------------------------------------------------------


def counts(dataset: Dataset) -> dict[str, list[int]]:
    return {
        name: split.labels.bincount(minlength=len(dataset.classes)).tolist() for name, split in dataset.splits.items()
    }


def test_a_class_may_have_any_number_of_images(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 20})
    seen: list[Event] = []
    with observing(seen.append):
        dataset = get(tmp_path).load(tmp_path)
    assert counts(dataset) == {
        "train": [1, 1, 1, 2, 3, 14], "select": [0, 0, 1, 1, 1, 3], "report": [0, 1, 1, 1, 1, 3]
    }  # fmt: skip
    (found,) = (event for event in seen if isinstance(event, DataFound))
    assert found.notes == (
        "read as one set of 6 classes, split here",
        "select has no image of 2 classes: a, b",
        "report has no image of 1 class: a",
    )


def test_a_validation_set_may_have_one_image_of_a_class(tmp_path: Path) -> None:
    fill(tmp_path, {"train/a": 3, "train/b": 3, "val/a": 1, "val/b": 2})
    assert counts(get(tmp_path).load(tmp_path)) == {"train": [3, 3], "select": [0, 1], "report": [1, 1]}


def test_training_images_that_select_and_report_have_are_told_of_at_once(tmp_path: Path) -> None:
    for split in ("train", "val"):
        fill(tmp_path / split, {"a": 6, "b": 6})  # the same pictures
    seen: list[Event] = []
    with observing(seen.append):
        get(tmp_path)
    (found,) = (event for event in seen if isinstance(event, DataFound))
    assert found.notes[-1].startswith(
        "6 of 6 images of select and 6 of 6 images of report are training images as well, "
    )


def test_arrays_that_validate_on_training_images_say_so() -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), np.uint8)
    labels = np.arange(24) % 2
    seen: list[Event] = []
    with observing(seen.append):
        Task.from_arrays(images, labels, validation=(np.concatenate([images[:1], 255 - images[1:]]), labels))
        Task.from_arrays(images, labels, validation=(255 - images, labels))
    (found,) = (event for event in seen if isinstance(event, DataFound))
    assert " of 12 images of " in found.notes[0]
    assert found.notes[0].startswith("1 of ")
