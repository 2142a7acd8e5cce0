"""Decoded images in one file, which all processes that read it share as memory."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Kept:
    """Decoded images in one file: (height, width, channels) uint8 each, one behind the other."""

    path: Path
    sizes: NDArray[np.int64]  # (N, 2)
    channels: int

    def __getitem__(self, row: int) -> Tensor:
        """(C, H, W) uint8, with the channels last in memory."""
        height, width = self.sizes[row].tolist()
        start = int(self._starts[row])
        pixels = self._pixels[start : start + height * width * self.channels]
        return torch.from_numpy(pixels.reshape(height, width, self.channels)).permute(2, 0, 1)

    @property
    def bytes(self) -> int:
        """That all of them take."""
        return int(self.sizes.prod(1).sum()) * self.channels

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        lengths = self.sizes.prod(1) * self.channels
        return np.asarray(lengths.cumsum() - lengths, np.int64)

    @cached_property
    def _pixels(self) -> NDArray[np.uint8]:
        return np.memmap(self.path, np.uint8, "c")  # copy on write: torch wants memory that may be written to

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "sizes": self.sizes, "channels": self.channels}  # another process maps it itself
