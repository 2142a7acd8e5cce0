"""Where people's own data come from: arrays, folders, tables, Hugging Face data sets."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bakeoff.data.dataset import Dataset


@dataclass(frozen=True)
class Source:
    """Labelled images of which nothing is known but what is in them.

    images: how many there are. train: in the training split. side: of the square that small images of one size are
    shown as, in pixels; None: large ones, or of several sizes. load: the images, from the data folder.
    """

    name: str
    images: int
    classes: int
    channels: int
    train: int
    side: int | None
    load: Callable[[Path], Dataset]
