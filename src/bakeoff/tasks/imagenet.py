"""ImageNet-1k (Russakovsky et al. 2015, https://arxiv.org/abs/1409.0575), as the post trains on it."""

from pathlib import Path

import torch

from bakeoff.data.dataset import Dataset, Files
from bakeoff.data.fingerprint import IMAGENET_STATISTICS, assemble
from bakeoff.data.folders import Part, read_folders
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
    root = imagenet_folder(data)
    folders = read_folders(root)
    if "val" not in folders.parts:
        raise RequestError(f"{root}/val has no class folders; sort the validation images into {root}/val/CLASS/")
    if len(folders.classes) != IMAGENET.classes:
        raise RequestError(
            f"{root}/train has {len(folders.classes)} class folders, ImageNet has 1,000; use --task folder:{root}"
        )
    val = folders.parts["val"]
    select, report = stratified(val.labels, (0.5, 0.5), seed=0)
    splits = {"train": folders.parts["train"], "select": val[select], "report": val[report]}
    return assemble(folders.classes, {key: _files(root, part) for key, part in splits.items()}, IMAGENET_STATISTICS)


def _files(root: Path, part: Part) -> Files:
    return Files(tuple(root / name for name in part.names), torch.from_numpy(part.labels), 3, tuple(part.names))


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
