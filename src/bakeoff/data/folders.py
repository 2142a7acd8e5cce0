"""Folders of images on disk: one folder per class, in one set or in those to train, to validate and to test on.

What a folder means is decided here and nowhere else, and everything that isn't read is counted and told.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.images import is_image
from bakeoff.data.splits import Indices
from bakeoff.errors import RequestError
from bakeoff.files import printable

# What the parts of a data set may be called, in any case, with such words beside: training_set, seg_train, val2017.
PARTS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "validating", "dev", "development"), "val"),
    **dict.fromkeys(("test", "tests", "testing", "eval", "evaluation", "holdout", "heldout", "tst"), "test"),
}
_BESIDE = frozenset(("set", "seg", "data", "dataset", "split", "images", "image", "img", "imgs"))
_UNLABELLED = frozenset(("pred", "predict", "prediction", "unlabeled", "unlabelled"))

Node = tuple[int, int]  # device and inode


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
    """Classes in alphabetical order, and the images of `all`, or of `train` and, where they are, `val` and `test`.

    notes: how it was read, and what was passed over, a sentence each.
    """

    classes: tuple[str, ...]
    parts: dict[str, Part]
    notes: tuple[str, ...] = ()


@dataclass
class _Folder:
    """A folder: its images and folders by name; `own` are the images in it itself."""

    path: str  # relative to the root
    own: list[str] = field(default_factory=list)
    folders: dict[str, "_Folder"] = field(default_factory=dict)

    def images(self) -> Iterator[str]:
        """All that are in it, however deep."""
        yield from self.own
        for folder in self.folders.values():
            yield from folder.images()

    @property
    def filled(self) -> bool:
        """Whether there are any."""
        return next(self.images(), None) is not None

    @property
    def classes(self) -> dict[str, "_Folder"]:
        """The folders in it that hold images."""
        return {name: folder for name, folder in self.folders.items() if folder.filled}


def part_named(name: str) -> str | None:
    """The part of a data set, train, val or test, that a name such as "Training_Set" stands for, if any."""
    return PARTS.get(_core(name))


def read_folders(root: Path) -> Folders:
    """List the images of a folder. Hidden files and files that aren't images by name are passed over, and counted.

    Every real folder and every image that a link leads to is read once, under its own name where it has one inside.
    The classes are those of `train`. A `test` or `val` without class folders has no labels and is passed over.

    Raises RequestError when there is no such folder, no or one class, a class without images, another set of classes
    in `val` or `test`, and when it can't be told what is a class and what a part.
    """
    if not root.is_dir():
        raise RequestError(f"{root} is no folder; images are expected in {root}/CLASS/")
    walk = _Walk(root)
    found, notes = _understood(root, walk.tree)
    kept = sum(len(names) for by_class in found.values() for names in by_class.values())
    passed = (
        (sum(1 for _ in walk.tree.images()) - kept, "image", " outside of the folders of classes"),
        (walk.others, "file", " without the name of an image"),
        (walk.hidden, "hidden file", ""),
        (len(walk.again), "link", " to what is read already"),
    )
    told = [counted(*each) for each in passed if each[0]]
    if told:
        first = f" (first {walk.again[0]})" if walk.again else ""
        notes.append(f"passed over: {', '.join(told)}{first}")
    return same_classes(root, _printed(root, found), notes)


def same_classes(
    where: Path | str, found: Mapping[str, Mapping[str, Sequence[str]]], notes: Sequence[str] = ()
) -> Folders:
    """What was found, if every part has the classes of the first.

    where: for the message. found: part -> class -> names of images, classes in their order. notes: as in Folders.

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
                raise RequestError(
                    f"{where} has {counted(len(names), 'class')} in {part}/ {problem}, first '{names[0]}'"
                )
    return Folders(classes, {part: _part(classes, by_class) for part, by_class in found.items()}, tuple(notes))


def check_classes(where: Path | str, classes: Sequence[str], counts: Sequence[int], least: int, purpose: str) -> None:
    """Raise RequestError, naming the first class of fewer than `least` images."""
    few = [name for name, count in zip(classes, counts, strict=True) if count < least]
    if few:
        count = counts[classes.index(few[0])]
        raise RequestError(
            f"{where} has {counted(len(few), 'class')} with too few images {purpose}, first '{few[0]}' with {count}; "
            f"{least} are the least"
        )


def counted(count: int, noun: str, rest: str = "") -> str:
    """A number of things, in words."""
    return f"1 {noun}{rest}" if count == 1 else f"{count:,} {noun}{'es' if noun.endswith('s') else 's'}{rest}"


def _core(name: str) -> str:
    words = [word for word in re.split("[^a-z]+", name.lower()) if word and word not in _BESIDE]
    return "".join(words).removesuffix("set")


class _Walk:
    """All that is below a folder. Real folders come first, then what links lead to that wasn't met so far."""

    def __init__(self, root: Path) -> None:
        self.tree = _Folder("")
        self.others = self.hidden = 0
        self.again: list[str] = []  # links that lead to what is read already
        self._met: set[Node] = set()
        self._links: list[tuple[_Folder, str]] = []
        here = Path(os.path.realpath(root))
        for above in here.parents:  # a link upwards would take in everything
            self._met.add(_node(os.stat(above)))
        self._read(root, self.tree, _node(os.stat(here)))
        for folder, name in self._links:  # grows on the way
            self._follow(root, folder, name)

    def _read(self, root: Path, folder: _Folder, node: Node) -> None:
        self._met.add(node)
        try:
            entries = sorted(os.scandir(root / folder.path), key=lambda entry: entry.name)
        except OSError as error:
            raise RequestError(f"can't read the folder {root / folder.path}: {error.strerror}") from None
        inside = []
        for entry in entries:
            if entry.name.startswith("."):
                self.hidden += 1
            elif entry.is_symlink():
                self._links.append((folder, entry.name))
            elif entry.is_dir(follow_symlinks=False):
                inside.append(entry)
            elif is_image(entry.name):  # or a pipe of such a name, which can't be read
                self._met.add((node[0], entry.inode()))
                folder.own.append(_join(folder.path, entry.name))
            else:
                self.others += 1
        for entry in inside:
            self._descend(root, folder, entry.name, _node(entry.stat(follow_symlinks=False)))

    def _descend(self, root: Path, folder: _Folder, name: str, node: Node) -> None:
        if node in self._met:  # mounted twice
            self.again.append(_join(folder.path, name))
            return
        folder.folders[name] = _Folder(_join(folder.path, name))
        self._read(root, folder.folders[name], node)

    def _follow(self, root: Path, folder: _Folder, name: str) -> None:
        path = root / folder.path / name
        try:
            facts = path.stat()
        except OSError:  # leads to nothing, or to itself: a bad file, if it is called an image
            facts = None
        if facts is not None and path.is_dir():
            self._descend(root, folder, name, _node(facts))
        elif not is_image(name):
            self.others += 1
        elif facts is not None and _node(facts) in self._met:
            self.again.append(_join(folder.path, name))
        else:
            self._met |= {_node(facts)} if facts is not None else set()
            folder.own.append(_join(folder.path, name))


def _understood(root: Path, tree: _Folder) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    """Part -> class -> images, and how the folder was read."""
    parts = {name: part for name in tree.folders if (part := part_named(name))}
    for name in [name for name in parts if tree.classes.keys() - parts.keys() and name in tree.classes]:
        if parts[name] == "train" and not tree.folders[name].classes:
            del parts[name]  # images and no class folders, beside classes: a class of that name
            continue
        beside = [other for other in tree.classes if part_named(other) is None and _core(other) not in _UNLABELLED]
        if beside:
            shown = ", ".join(f"{other}/" for other in beside[:3]) + (", ..." if len(beside) > 3 else "")
            raise RequestError(
                f"{root} has {name}/, called like a set to {_PURPOSE[parts[name]]}, beside {shown}; if it is a class, "
                f"give it another name, and if it isn't, put the others somewhere else"
            )
    parts = {name: part for name, part in parts.items() if name in tree.classes}
    if not parts:
        return {"all": _by_class(root, tree)}, [_one_set(root, tree)]
    return _split(root, tree, parts)


_PURPOSE = {"train": "train on", "val": "validate on", "test": "test on"}


def _one_set(root: Path, tree: _Folder) -> str:
    classes = tree.classes
    if not classes:
        raise RequestError(f"{root} has no class folders; images are expected in {root}/CLASS/ or train/CLASS/")
    for name, folder in classes.items():
        inner = {part_named(each) for each in folder.classes} - {None}
        if "train" in inner and len(inner) > 1:
            fitting = f"name folder:{root / name}" if len(classes) == 1 else "parts go outside, as in train/CLASS/"
            raise RequestError(f"{root} has its parts ({', '.join(folder.classes)}) inside of {name}/; {fitting}")
    only = next(iter(classes.values()))
    if len(classes) == 1 and len(only.classes) > 1:
        raise RequestError(
            f"{root} has one class only, '{only.path}', with {len(only.classes)} folders in it; if they are the "
            f"classes, name folder:{root / only.path}"
        )
    named = [f"'{name}'" for name in classes if part_named(name)]
    also = f", {' and '.join(named)} among them" if named else ""
    return f"read as one set of {counted(len(classes), 'class')}{also}, split here"


def _split(root: Path, tree: _Folder, parts: dict[str, str]) -> tuple[dict[str, dict[str, list[str]]], list[str]]:
    found: dict[str, dict[str, list[str]]] = {}
    notes, read = [], []
    for part in ("train", "val", "test"):
        names = [name for name, other in parts.items() if other == part]
        if len(names) > 1:
            raise RequestError(f"{root} has both {names[0]}/ and {names[1]}/ to {_PURPOSE[part]}; keep one of them")
        for name in names:
            folder = tree.folders[name]
            while list(folder.classes) == [name]:  # seg_train/seg_train/, as some archives have it
                folder = folder.folders[name]
            if folder.classes:
                found[part] = _by_class(root, folder)
                read.append(f"{folder.path}/ to {_PURPOSE[part]}")
            elif part != "train":
                notes.append(f"{name}/ has no class folders, so its images have no labels")
    if "train" not in found:
        listed = ", ".join(f"{name}/" for name in parts)
        raise RequestError(
            f"{root} has no class folders to train on: images are expected in train/CLASS/, or in CLASS/ without "
            f"folders that are called like parts ({listed})"
        )
    notes += [f"{name}/ is called as if it had no labels" for name in tree.classes if name not in parts]
    return found, [f"read as {', '.join(read)}", *notes]


def _by_class(root: Path, folder: _Folder) -> dict[str, list[str]]:
    by_class = {name: sorted(each.images()) for name, each in sorted(folder.folders.items())}
    empty = [name for name, names in by_class.items() if not names]
    if empty:
        raise RequestError(
            f"{root / folder.path} has {counted(len(empty), 'class folder')} without images, first '{empty[0]}'; "
            "fill or remove it"
        )
    return by_class


def _printed(root: Path, found: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """With names of classes that can be printed, whatever their bytes are."""
    for by_class in found.values():
        if len(set(map(printable, by_class))) < len(by_class):
            raise RequestError(f"{root} has two classes whose names look the same; rename one of them")
    return {part: {printable(name): names for name, names in by_class.items()} for part, by_class in found.items()}


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _node(facts: os.stat_result) -> Node:
    return facts.st_dev, facts.st_ino


def _part(classes: tuple[str, ...], by_class: Mapping[str, Sequence[str]]) -> Part:
    names = np.array([name for class_name in classes for name in by_class[class_name]], object)
    return Part(names, np.repeat(np.arange(len(classes)), [len(by_class[name]) for name in classes]))
