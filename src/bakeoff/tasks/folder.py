"""Any folder of images, one folder per class: split already (train/, val/, test/), or split here."""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from bakeoff.data.dataset import Dataset, Files, Images, Resident
from bakeoff.data.fingerprint import assemble, mean_std
from bakeoff.data.folders import Part, check_classes, read_folders
from bakeoff.data.scan import Scan, scan
from bakeoff.data.splits import fewest, stratified
from bakeoff.errors import RequestError
from bakeoff.plan import PadCrop, Precision, ResizedCrop
from bakeoff.task import Limits, Task

SHARES = (0.7, 0.15, 0.15)  # train, select, report, of a folder that isn't split
HALVES = (0.5, 0.5)  # select, report, of a validation set
_LEAST_STEPS = 400  # of training, however few images there are


@dataclass(frozen=True)
class _Opened:
    classes: tuple[str, ...]
    splits: dict[str, Part]
    skipped: dict[str, str]
    seen: Scan
    row: dict[str, int]  # of each image in `seen`

    @property
    def channels(self) -> int:
        return 1 if self.seen.gray[self.seen.good].all() else 3


def folder_task(path: Path, skip_bad: bool = False) -> Task:
    """The task that a folder of images makes: classes, size and channels are read from it.

    path: holds a folder per class, or `train` and maybe `val` (`valid`, `validation`) and `test`, which do. With
    `val`, its halves are `select` and `report`; without, they are 15 % of the training images each. Images that all
    have one size of up to 96 px are kept in memory and shown at that size; others are streamed and shown at 224 px.

    Raises RequestError when the folder can't be a data set (see `read_folders`), has too few images of a class to
    split, or has files that can't be read, unless `skip_bad`.
    """
    opened = _open(path, skip_bad)
    count = len(opened.splits["train"].labels)
    batch = 128 if count >= 2000 else 32
    streamed = Task(
        name=f"folder:{path.absolute()}",  # found again from any current folder
        about=f"{sum(opened.seen.good):,} images in {len(opened.classes)} classes",
        classes=len(opened.classes),
        channels=opened.channels,
        px=224,
        resize_px=256,
        train_examples=count,
        epochs=max(10, math.ceil(_LEAST_STEPS * batch / count)),
        batch_size=batch,
        model="resnet18",
        crop=ResizedCrop(),
        limits=Limits(),
        load=partial(_load, path, skip_bad),
        precision=Precision(dtype="auto"),
    )
    if opened.seen.pixels is None:
        return streamed
    side = min(opened.seen.pixels.shape[2:])
    return replace(
        streamed,
        px=side,
        resize_px=side,
        model="cnn",
        crop=PadCrop(),
        weight_decay=5e-4,
        precision=Precision(),
    )


def _open(root: Path, skip_bad: bool) -> _Opened:
    folders = read_folders(root)
    names = sorted(name for part in folders.parts.values() for name in part.names)
    seen = scan(root, names)
    row = {name: at for at, name in enumerate(names)}
    bad = {name: str(reason) for name, reason in zip(names, seen.reasons, strict=True) if reason}
    if bad and not skip_bad:
        files = "1 file" if len(bad) == 1 else f"{len(bad)} files"
        first = next(iter(bad))
        raise RequestError(
            f"{files} of {len(names)} in {root} can't be read, first {first}: {bad[first]}; "
            f"repair or remove them, or go on without them (--skip-bad)"
        )
    parts = {key: part[seen.good[[row[name] for name in part.names]]] for key, part in folders.parts.items()}
    for part in parts.values():
        check_classes(root, folders.classes, part.counts(len(folders.classes)), 1, "that can be read")
    splits = _split(root, folders.classes, parts)
    return _Opened(folders.classes, splits, bad, seen, row)


def _split(root: Path, classes: tuple[str, ...], parts: dict[str, Part]) -> dict[str, Part]:
    whole = parts["all"] if "all" in parts else parts["train"]
    test = {"test": parts["test"]} if "test" in parts else {}
    if "val" in parts:
        validation = _divide(root, classes, parts["val"], HALVES, "of the validation set to halve")
        return {"train": whole, "select": validation[0], "report": validation[1], **test}
    train, select, report = _divide(root, classes, whole, SHARES, "to split")
    return {"train": train, "select": select, "report": report, **test}


def _divide(root: Path, classes: tuple[str, ...], part: Part, shares: tuple[float, ...], purpose: str) -> list[Part]:
    check_classes(root, classes, part.counts(len(classes)), fewest(shares), purpose)
    return [part[rows] for rows in stratified(part.labels, shares, seed=0)]


def _load(root: Path, skip_bad: bool, data: Path) -> Dataset:
    opened = _open(root, skip_bad)
    seen, channels = opened.seen, opened.channels
    splits: dict[str, Images] = {}
    for key, part in opened.splits.items():
        names, labels = tuple(part.names), torch.from_numpy(part.labels)
        if seen.pixels is not None:
            rows = [opened.row[name] for name in names]
            splits[key] = Resident(torch.from_numpy(seen.pixels[rows, :channels]), labels, names)
        else:
            splits[key] = Files(tuple(root / name for name in names), labels, channels, names)
    train = [opened.row[name] for name in opened.splits["train"].names]
    return assemble(opened.classes, splits, mean_std(seen.moments[train, :channels]), opened.skipped)
