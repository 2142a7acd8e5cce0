"""One look at every file of a folder: which are bad, how large they are, their statistics, and small ones' pixels.

It decodes everything, so what it finds is kept in the user's cache folder (`$BAKEOFF_CACHE`, or the system's place for
it) until a file changes. Only decoded pixels are kept, never transformed ones.
"""

import hashlib
import logging
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from torch import Tensor

from bakeoff.data import images
from bakeoff.data.fingerprint import Moments, moments
from bakeoff.files import replacing

SMALL_PX = 96  # largest side of images that are kept in memory
SMALL_BYTES = 4 * 2**30  # most that they may take together, as RGB
_FORMAT = 1  # of the cache; raise it when the meaning of what is kept changes
_TOGETHER = 256  # files: what an interrupt waits for
_SMALL_FILE = 2**14  # bytes: below, a thread costs two to four times what it saves

_Facts = tuple[tuple[int, int], NDArray[np.bool_], Moments]  # size, then gray and moments of each image

_log = logging.getLogger("bakeoff")


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


def scan(root: Path, names: Sequence[str]) -> Scan:
    """Look at the files `names` of the folder `root`, or recall what was seen when they were last looked at."""
    kept = cache_folder() / "folders" / f"{_key(root, names)}.npz"
    found = _recall(kept)
    if found is None:
        _log.info("reading %d images of %s once", len(names), root)
        found = _look(root, names)
        _keep(kept, found)
    return found


def cache_folder() -> Path:
    """Where things are kept that can be made again."""
    return Path(os.environ.get("BAKEOFF_CACHE") or user_cache_dir("bakeoff"))


def _look(root: Path, names: Sequence[str]) -> Scan:
    n = len(names)
    sizes = np.zeros((n, 2), np.int32)
    gray = np.zeros(n, np.bool_)
    stats = np.zeros((n, 3, 2))
    reasons = [""] * n
    pixels: NDArray[np.uint8] | None = None
    keep = True
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, n, _TOGETHER):
            paths = [root / name for name in names[start : start + _TOGETHER]]
            small: dict[tuple[int, ...], dict[int, Tensor]] = {}  # shape -> row -> image
            in_turn = sum(_size_and_time(path)[0] for path in paths) < _SMALL_FILE * len(paths)
            for row, seen in enumerate(map(_one, paths) if in_turn else pool.map(_one, paths), start):
                if isinstance(seen, images.BadImage):
                    reasons[row] = seen.reason
                elif isinstance(seen, Tensor):
                    small.setdefault(tuple(seen.shape), {})[row] = seen
                else:
                    sizes[row], gray[row : row + 1], stats[row : row + 1] = seen
                    keep = False
            for shape, found in small.items():
                rows, together = list(found), torch.stack(list(found.values()))
                sizes[rows], gray[rows], stats[rows] = _facts(together)
                if keep and pixels is None and n * together[0].numel() <= SMALL_BYTES:
                    pixels = np.zeros((n, *shape), np.uint8)
                if keep and pixels is not None and pixels.shape[1:] == shape:
                    pixels[rows] = together.numpy()
                else:
                    keep = False
            if not keep:
                pixels = None
    return Scan(sizes, gray, stats, np.array(reasons, np.str_), pixels)


def _one(path: Path) -> images.BadImage | Tensor | _Facts:
    """A small image itself, or the facts of a large one."""
    try:
        image = images.read(path, 3)
    except images.BadImage as bad:
        return bad
    return image if max(image.shape) <= SMALL_PX else _facts(image[None])


def _facts(together: Tensor) -> _Facts:
    r, g, b = together.unbind(1)
    gray = ((r == g) & (g == b)).flatten(1).all(1).numpy()
    return (together.shape[2], together.shape[3]), gray, moments(together)


def _key(root: Path, names: Sequence[str]) -> str:
    digest = hashlib.sha256(f"{_FORMAT} {PIL.__version__} {root.resolve()}".encode(errors="surrogateescape"))
    for name in names:
        size, time = _size_and_time(root / name)
        digest.update(f"\0{name}\0{size}\0{time}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _size_and_time(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except FileNotFoundError:  # listed in a table, or a link to nothing: bad, as one that can't be decoded
        return 0, 0
    return facts.st_size, facts.st_mtime_ns


def _recall(path: Path) -> Scan | None:
    try:
        with np.load(path) as kept:
            values = {name: kept[name] for name in ("sizes", "gray", "moments", "reasons")}
            return Scan(**values, pixels=kept.get("pixels"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _keep(path: Path, found: Scan) -> None:
    arrays = {name: value for name, value in vars(found).items() if value is not None}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, sync=False) as file:
            np.savez(file, **arrays)
    except OSError as error:  # a full or read-only disk: the next call looks again
        _log.info("can't keep what was read in %s: %s", path.parent, error.strerror)
