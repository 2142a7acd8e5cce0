"""ImageNet-1k (Russakovsky et al. 2015, https://arxiv.org/abs/1409.0575), as the post trains on it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from bakeoff.data.dataset import Dataset, Files
from bakeoff.data.fingerprint import IMAGENET_STATISTICS, assemble
from bakeoff.data.folders import Folders, read_folders
from bakeoff.data.members import Members
from bakeoff.data.shards import INDEX, has_shards, read_index
from bakeoff.data.splits import stratified
from bakeoff.errors import RequestError
from bakeoff.plan import Precision, ResizedCrop
from bakeoff.task import Limits, Task

_PLACES = ("imagenet", "ILSVRC/Data/CLS-LOC", "ILSVRC2012", ".")  # below the data folder


def imagenet_folder(data: Path) -> Path:
    """The folder with `train` and `val` in it; RequestError where there is none."""
    root = next((data / place for place in _PLACES if (data / place / "train").is_dir()), None)
    if root is None:
        raise RequestError(
            f"ImageNet is not in {data}; put its 1,000 class folders into {data}/imagenet/train/ and "
            f"{data}/imagenet/val/ (image-net.org asks for an account)"
        )
    return root


def _load(data: Path) -> Dataset:
    shards = next((data / place for place in _PLACES if (data / place / INDEX).is_file()), None)
    if shards is not None:
        return _of_shards(shards)
    root = imagenet_folder(data)
    return _dataset(root, read_folders(root), lambda names: tuple(root / name for name in names))


def in_bucket(data: str) -> Task:
    """ImageNet in shards in a folder of a bucket, or in `imagenet` below it."""
    place = data if has_shards(data) else f"{data.rstrip('/')}/imagenet"
    return replace(IMAGENET, load=lambda _: _of_shards(place))


def _of_shards(place: Path | str) -> Dataset:
    index = read_index(place)
    return _dataset(place, index.found, index.rows)


def _dataset(
    root: Path | str, folders: Folders, places: Callable[[Sequence[str]], tuple[Path, ...] | Members]
) -> Dataset:
    if "val" not in folders.parts:
        raise RequestError(f"{root}/val has no class folders; sort the validation images into {root}/val/CLASS/")
    if len(folders.classes) != IMAGENET.classes:
        raise RequestError(
            f"{root}/train has {len(folders.classes)} class folders, ImageNet has 1,000; use --task folder:{root}"
        )
    val = folders.parts["val"]
    select, report = stratified(val.labels, (0.5, 0.5), seed=0)
    parts = {"train": folders.parts["train"], "select": val[select], "report": val[report]}
    splits = {
        key: Files(places(part.names.tolist()), torch.from_numpy(part.labels), 3, tuple(part.names))
        for key, part in parts.items()
    }
    return assemble(folders.classes, splits, IMAGENET_STATISTICS)


IMAGENET = Task(
    name="imagenet",
    about="1,281,167 photographs of 1,000 classes; select and report are halves of the validation set",
    classes=1000,
    channels=3,
    px=224,
    resize_px=256,
    train_examples=1_281_167,
    epochs=90,
    batch_size=256,
    large_batch=4,
    model="resnet50",
    crop=ResizedCrop(),
    limits=Limits(),
    load=_load,
    precision=Precision(dtype="auto"),
)
