"""A drawing, dark on white paper, as an image of the kind that a network was trained on."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bakeoff.data.dataset import Dataset, Resident
from bakeoff.inference.classifier import Classifier

_LOOKED_AT = 256  # images, of the training split
_INK = 64  # gray levels from the paper: less is noise, or a soft edge
_EDGE = 0.8  # of an image that a drawing takes where no others are there to compare it with


@dataclass(frozen=True)
class Manner:
    """How the images of a data set show their subject.

    height, width: in pixels. dark: light on a dark ground. share: of the image's side that the subject's longer side
    takes, in (0, 1].
    """

    height: int
    width: int
    dark: bool
    share: float

    def image(self, drawing: NDArray[np.uint8]) -> Tensor | None:
        """A drawing, (H, W) gray on white, as such an image, (1, height, width) uint8; None where nothing is drawn.

        What is drawn is set in the middle, at the size that subjects have.
        """
        ink = 255 - drawing
        rows, columns = (np.flatnonzero((ink > _INK).any(axis)) for axis in (1, 0))
        if not len(rows):
            return None
        box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scale = min(self.share * self.height / box.shape[0], self.share * self.width / box.shape[1])
        height, width = (max(1, round(scale * side)) for side in box.shape)
        small = Image.fromarray(box).resize((width, height), Image.Resampling.BOX if scale < 1 else None)
        made = np.zeros((self.height, self.width), np.uint8)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        made[top : top + height, left : left + width] = np.asarray(small)
        return torch.from_numpy(made if self.dark else 255 - made)[None]


def manner(classifier: Classifier, dataset: Dataset | None) -> Manner:
    """How the images that a network was trained on show their subject; dataset: None where they aren't there."""
    side = classifier.plan.train_px
    found = Manner(side, side, sum(classifier.record.mean) < len(classifier.record.mean) / 2, _EDGE)
    if dataset is None or not isinstance(split := dataset.splits["train"], Resident) or split.images.shape[1] != 1:
        return found
    images = split.images[:_LOOKED_AT, 0].numpy()
    far = (images if found.dark else 255 - images) > _INK
    shares = [
        max((np.ptp(np.flatnonzero(each.any(1 - axis))) + 1) / each.shape[axis] for axis in (0, 1))
        for each in far
        if each.any()
    ]
    share = float(np.median(shares)) if shares else _EDGE
    return replace(found, height=images.shape[1], width=images.shape[2], share=share)
