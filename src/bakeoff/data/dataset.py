"""What a data set is to the engine: images and labels in named splits, with a fingerprint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.data.contents import Contents
from bakeoff.data.kept import Kept
from bakeoff.data.members import Members


@dataclass(frozen=True)
class Resident:
    """Images of one size, all in memory."""

    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor  # (N,) int64
    names: tuple[str, ...] = ()  # what each image is called in its source
    contents: Contents | None = None  # of the files that they come from

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Files:
    """Images that are decoded when they are needed.

    sizes: (N, 2) height and width, where they are known. read_px: shorter side that longer ones are reduced to. kept:
    all of them, decoded and reduced already.
    """

    paths: tuple[Path, ...] | Members
    labels: Tensor  # (N,) int64
    channels: int
    names: tuple[str, ...] = ()  # paths relative to the data set's folder
    contents: Contents | None = None
    sizes: NDArray[np.int32] | None = None
    read_px: int | None = None
    kept: Kept | None = None

    def __len__(self) -> int:
        return len(self.labels)


Images = Resident | Files


@dataclass(frozen=True)
class Dataset:
    """A task's data. Every image is in one split at most.

    splits: `train` to learn from, `select` for all tuning, `report` for what is stated, and where there is one the
    official `test`, opened only by `bakeoff evaluate --split test`. read: splits as `data.reduced.split` made them.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Images]
    mean: tuple[float, ...]  # per channel, of the training split, in [0, 1]
    std: tuple[float, ...]
    fingerprint: str  # of pixels (or files), labels and splits: 16 hexadecimal digits
    skipped: Mapping[str, str] = field(default_factory=dict)  # files left out on request -> why they can't be read
    read: dict[tuple[str, int], Images] = field(default_factory=dict, init=False, repr=False, compare=False)
