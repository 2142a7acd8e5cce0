"""Image files in shards: a few tar files with an index, on a disk or in a bucket, of which any image is read by itself.

    bakeoff-shards.npz    names, classes and parts of the images, where each is, and a hash of its bytes
    images-00000-....tar  the files, under their own names, as `tar` and WebDataset read them
    ....npz               what decoding all of them once has shown

An order of training is a permutation of the whole set, so images are read one by one, wherever they are (`members`).
"""

import hashlib
import io
import json
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data import images
from bakeoff.data.contents import Contents, each, stamps_of
from bakeoff.data.folders import Folders, Part
from bakeoff.data.members import Members, cached
from bakeoff.data.scan import scan, scan_name
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.storage import Storage, is_url, open_storage

INDEX = "bakeoff-shards.npz"
SHARD_BYTES = 2**27  # of a tar file, about
_VERSION = 1
_COLUMNS = ("part", "label", "shard", "offset", "bytes", "hashes")
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Index:
    """What is in a folder of shards. members: all images. found: the same as folders of classes."""

    storage: Storage
    members: Members
    found: Folders
    row: dict[str, int] = field(repr=False)

    def rows(self, names: Sequence[str]) -> Members:
        """Images by name."""
        return self.members.take(np.array([self.row[name] for name in names], np.int64))


@dataclass(frozen=True)
class Written:
    """Shards that were made, or were there. bytes: of the images."""

    url: str
    images: int
    shards: int
    bytes: int
    new: bool

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dict(vars(self))


def has_shards(place: Path | str) -> bool:
    """Whether a folder, on a disk or of a bucket, holds shards."""
    return open_storage(place).entry(INDEX) is not None


def read_index(place: Path | str) -> Index:
    """The index of a folder of shards. Raises RequestError where there is none, or a damaged one."""
    storage = open_storage(place)
    try:
        raw = storage.read(INDEX)
    except OSError as error:
        raise RequestError(f"can't read {storage.url}/{INDEX}: {error.strerror}") from None
    if raw is None:
        raise RequestError(f"{storage.url} holds no shards; bakeoff data shards puts a folder of images there")
    try:
        kept = _arrays(raw)
        about = json.loads(kept["about"].tobytes())
        if about["version"] != _VERSION:
            raise RequestError(f"{storage.url}/{INDEX} was made by another version of bakeoff; make the shards again")
        encoded = kept["names"].tobytes().split(b"\0")
        if any(len(kept[name]) != len(encoded) for name in _COLUMNS):
            raise ValueError("columns of several lengths")
        shards = tuple(key for key, _ in about["shards"])
        names = np.array([os.fsdecode(name) for name in encoded], object)
        labels, part_of = kept["label"].astype(np.int64), kept["part"]
        rows = {part: np.flatnonzero(part_of == number) for number, part in enumerate(about["parts"])}
        found = Folders(
            tuple(about["classes"]),
            {part: Part(names[of_part], labels[of_part]) for part, of_part in rows.items()},
            tuple(about["notes"]),
        )
        members = Members(
            storage.url,
            shards,
            np.array(encoded),
            shard=kept["shard"],
            offset=kept["offset"],
            sizes=kept["bytes"],
            hashes=kept["hashes"],
            cached=cached(storage.url, dict(about["shards"])) if is_url(storage.url) else 0,
        )
    except _DAMAGED:
        raise RequestError(f"{storage.url}/{INDEX} is damaged; make the shards again") from None
    return Index(storage, members, found, {name: row for row, name in enumerate(names)})


def write_shards(root: Path, folders: Folders, to: Path | str, *, look: bool = True) -> Written:
    """Put the image files of a folder into shards; nothing is made where the same ones are there.

    root: of the folder. folders: what was read in it. to: a folder on a disk or of a bucket; the index is written last,
    so that a set of shards is there whole or not at all, and what was made of it is not made again. look: decode all
    images once, so that whoever reads the shards needn't.

    Raises RequestError where other shards are there, BakeoffError for a file that can't be read or written.
    """
    storage = open_storage(to)
    names = [name for part in folders.parts.values() for name in part.names]
    paths, stamps = [root / name for name in names], stamps_of(root, names)
    counts = [len(part.labels) for part in folders.parts.values()]
    about: dict[str, Any] = {"version": _VERSION, "classes": folders.classes, "parts": list(folders.parts)}
    about |= {"notes": folders.notes, "shards": []}
    columns: dict[str, NDArray[Any]] = {
        "part": np.repeat(np.arange(len(counts), dtype=np.uint8), counts),
        "label": np.concatenate([part.labels for part in folders.parts.values()]).astype(np.int32),
    }
    try:
        storage.prepare()
        before = storage.read(INDEX)
        made: list[_Shard] = []
        for shard in _packed(names, paths, stamps[:, 2].tolist()):
            key = f"images-{len(made):05}-{hashlib.sha256(shard.data).hexdigest()[:12]}.tar"
            about["shards"].append((key, len(shard.data)))
            there = storage.entry(key)
            if there is None or there.size != len(shard.data):
                if before is not None:
                    raise _others(storage)
                storage.write(key, shard.data)
            made.append(replace(shard, data=b""))
        columns |= {
            "shard": np.repeat(np.arange(len(made), dtype=np.int32), [len(shard.sizes) for shard in made]),
            "offset": np.array([offset for shard in made for offset in shard.offsets], np.int64),
            "bytes": np.array([size for shard in made for size in shard.sizes], np.int64),
            "hashes": np.frombuffer(b"".join(each for shard in made for each in shard.hashes), np.uint8).reshape(
                -1, 16
            ),
            "names": np.frombuffer(b"\0".join(map(os.fsencode, names)), np.uint8),
            "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        }
        if before is not None and not _is_same(before, columns):
            raise _others(storage)
        if before is None:
            if look:
                order = sorted(range(len(names)), key=names.__getitem__)  # in which a task looks at them
                contents = Contents(columns["hashes"], stamps)[order]
                seen = scan([paths[row] for row in order], contents)
                storage.write(scan_name(contents), _npz(seen.arrays))
            storage.write(INDEX, _npz(columns))
    except images.BadImage as error:
        raise BakeoffError(f"can't put {error.path} into a shard: {error.reason}") from None
    except OSError as error:
        raise BakeoffError(f"can't write to {storage.url}: {error.strerror}") from None
    return Written(storage.url, len(names), len(made), int(columns["bytes"].sum()), before is None)


def _others(storage: Storage) -> RequestError:
    return RequestError(f"{storage.url} holds shards of other images; name another place")


@dataclass(frozen=True)
class _Shard:
    """A tar file, and where its files are in it."""

    data: bytes
    offsets: list[int]
    sizes: list[int]
    hashes: list[bytes]


def _packed(names: Sequence[str], paths: Sequence[Path], sizes: Sequence[int]) -> Iterator[_Shard]:
    """Tar files of the files in their order; the same files give the same bytes. sizes: theirs, for the progress."""
    buffer, shard = io.BytesIO(), _Shard(b"", [], [], [])
    for row, data in enumerate(each(images.content, paths, sizes, "packing")):
        entry = tarfile.TarInfo(names[row])
        entry.size = len(data)
        buffer.write(entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        shard.offsets.append(buffer.tell())
        shard.sizes.append(len(data))
        shard.hashes.append(hashlib.blake2b(data, digest_size=16).digest())
        buffer.write(data)
        buffer.write(bytes(-len(data) % tarfile.BLOCKSIZE))
        if buffer.tell() >= SHARD_BYTES or row + 1 == len(paths):
            buffer.write(bytes(2 * tarfile.BLOCKSIZE))
            yield replace(shard, data=buffer.getvalue())
            buffer, shard = io.BytesIO(), _Shard(b"", [], [], [])


def _npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _arrays(raw: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(raw)) as file:
        return dict(file)


def _is_same(raw: bytes, columns: dict[str, NDArray[Any]]) -> bool:
    try:
        kept = _arrays(raw)
    except _DAMAGED:
        return False
    return kept.keys() == columns.keys() and all(np.array_equal(kept[name], columns[name]) for name in columns)
