"""A Dataset in memory as one file, for another process: the same bits, the same fingerprint."""

import json
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor

from bakeoff.data.dataset import Dataset, Images, Resident
from bakeoff.files import write_bytes


def save(dataset: Dataset, path: Path) -> None:
    """Write a data set whose images are in memory. Raises TypeError for one whose images are in files."""
    tensors: dict[str, Tensor] = {}
    names: dict[str, tuple[str, ...]] = {}
    for key, images in dataset.splits.items():
        if not isinstance(images, Resident):
            raise TypeError(f"the images of {key} are in files already")
        tensors |= {f"{key}.images": images.images.contiguous(), f"{key}.labels": images.labels.contiguous()}
        names[key] = images.names
    facts = {
        "classes": dataset.classes,
        "splits": names,  # in their order, which the fingerprint depends on
        "mean": dataset.mean,
        "std": dataset.std,
        "fingerprint": dataset.fingerprint,
        "skipped": dict(dataset.skipped),
    }
    write_bytes(path, as_bytes(tensors, {"dataset": json.dumps(facts)}))


def load(path: Path) -> Dataset:
    """Read what `save` wrote."""
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["dataset"])
        splits: dict[str, Images] = {
            key: Resident(file.get_tensor(f"{key}.images"), file.get_tensor(f"{key}.labels"), tuple(names))
            for key, names in facts["splits"].items()
        }
    return Dataset(
        classes=tuple(facts["classes"]),
        splits=splits,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        fingerprint=facts["fingerprint"],
        skipped=facts["skipped"],
    )
