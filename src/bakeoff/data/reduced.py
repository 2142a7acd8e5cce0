"""Images as a plan reads them: their shorter side reduced to its `read_px`, once, before anything is done to them.

What comes out is a function of the image and of `read_px`. Images that then have one size are kept in memory, where
they take up to SMALL_BYTES; others are decoded once and kept in the user's cache folder, which all processes share as
memory. Where that has no room for them, or their sizes aren't known, they are decoded and reduced whenever they are
shown, with the same bits.
"""

import hashlib
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL
import psutil
import torch
import torch.nn.functional as F
from filelock import FileLock
from torch import Tensor

from bakeoff.data import images
from bakeoff.data.contents import stamps_of
from bakeoff.data.dataset import Dataset, Files, Images, Resident
from bakeoff.data.kept import Kept
from bakeoff.data.scan import SMALL_BYTES
from bakeoff.events import ImagesRead, tell
from bakeoff.files import replacing
from bakeoff.reader import cache_folder

MEMORY_SHARE, DISK_SHARE = 0.5, 0.25  # of what is free: most that decoded images may take
_FORMAT = 1  # of what is kept; raise it when the same file would give other pixels
_TOGETHER = 256  # files: what an interrupt waits for

_log = logging.getLogger("bakeoff")


def split(dataset: Dataset, name: str, px: int | None) -> Images:
    """The images of a split as a plan with this `read_px` reads them."""
    if px is None:
        return dataset.splits[name]
    if (name, px) not in dataset.read:
        dataset.read[name, px] = _reduced(dataset.splits[name], px)
    return dataset.read[name, px]


def reduce(image: Tensor, px: int | None) -> Tensor:
    """With the shorter side at `px` where it is longer: bilinear, antialiased. (N, C, H, W) or (C, H, W) uint8."""
    height, width = image.shape[-2:]
    short = min(height, width)
    if px is None or short <= px:
        return image
    size = (px * height // short, px * width // short)
    batch = image if image.ndim == 4 else image[None]
    shown = F.interpolate(batch, size, mode="bilinear", antialias=True)
    return shown if image.ndim == 4 else shown[0]


def _reduced(found: Images, px: int) -> Images:
    if isinstance(found, Resident):
        return replace(found, images=torch.cat([reduce(part, px) for part in found.images.split(_TOGETHER)]))
    files = replace(found, read_px=px)
    if files.sizes is None:
        return files
    short = files.sizes.min(1, keepdims=True)
    sizes = np.where(short > px, px * files.sizes.astype(np.int64) // short, files.sizes)
    kept = Kept(_place(files), sizes, files.channels)
    uniform = bool((sizes == sizes[0]).all())
    if uniform and kept.bytes > SMALL_BYTES:  # by the data alone: images in memory are cropped by other means
        return files
    if not kept.path.exists():
        if not uniform and not _room(kept):
            return files
        try:
            _keep(files, kept)
        except OSError as error:  # a full or read-only disk
            _log.info("can't keep decoded images in %s: %s", kept.path.parent, error.strerror)
            if not uniform:
                return files
            return Resident(torch.stack([_read(files, row) for row in range(len(files))]), files.labels, files.names)
    if uniform:
        pixels = torch.from_numpy(np.fromfile(kept.path, np.uint8).reshape(-1, *sizes[0], files.channels))
        return Resident(pixels.permute(0, 3, 1, 2).contiguous(), files.labels, files.names)
    return replace(files, kept=kept)


def _read(files: Files, row: int) -> Tensor:
    return reduce(images.read(files.paths[row], files.channels), files.read_px)


def _place(files: Files) -> Path:
    """Where decoded images of these contents are kept; of files whose contents aren't known, of these files."""
    digest = hashlib.sha256(f"{_FORMAT} {PIL.__version__} {files.read_px} {files.channels}".encode())
    if files.contents is not None:
        digest.update(files.contents.hashes.tobytes())
    else:
        paths = [os.path.abspath(str(path)) for path in files.paths]
        digest.update(b"\0".join(map(os.fsencode, paths)) + stamps_of(Path(), paths).tobytes())
    return cache_folder() / "decoded" / f"{digest.hexdigest()[:32]}.u8"


def _room(kept: Kept) -> bool:
    folder = next(each for each in kept.path.parents if each.is_dir())
    memory, disk = psutil.virtual_memory().available, shutil.disk_usage(folder).free
    return kept.bytes < MEMORY_SHARE * memory and kept.bytes < DISK_SHARE * disk


def _keep(files: Files, kept: Kept) -> None:
    kept.path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.path.with_suffix(".lock")):  # several processes of a study begin with the same images
        if kept.path.exists():
            return
        with replacing(kept.path, sync=False) as out, ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
            for start in range(0, len(files), _TOGETHER):
                some = range(start, min(start + _TOGETHER, len(files)))
                for row, image in zip(some, pool.map(lambda row: _read(files, row), some), strict=True):
                    out.write(np.ascontiguousarray(image.permute(1, 2, 0).numpy()).data)
                    tell(ImagesRead("decoding", row + 1, len(files)))
