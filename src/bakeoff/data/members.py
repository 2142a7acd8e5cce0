"""Images in tar files, on a disk or in a bucket, each read by itself where it stands.

What a bucket sent is kept on this machine's disk, in files with holes, as long as there is room. Every image is
compared with its hash, whether it came from the bucket or the disk: one that is another is not used.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from bakeoff import reader
from bakeoff.data.contents import Contents
from bakeoff.errors import BakeoffError, DataChanged
from bakeoff.reader import cache_folder
from bakeoff.storage import Storage, open_storage

CACHE = "BAKEOFF_SHARDS_CACHE"  # bytes of this machine's disk that images of buckets may take
_SHARE = 0.25  # of the free disk, where that isn't said
_TOGETHER = 16  # images that are asked for at once


class Unreached(BakeoffError):
    """An image that can't be had now, which says nothing of the image."""


@dataclass(frozen=True, eq=False)
class Members(Sequence["Member"]):
    """Images in shards.

    url: of the folder. shards: its tar files, of which the first `cached` are kept on this machine's disk. The others
    have a row for each image. names: their paths. shard: in which tar file, at what offset, of what size in bytes.
    hashes: BLAKE2b of 16 bytes.
    """

    url: str
    shards: tuple[str, ...]
    names: NDArray[np.bytes_]
    shard: NDArray[np.int32]
    offset: NDArray[np.int64]
    sizes: NDArray[np.int64]
    hashes: NDArray[np.uint8]
    cached: int = 0

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, rows: int) -> "Member": ...
    @overload
    def __getitem__(self, rows: slice) -> "Members": ...
    def __getitem__(self, rows: int | slice) -> "Member | Members":
        return self.take(rows) if isinstance(rows, slice) else Member(self, range(len(self))[rows])

    def take(self, rows: slice | NDArray[np.int64]) -> "Members":
        """Some of them, in this order."""
        return replace(
            self,
            names=self.names[rows],
            shard=self.shard[rows],
            offset=self.offset[rows],
            sizes=self.sizes[rows],
            hashes=self.hashes[rows],
        )

    @property
    def contents(self) -> Contents:
        """Their hashes. An image tells by itself whether it was changed, so there is nothing to see from outside."""
        stamps = np.zeros((len(self), 5), np.int64)
        stamps[:, 2] = self.sizes
        return Contents(self.hashes, stamps)

    def read(self, rows: Sequence[int]) -> Iterator[bytearray | BakeoffError]:
        """The bytes of some of them, which are asked for together, or why they can't be had."""

        def one(row: int) -> bytearray | BakeoffError:
            try:
                return self[row].content()
            except BakeoffError as error:
                return error

        with ThreadPoolExecutor(_TOGETHER) as pool:
            yield from pool.map(one, rows)


@dataclass(frozen=True)
class Member:
    """An image in a shard."""

    members: Members
    row: int

    def __str__(self) -> str:
        return f"{self.members.url}/{os.fsdecode(self.members.names[self.row])}"

    @property
    def bytes(self) -> int:
        """Of its file."""
        return int(self.members.sizes[self.row])

    def content(self) -> bytearray:
        """Its file. Raises DataChanged if that is another now, Unreached if it can't be had."""
        shard = int(self.members.shard[self.row])
        key, start = self.members.shards[shard], int(self.members.offset[self.row])
        kept = _place(self.members.url) / key if shard < self.members.cached else None
        if kept is not None:
            with suppress(OSError), open(kept, "rb") as file:
                file.seek(start)
                if self._is_whole(data := bytearray(file.read(self.bytes))):
                    return data
        try:
            found = _storage(self.members.url).read_range(key, start, self.bytes)
        except OSError as error:
            raise Unreached(f"can't read {self}: {error.strerror}") from error
        if found is None:
            raise DataChanged(f"can't read {self}: {self.members.url}/{key} is gone")
        if not self._is_whole(data := bytearray(found)):
            raise DataChanged(f"{self} isn't what it was when it was put into {key}; make the shards again")
        if kept is not None:
            with suppress(OSError):  # a full disk
                kept.parent.mkdir(parents=True, exist_ok=True)
                with open(os.open(kept, os.O_WRONLY | os.O_CREAT), "wb") as file:
                    os.pwrite(file.fileno(), data, start)
        return data

    def _is_whole(self, data: bytearray) -> bool:
        digest: bytes = self.members.hashes[self.row].tobytes()
        return hashlib.blake2b(data, digest_size=16).digest() == digest


@cache
def _storage(url: str) -> Storage:
    return open_storage(url)


def _place(url: str) -> Path:
    """Where images of a bucket are kept on this machine."""
    return cache_folder() / "shards" / hashlib.sha256(url.encode()).hexdigest()[:16]


def cached(url: str, shards: Mapping[str, int]) -> int:
    """How many of a bucket's shards, the first ones, may be kept on this machine's disk.

    shards: name -> bytes. What else is kept there is given up for it: others of this place, which are gone from it, and
    then those of the place that was used the longest ago.
    """
    place, total = _place(url), sum(shards.values())
    try:
        place.mkdir(parents=True, exist_ok=True)
        os.utime(place)
        for left in place.iterdir():
            if left.name not in shards:
                left.unlink()
        others = sorted(
            (each for each in place.parent.iterdir() if each != place), key=lambda each: each.stat().st_mtime
        )
        taken = {each: _taken(each) for each in others}
        free = shutil.disk_usage(place).free + _taken(place)
    except OSError:  # a disk that is full or can't be written to
        return 0
    limit = reader.environment_bytes(CACHE, _SHARE * (free + sum(taken.values())))
    for other in others:
        if total + sum(taken.values()) > limit:
            shutil.rmtree(other, ignore_errors=True)
            del taken[other]
    return int((np.cumsum(list(shards.values())) + sum(taken.values()) <= limit).sum())


def _taken(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())
