"""A store as another: copied file by file, or packed into a few."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.files import is_partial, json_bytes
from bakeoff.runs.store import PACKED, Store
from bakeoff.storage import Entry, PackedStorage, packed


@dataclass(frozen=True)
class Moved:
    """What was read. files: of `runs` runs and all else. written: files that are new in the other place."""

    runs: int
    files: int
    written: int


def copy(source: Store, target: Store) -> Moved:
    """Copy all that a store keeps to another; what is there already stays. A packed store is files again then.

    A copy that is killed leaves no run half there, and the same again goes on with it. Who makes a run is not copied.
    Raises BakeoffError where the other has another file of the same name; nothing is written to it then.
    """
    entries, written = _kept(source), 0
    target.prepare()
    there = {entry.key for entry in target.storage.everything()}
    for entry in entries:
        if entry.key in there and _read(target, entry.key) != _read(source, entry.key):
            raise BakeoffError(f"{target.url} has another {entry.key} than {source.url}: copy to a place of its own")
    for entry in entries:
        if entry.key not in there and (data := _read(source, entry.key)) is not None:
            target.storage.write(entry.key, data)
            written += 1
    return Moved(_runs(entries), len(entries), written)


def pack(source: Store, target: Store) -> Moved:
    """Write a store into an empty place as a few files, in which its files of JSON are lines; all else as it is.

    It is read like any other, and what is added to it lies beside. Raises RequestError where something is there.
    """
    if target.storage.everything():
        raise RequestError(f"something is in {target.url}: a store is packed into a place of its own")
    target.prepare()
    entries, digests, whole = _kept(source), list[str](), list[Entry]()

    def lines() -> Iterator[tuple[Entry, bytes]]:
        for entry in sorted(entries, key=lambda entry: entry.key):
            data = _read(source, entry.key)
            if data is not None and packed.fits(entry, data):
                yield entry, data
            else:
                whole.append(entry)

    for part in packed.parts(lines()):
        digests.append(hashlib.sha256(part).hexdigest())
        target.storage.write(packed.part(len(digests)), part)
    for entry in whole:
        target.storage.write(entry.key, _read(source, entry.key) or b"")
    target.storage.write("store.json", json_bytes({"format": PACKED, "packed": digests}))  # now it is one
    return Moved(_runs(entries), len(entries), len(digests) + len(whole) + 1)


def _kept(store: Store) -> list[Entry]:
    """All but what belongs to who works on it now: run by run, the oldest first, a run's record last."""
    entries = [
        entry
        for entry in store.storage.everything()
        if not is_partial(entry.key) and "/lease-" not in entry.key and entry.key != "store.json"
    ]
    ended = {entry.key.partition("/")[0]: entry.modified for entry in entries if entry.key.endswith("/run.json")}

    def order(entry: Entry) -> tuple[float, str, bool, str]:
        folder = entry.key.partition("/")[0]
        return ended.get(folder, 0.0), folder, entry.key.endswith("/run.json"), entry.key

    return sorted(entries, key=order)


def _runs(entries: list[Entry]) -> int:
    return sum(entry.key.count("/") == 1 and entry.key.endswith("/run.json") for entry in entries)


def _read(store: Store, key: str) -> bytes | None:
    """A file as it was before it was packed, if it was."""
    return store.storage.unpacked(key) if isinstance(store.storage, PackedStorage) else store.storage.read(key)
