"""Where people's own data come from: arrays, folders, tables, Hugging Face data sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bakeoff.data.dataset import Dataset

SIZES = (32, 48, 64, 96, 128, 160, 224)  # at which images are learned from, in pixels
_APART = 0.8  # of a size, which the one before it may have at most


@dataclass(frozen=True)
class Source:
    """Labelled images of which nothing is known but what is in them.

    images: how many there are. counts: class -> images to learn from. side: the shorter one of the median image, in
    pixels. uniform: all of them have one size. load: the images, from the data folder.
    """

    name: str
    images: int
    channels: int
    counts: Mapping[str, int]
    side: int
    uniform: bool
    load: Callable[[Path], Dataset]

    @property
    def classes(self) -> int:
        """How many there are."""
        return len(self.counts)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the square, in pixels, that they may be shown as, rising; the last one loses nothing up to 224."""
        whole = min(self.side, SIZES[-1])
        return (*(px for px in SIZES if px < _APART * whole), whole)

    @property
    def train(self) -> int:
        """Images to learn from."""
        return sum(self.counts.values())
