"""What a data set holds, and what is wrong with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.conclusions import Conclusion, about_classes, about_repeats, about_report, about_sizes, repeats
from bakeoff.data.contents import Contents, read_contents
from bakeoff.data.dataset import Files, Images, Resident
from bakeoff.data.members import Members
from bakeoff.data.scan import scan
from bakeoff.task import Task


@dataclass(frozen=True)
class Report:
    """What `check` found.

    splits: split -> class -> number of images. height, width: least, median and greatest, in pixels. duplicates: pairs
    of splits "a & b" -> images of b that are in a as well; `duplicate` names the first. bad: files that can't be read,
    and why. conclusions: what of it matters.
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
    conclusions: tuple[Conclusion, ...]

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
        files = [images for images in dataset.splits.values() if isinstance(images, Files)]
        sizes = np.concatenate([_look(images, _known(images), bad) for images in files])
    looks = {split: _contents(images, dataset.classes, bad) for split, images in dataset.splits.items()}
    repeated = repeats(looks)
    splits = {name: _per_class(images, dataset.classes) for name, images in dataset.splits.items()}
    in_memory = isinstance(train, Resident)
    return Report(
        task=task.name,
        storage="memory" if in_memory else "streamed",
        channels=channels,
        height=_spread(sizes[:, 0]),
        width=_spread(sizes[:, 1]),
        splits=splits,
        duplicates={f"{first} & {second}": len(both) for (first, second), both in repeated.items()},
        duplicate=next((both[0] for both in repeated.values()), None),
        bad=bad,
        mean=dataset.mean,
        std=dataset.std,
        fingerprint=dataset.fingerprint,
        conclusions=(
            *about_sizes(_spread(sizes.min(1)), task.own.source.sizes if task.own else ()),
            *about_classes(splits["train"]),
            *about_report(splits["report"]),
            *about_repeats(looks),
        ),
    )


def _per_class(images: Images, classes: tuple[str, ...]) -> dict[str, int]:
    return dict(zip(classes, images.labels.bincount(minlength=len(classes)).tolist(), strict=True))


def _look(images: Files, contents: Contents, bad: dict[str, str]) -> NDArray[np.int32]:
    """(N, 2) heights and widths of the good images; adds to `bad`."""
    if images.sizes is not None:
        return images.sizes
    seen = scan(images.paths, contents)
    bad.update({name: str(reason) for name, reason in zip(images.names, seen.reasons, strict=True) if reason})
    return seen.sizes[seen.good]


def _known(images: Files) -> Contents:
    """What is in files, also of those that a fingerprint names by their sizes."""
    if isinstance(images.paths, Members):
        return images.paths.contents
    if images.contents is not None:
        return images.contents
    first = Path(str(images.paths[0]))
    return read_contents(first.parents[len(Path(images.names[0]).parts) - 1], images.names)


def _spread(values: NDArray[np.int32]) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def _contents(images: Images, classes: tuple[str, ...], bad: Mapping[str, str]) -> dict[str, tuple[bytes, str]]:
    """Each good image by name: hash of its pixels, or of its file, and its class."""
    labels = [classes[label] for label in images.labels.tolist()]
    if isinstance(images, Resident):
        pixels = images.images.contiguous().numpy()
        names = images.names or tuple(f"image {row}" for row in range(len(images)))
        hashes = (hashlib.sha256(image.data).digest() for image in pixels)
        return dict(zip(names, zip(hashes, labels, strict=True), strict=True))
    good = zip(images.names, _known(images).hashes, labels, strict=True)
    return {name: (digest.tobytes(), label) for name, digest, label in good if name not in bad}
