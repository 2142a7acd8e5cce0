"""What is in files: a hash of every file's bytes, known again for as long as nothing about the file has changed.

Kept in the user's cache folder (`$BAKEOFF_CACHE`, or the system's place for it), for each folder, by device, inode,
size and the times of the last change of the file's bytes and of its inode.
"""

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bakeoff.data import images
from bakeoff.events import ImagesRead, tell
from bakeoff.files import replacing
from bakeoff.reader import cache_folder

Hashes = NDArray[np.uint8]  # (N, 16)
Stamps = NDArray[np.int64]  # (N, 5): device, inode, size, times of the last change of bytes and inode in ns

_SMALL_FILE = 2**14  # bytes: below, a thread costs two to four times what it saves
_TOGETHER = 256  # files: what an interrupt waits for

_log = logging.getLogger("bakeoff")
_P = TypeVar("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Contents:
    """Hashes of files, and what the files looked like when they were hashed, which is how a change is noticed."""

    hashes: Hashes
    stamps: Stamps

    def __getitem__(self, rows: Sequence[int] | slice) -> "Contents":
        return Contents(self.hashes[rows], self.stamps[rows])


def read_contents(root: Path, names: Sequence[str], *, again: bool = False) -> Contents:
    """Hash the files `names` of the folder `root`; those that haven't changed since are not read again.

    again: read them all the same. What can't be read has the hash of the reason.
    """
    kept = cache_folder() / "contents" / f"{hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]}.npz"
    stamps = stamps_of(root, names)
    hashes = np.zeros((len(names), 16), np.uint8)
    known = _recall(kept)
    missing = []
    for row, (name, stamp) in enumerate(zip(names, map(bytes, stamps), strict=True)):
        found = known.get(os.fsencode(name))
        if found is not None and found[0] == stamp and not again:
            hashes[row] = np.frombuffer(found[1], np.uint8)
        else:
            missing.append(row)
    if missing:
        _log.info("hashing %d images of %s", len(missing), root)
        paths = [root / names[row] for row in missing]
        for row, digest in zip(missing, each(_hash, paths, stamps[missing, 2].tolist(), "hashing"), strict=True):
            hashes[row] = np.frombuffer(digest, np.uint8)
        for name, stamp, digest in zip(names, map(bytes, stamps), map(bytes, hashes), strict=True):
            known[os.fsencode(name)] = (stamp, digest)
        _keep(kept, known)
    return Contents(hashes, stamps)


def stamps_of(root: Path, names: Iterable[str]) -> Stamps:
    """What files look like from outside: zeros for those that aren't there."""
    return np.array([_stamp(os.path.join(root, name)) for name in names], np.int64).reshape(-1, 5)


def changed(paths: Sequence[Path], contents: Contents) -> Path | None:
    """The first of these files that isn't what it was when it was hashed; one that only looks newer is read."""
    now = stamps_of(Path(), map(str, paths))
    for row in map(int, (now != contents.stamps).any(1).nonzero()[0]):
        if _hash(paths[row]) != contents.hashes[row].tobytes():
            return paths[row]
    return None


def each(do: Callable[[_P], _T], places: Sequence[_P], sizes: Sequence[int], what: str) -> Iterator[_T]:
    """Do something with many files, in their order, and tell how far it is. sizes: of the files in bytes."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(places), _TOGETHER):
            some = places[start : start + _TOGETHER]
            in_turn = sum(sizes[start : start + _TOGETHER]) < _SMALL_FILE * len(some)
            for row, done in enumerate(map(do, some) if in_turn else pool.map(do, some), start):
                yield done
                tell(ImagesRead(what, row + 1, len(places)))


def save_arrays(path: Path, arrays: dict[str, Any]) -> None:
    """Keep arrays in the cache, where it can be written: on a full or read-only disk they are made again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, sync=False) as file:
            np.savez(file, **arrays)
    except OSError as error:
        _log.info("can't keep what was read in %s: %s", path.parent, error.strerror)


def load_arrays(path: Path | IO[bytes]) -> dict[str, Any]:
    """What `save_arrays` kept; nothing where that isn't there or damaged."""
    try:
        with open(path, "rb") if isinstance(path, Path) else path as file, np.load(file) as kept:
            return dict(kept)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def _stamp(path: str) -> tuple[int, int, int, int, int]:
    try:
        facts = os.stat(path)
    except (OSError, ValueError):  # listed in a table, or a link to nothing: bad, as one that can't be decoded
        return 0, 0, 0, 0, 0
    inode = facts.st_ino - 2**64 if facts.st_ino >= 2**63 else facts.st_ino
    return facts.st_dev % 2**63, inode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _hash(path: Path) -> bytes:
    try:
        return hashlib.blake2b(images.content(path), digest_size=16).digest()
    except images.BadImage as bad:
        return hashlib.blake2b(bad.reason.encode(), digest_size=16, person=b"unreadable").digest()


def _recall(path: Path) -> dict[bytes, tuple[bytes, bytes]]:
    """Name -> stamp and hash."""
    kept = load_arrays(path)
    try:
        names = kept["names"].tobytes().split(b"\0")
        return dict(zip(names, zip(map(bytes, kept["stamps"]), map(bytes, kept["hashes"]), strict=True), strict=True))
    except (KeyError, ValueError):
        return {}


def _keep(path: Path, known: dict[bytes, tuple[bytes, bytes]]) -> None:
    stamps, hashes = zip(*known.values(), strict=True)
    save_arrays(
        path,
        {
            "names": np.frombuffer(b"\0".join(known), np.uint8),
            "stamps": np.frombuffer(b"".join(stamps), np.int64).reshape(-1, 5),
            "hashes": np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 16),
        },
    )
