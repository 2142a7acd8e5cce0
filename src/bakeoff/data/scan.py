"""One look at every file of a folder: which are bad, how large they are, their statistics, and small ones' pixels.

It decodes everything, so what it finds is kept in the user's cache folder for these contents, wherever the files are.
Only decoded pixels are kept, never transformed ones.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.data import images
from bakeoff.data.contents import Contents, each, load_arrays, save_arrays
from bakeoff.data.fingerprint import Moments, moments
from bakeoff.reader import cache_folder
from bakeoff.storage import Storage

SMALL_PX = 96  # largest side of images that are kept in memory
SMALL_BYTES = 4 * 2**30  # most that they may take together, as RGB
_FORMAT = 2  # of the cache; raise it when the meaning of what is kept changes
_TOGETHER = 256  # small images whose facts are computed at once

_Facts = tuple[tuple[int, int], NDArray[np.bool_], Moments]  # size, then gray and moments of each image


@dataclass(frozen=True)
class Scan:
    """What was found. Rows are files in the order asked for; those of bad files hold zeros."""

    sizes: NDArray[np.int32]  # (N, 2) height and width, upright
    gray: NDArray[np.bool_]  # (N,) all pixels have R = G = B
    moments: Moments  # (N, 3, 2)
    reasons: NDArray[np.str_]  # (N,) why a file can't be read; empty where it can
    pixels: NDArray[np.uint8] | None  # (N, 3, H, W) where all good images have one small size

    @property
    def good(self) -> NDArray[np.bool_]:
        """(N,) which files can be read."""
        return np.array(self.reasons == "", np.bool_)

    @property
    def arrays(self) -> dict[str, Any]:
        """As they are kept in a file."""
        return {name: value for name, value in vars(self).items() if value is not None}


def scan(places: Sequence[images.Place], contents: Contents, beside: Storage | None = None) -> Scan:
    """Look at files, or recall what was seen when files of these contents were. beside: where else that may be kept."""
    kept = cache_folder() / "folders" / scan_name(contents)
    found = _recall(kept)
    if found is None and beside is not None and (there := beside.read(kept.name)) is not None:
        found = _recall(io.BytesIO(there))
    elif found is not None:
        return found
    if found is None:
        found = _look(places, contents.stamps[:, 2].tolist())
    save_arrays(kept, found.arrays)
    return found


def scan_name(contents: Contents) -> str:
    """Of the file that keeps what was seen."""
    digest = hashlib.sha256(f"{_FORMAT} {PIL.__version__} {simplejpeg.__version__}".encode())
    digest.update(contents.hashes.tobytes())
    return f"{digest.hexdigest()[:32]}.npz"


def _look(places: Sequence[images.Place], bytes_each: Sequence[int]) -> Scan:
    n = len(places)
    sizes = np.zeros((n, 2), np.int32)
    gray = np.zeros(n, np.bool_)
    stats = np.zeros((n, 3, 2))
    reasons = [""] * n
    pixels: NDArray[np.uint8] | None = None
    keep = True
    small: dict[tuple[int, ...], dict[int, Tensor]] = {}  # shape -> row -> image
    for row, seen in enumerate(each(_one, places, bytes_each, "reading")):
        if isinstance(seen, images.BadImage):
            reasons[row] = seen.reason
        elif isinstance(seen, Tensor):
            small.setdefault(tuple(seen.shape), {})[row] = seen
        else:
            sizes[row], gray[row : row + 1], stats[row : row + 1] = seen
            keep = False
        if (row + 1) % _TOGETHER and row + 1 < n:
            continue
        for shape, found in small.items():
            rows, together = list(found), torch.stack(list(found.values()))
            sizes[rows], gray[rows], stats[rows] = _facts(together)
            if keep and pixels is None and n * together[0].numel() <= SMALL_BYTES:
                pixels = np.zeros((n, *shape), np.uint8)
            if keep and pixels is not None and pixels.shape[1:] == shape:
                pixels[rows] = together.numpy()
            else:
                keep = False
        small.clear()
        if not keep:
            pixels = None
    return Scan(sizes, gray, stats, np.array(reasons, np.str_), pixels)


def _one(place: images.Place) -> images.BadImage | Tensor | _Facts:
    """A small image itself, or the facts of a large one."""
    try:
        image = images.read(place, 3)
    except images.BadImage as bad:
        return bad
    return image if max(image.shape) <= SMALL_PX else _facts(image[None])


def _facts(together: Tensor) -> _Facts:
    r, g, b = together.unbind(1)
    gray = ((r == g) & (g == b)).flatten(1).all(1).numpy()
    return (together.shape[2], together.shape[3]), gray, moments(together)


def _recall(path: Path | IO[bytes]) -> Scan | None:
    kept = load_arrays(path)
    return Scan(**{"pixels": None, **kept}) if kept else None
