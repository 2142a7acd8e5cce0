"""Labelled image files, whoever lists them: looked at once, split, and loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bakeoff.data.conclusions import learned_by_heart
from bakeoff.data.contents import Contents, read_contents
from bakeoff.data.dataset import Dataset, Files, Images, Resident
from bakeoff.data.fingerprint import assemble, mean_std
from bakeoff.data.folders import Folders, Part, check_classes, counted
from bakeoff.data.members import Members
from bakeoff.data.scan import Scan, scan
from bakeoff.data.shards import Index
from bakeoff.data.sources import Source
from bakeoff.data.splits import stratified
from bakeoff.errors import DataChanged, RequestError
from bakeoff.events import DataFound, tell

SHARES = (0.7, 0.15, 0.15)  # train, select, report, of images that aren't split
HALVES = (0.5, 0.5)  # select, report, of a validation set
_SERVED = {SHARES: (0, 2, 1), HALVES: (1, 0)}  # in this order by a class of few images: learned and reported first


@dataclass(frozen=True)
class Listed:
    """Image files with labels.

    where: the folder or table that lists them, for messages. root: what their names are relative to, or the shards that
    they are in. rows: of a table, name -> row.
    """

    where: Path | str
    root: Path | Index
    found: Folders
    rows: Mapping[str, int] = field(default_factory=dict)

    def contents(self, names: Sequence[str]) -> Contents:
        """What is in files."""
        return self.root.rows(names).contents if isinstance(self.root, Index) else read_contents(self.root, names)

    def places(self, names: Sequence[str]) -> tuple[Path, ...] | Members:
        """Where files are."""
        return self.root.rows(names) if isinstance(self.root, Index) else tuple(self.root / name for name in names)

    def scan(self, names: Sequence[str], contents: Contents) -> Scan:
        """What they look like."""
        beside = self.root.storage if isinstance(self.root, Index) else None
        return scan(self.places(names), contents, beside)


@dataclass(frozen=True)
class _Looked:
    """Files by name, in order: in which split and class each is, and what is in it."""

    names: list[str]
    places: list[str]
    contents: Contents


@dataclass(frozen=True)
class _Opened:
    classes: tuple[str, ...]
    splits: dict[str, Part]
    skipped: dict[str, str]
    seen: Scan
    contents: Contents
    row: dict[str, int]  # of each image in `seen`

    @property
    def looks(self) -> dict[str, dict[str, bytes]]:
        """Split -> image -> hash of its file."""
        hashes = self.contents.hashes
        return {
            key: {name: hashes[self.row[name]].tobytes() for name in part.names} for key, part in self.splits.items()
        }

    @property
    def channels(self) -> int:
        return 1 if self.seen.gray[self.seen.good].all() else 3


def files_source(name: str, read: Callable[[], Listed], skip_bad: bool) -> Source:
    """The task that labelled image files make; size and channels are read from them.

    read: lists them; called again when the data are loaded, and what has changed by then is a DataChanged.

    Raises RequestError when a class has too few images to split, or files can't be read, unless `skip_bad`.
    """
    listed = read()
    looked = _look(listed)
    opened = _open(listed, looked, skip_bad)
    seen = opened.seen
    notes = (*listed.found.notes, *absences(opened.classes, opened.splits), *learned_by_heart(opened.looks))
    tell(DataFound(name, notes))
    return Source(
        name,
        images=int(sum(seen.good)),
        channels=opened.channels,
        counts=dict(zip(opened.classes, opened.splits["train"].counts(len(opened.classes)), strict=True)),
        side=int(np.median(seen.sizes[seen.good].min(1))),
        uniform=bool((seen.sizes[seen.good] == seen.sizes[seen.good][0]).all()),
        load=partial(_load, read, looked, skip_bad),
    )


def _difference(before: _Looked, now: _Looked) -> str:
    """The first file that isn't what it was, and how many more; nothing where all are."""
    same = before.names == now.names
    if same and before.places == now.places and np.array_equal(before.contents.hashes, now.contents.hashes):
        return ""
    was, is_ = ({name: row for row, name in enumerate(looked.names)} for looked in (before, now))
    found = [f"{name} is gone" for name in before.names if name not in is_]
    found += [f"{name} is new" for name in now.names if name not in was]
    for name in [name for name in now.names if name in was]:
        old, new = was[name], is_[name]
        if before.places[old] != now.places[new]:
            found.append(f"{name} was in {before.places[old]} and is in {now.places[new]}")
        elif (before.contents.hashes[old] != now.contents.hashes[new]).any():
            found.append(f"{name} holds something else")
    return found[0] + (f", and {len(found) - 1} more" if len(found) > 1 else "")


def split(where: Path | str, parts: Mapping[str, Part]) -> dict[str, Part]:
    """Parts `all`, or `train` and maybe `val` and `test`, as train, select, report and maybe test.

    The halves of `val` are `select` and `report`; without it, they are 15 % of the training images each. A function of
    the labels and their order alone. A class of few images may be absent from select, and then from report. Raises
    RequestError, naming `where`, when all of them are so small that a split stays empty.
    """
    whole = parts["all"] if "all" in parts else parts["train"]
    test = {"test": parts["test"]} if "test" in parts else {}
    if "val" in parts:
        select, report = _divide(where, parts["val"], HALVES)
        return {"train": whole, "select": select, "report": report, **test}
    train, select, report = _divide(where, whole, SHARES)
    return {"train": train, "select": select, "report": report, **test}


def _divide(where: Path | str, part: Part, shares: tuple[float, ...]) -> list[Part]:
    found = [part[rows] for rows in stratified(part.labels, shares, seed=0, first=_SERVED[shares])]
    if not all(len(each.labels) for each in found):
        raise RequestError(
            f"{where} has too few images to split: no class has {len(shares)}, one for each of "
            f"{'train, select and report' if shares == SHARES else 'select and report'}"
        )
    return found


def absences(classes: tuple[str, ...], splits: Mapping[str, Part]) -> list[str]:
    """Which classes are absent from which splits, a sentence for each split."""
    told = []
    for key, part in splits.items():
        absent = [name for name, count in zip(classes, part.counts(len(classes)), strict=True) if not count]
        if absent:
            shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
            told.append(f"{key} has no image of {counted(len(absent), 'class')}: {shown}")
    return told


def _look(listed: Listed) -> _Looked:
    folders = listed.found
    places = {
        name: f"{key}/{folders.classes[label]}"
        for key, part in folders.parts.items()
        for name, label in zip(part.names, part.labels.tolist(), strict=True)
    }
    names = sorted(places)
    return _Looked(names, [places[name] for name in names], listed.contents(names))


def _open(listed: Listed, looked: _Looked, skip_bad: bool) -> _Opened:
    where, folders = listed.where, listed.found
    names, contents = looked.names, looked.contents
    seen = listed.scan(names, contents)
    row = {name: at for at, name in enumerate(names)}
    bad = {name: str(reason) for name, reason in zip(names, seen.reasons, strict=True) if reason}
    if bad and not skip_bad:
        files = "1 file" if len(bad) == 1 else f"{len(bad)} files"
        first = min(bad, key=lambda name: listed.rows.get(name, 0))
        at = f" (row {listed.rows[first]})" if first in listed.rows else ""
        raise RequestError(
            f"{files} of {len(names)} in {where} can't be read, first {first}{at}: {bad[first]}; "
            f"repair or remove them, or go on without them (--skip-bad)"
        )
    parts = {key: part[seen.good[[row[name] for name in part.names]]] for key, part in folders.parts.items()}
    for part in parts.values():
        check_classes(where, folders.classes, part.counts(len(folders.classes)), 1, "that can be read")
    return _Opened(folders.classes, split(where, parts), bad, seen, contents, row)


def _load(read: Callable[[], Listed], before: _Looked, skip_bad: bool, data: Path) -> Dataset:
    try:
        listed = read()
    except RequestError as error:
        raise DataChanged(f"the images were changed since they were looked at: {error}") from None
    looked = _look(listed)
    if why := _difference(before, looked):
        raise DataChanged(f"{listed.where} was changed since it was looked at: {why}; start again")
    opened = _open(listed, looked, skip_bad)
    seen, channels = opened.seen, opened.channels
    splits: dict[str, Images] = {}
    for key, part in opened.splits.items():
        names, labels = tuple(part.names), torch.from_numpy(part.labels)
        rows = [opened.row[name] for name in names]
        contents = opened.contents[rows]
        if seen.pixels is not None:
            splits[key] = Resident(torch.from_numpy(seen.pixels[rows, :channels]), labels, names, contents)
        else:
            splits[key] = Files(listed.places(names), labels, channels, names, contents, seen.sizes[rows])
    train = [opened.row[name] for name in opened.splits["train"].names]
    return assemble(opened.classes, splits, mean_std(seen.moments[train, :channels]), opened.skipped)
