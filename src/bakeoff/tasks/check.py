"""What a data set holds, and what is wrong with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.contents import read_contents
from bakeoff.data.dataset import Dataset, Files, Images, Resident
from bakeoff.data.scan import scan
from bakeoff.task import Task


@dataclass(frozen=True)
class Report:
    """What `check` found.

    splits: split -> class -> number of images. height, width: least, median and greatest, in pixels. duplicates: pairs
    of splits "a & b" -> images of b that are in a as well; `duplicate` names the first. bad: files that can't be read,
    and why.
    """

    task: str
    storage: Literal["memory", "streamed"]
    channels: int
    height: tuple[int, int, int]
    width: tuple[int, int, int]
    splits: dict[str, dict[str, int]]
    duplicates: dict[str, int]
    duplicate: tuple[str, str] | None
    bad: dict[str, str]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def check(task: Task, data: Path) -> Report:
    """Read all of a task's data and report what is there.

    Bad files of a `folder:` task are in the report when the task was made with `skip_bad`; else `tasks.get` has raised.
    """
    dataset = task.load(data)
    train = dataset.splits["train"]
    bad = dict(dataset.skipped)
    if isinstance(train, Resident):
        channels, *size = train.images.shape[1:]
        sizes = np.array([size])
    else:
        channels = train.channels
        sizes = _look(dataset, bad)
    duplicates, first = _duplicates(dataset, bad)
    return Report(
        task=task.name,
        storage="memory" if isinstance(train, Resident) else "streamed",
        channels=channels,
        height=_spread(sizes[:, 0]),
        width=_spread(sizes[:, 1]),
        splits={name: _per_class(images, dataset.classes) for name, images in dataset.splits.items()},
        duplicates=duplicates,
        duplicate=first,
        bad=bad,
        mean=dataset.mean,
        std=dataset.std,
        fingerprint=dataset.fingerprint,
    )


def _per_class(images: Images, classes: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(classes, images.labels.bincount(minlength=len(classes)).tolist(), strict=True))


def _look(dataset: Dataset, bad: dict[str, str]) -> NDArray[np.int32]:
    """(N, 2) heights and widths of all good images; adds to `bad`."""
    paths = {
        name: path
        for images in dataset.splits.values()
        if isinstance(images, Files)
        for name, path in zip(images.names, images.paths, strict=True)
    }
    name, path = next(iter(paths.items()))
    root = path.parents[len(Path(name).parts) - 1]
    names = sorted({*paths, *bad})
    seen = scan(root, names, read_contents(root, names))
    bad.update({name: str(reason) for name, reason in zip(names, seen.reasons, strict=True) if reason})
    return seen.sizes[seen.good]


def _spread(values: NDArray[np.int32]) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def _duplicates(dataset: Dataset, bad: Mapping[str, str]) -> tuple[dict[str, int], tuple[str, str] | None]:
    contents = {split: _contents(images, bad) for split, images in dataset.splits.items()}
    counts, example = {}, None
    for a, b in combinations(contents, 2):
        known = {content: name for name, content in contents[a].items()}
        both = [(known[content], name) for name, content in contents[b].items() if content in known]
        if both:
            counts[f"{a} & {b}"] = len(both)
            example = example or both[0]
    return counts, example


def _contents(images: Images, bad: Mapping[str, str]) -> dict[str, bytes]:
    """Hash of the pixels, or of the file, of each good image by name."""
    if isinstance(images, Resident):
        pixels = images.images.contiguous().numpy()
        names = images.names or tuple(str(row) for row in range(len(images)))
        return {name: hashlib.sha256(image.data).digest() for name, image in zip(names, pixels, strict=True)}
    good = ((name, path) for name, path in zip(images.names, images.paths, strict=True) if name not in bad)
    return {name: hashlib.sha256(path.read_bytes()).digest() for name, path in good}
