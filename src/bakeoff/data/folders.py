"""Folders of images on disk: one folder per class, in one set or in `train`, `val` and `test`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.images import is_image
from bakeoff.data.splits import Indices
from bakeoff.errors import RequestError

VALIDATION = ("val", "valid", "validation")  # what the folder of the validation set may be called


@dataclass(frozen=True)
class Part:
    """Some images of a folder: paths relative to it and the class of each."""

    names: NDArray[np.object_]  # (N,) str
    labels: Indices  # (N,)

    def __getitem__(self, rows: Indices | NDArray[np.bool_]) -> "Part":
        return Part(self.names[rows], self.labels[rows])

    def counts(self, classes: int) -> list[int]:
        """Images of each class."""
        return [int(count) for count in np.bincount(self.labels, minlength=classes)]


@dataclass(frozen=True)
class Folders:
    """Classes in alphabetical order, and the images of `all`, or of `train` and, where they are, `val` and `test`."""

    classes: tuple[str, ...]
    parts: dict[str, Part]


def read_folders(root: Path) -> Folders:
    """List the images of a folder. Hidden files and files that aren't images by name are passed over.

    The classes are those of `train`. A `test` without class folders has no labels and is passed over.

    Raises RequestError when there is no such folder, no or one class, a class without images, or another set of
    classes in `val` or `test`.
    """
    if not root.is_dir():
        raise RequestError(f"{root} is no folder; images are expected in {root}/CLASS/")
    found: dict[str, dict[str, list[str]]] = {}
    if not _subfolders(root / "train"):
        if set(_subfolders(root)) & {"train", "test", *VALIDATION} == set(_subfolders(root)):
            raise RequestError(f"{root} has no class folders; images are expected in {root}/CLASS/ or train/CLASS/")
        found["all"] = _by_class(root, ".")
    else:
        found["train"] = _by_class(root, "train")
        validation = [name for name in VALIDATION if _subfolders(root / name)]
        if len(validation) > 1:
            raise RequestError(f"{root} has both {validation[0]}/ and {validation[1]}/; keep one of them")
        if validation:
            found["val"] = _by_class(root, validation[0])
        if _subfolders(root / "test"):
            found["test"] = _by_class(root, "test")
    return same_classes(root, found)


def same_classes(where: Path | str, found: Mapping[str, Mapping[str, Sequence[str]]]) -> Folders:
    """What was found, if every part has the classes of the first.

    where: for the message. found: part -> class -> names of images, classes in their order.

    Raises RequestError for one class only, and for another set of classes in a later part.
    """
    classes = tuple(next(iter(found.values())))
    if len(classes) == 1:
        raise RequestError(f"{where} has one class only, '{classes[0]}'; two are the least to tell apart")
    for part, by_class in found.items():
        strange = [name for name in by_class if name not in classes]
        absent = [name for name in classes if name not in by_class]
        for names, problem in ((strange, "that train/ lacks"), (absent, "less than train/")):
            if names:
                raise RequestError(f"{where} has {_count(names, 'class')} in {part}/ {problem}, first '{names[0]}'")
    return Folders(classes, {part: _part(classes, by_class) for part, by_class in found.items()})


def check_classes(where: Path | str, classes: Sequence[str], counts: Sequence[int], least: int, purpose: str) -> None:
    """Raise RequestError, naming the first class of fewer than `least` images."""
    few = [name for name, count in zip(classes, counts, strict=True) if count < least]
    if few:
        count = counts[classes.index(few[0])]
        raise RequestError(
            f"{where} has {_count(few, 'class')} with too few images {purpose}, first '{few[0]}' with {count}; "
            f"{least} are the least"
        )


def _by_class(root: Path, part: str) -> dict[str, list[str]]:
    folder = root / part
    by_class = {name: _images(root, folder / name) for name in _subfolders(folder)}
    empty = [name for name, names in by_class.items() if not names]
    if empty:
        raise RequestError(
            f"{folder} has {_count(empty, 'class folder')} without images, first '{empty[0]}'; fill or remove it"
        )
    return by_class


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def _images(root: Path, folder: Path) -> list[str]:
    found = []
    for path, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = Path(path).relative_to(root).as_posix()
        found += [f"{prefix}/{name}" for name in files if is_image(name)]
    return sorted(found)


def _part(classes: tuple[str, ...], by_class: Mapping[str, Sequence[str]]) -> Part:
    names = np.array([name for class_name in classes for name in by_class[class_name]], object)
    return Part(names, np.repeat(np.arange(len(classes)), [len(by_class[name]) for name in classes]))


def _count(names: Sequence[str], noun: str) -> str:
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"1 {noun}" if len(names) == 1 else f"{len(names)} {plural}"
