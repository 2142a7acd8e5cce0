"""Many small files as a few: the files of JSON of a folder as lines, read as the files that they were.

    packed-0001.jsonl, packed-0002.jsonl, ...      a line for each file: {"key": ..., "modified": ..., "json": ...}

What is written to a packed folder lies beside, and stands in place of what is packed under the same key.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from bakeoff.errors import RequestError
from bakeoff.files import json_bytes
from bakeoff.storage.base import Entry, Storage

_PART = 32_000_000  # bytes of a file of lines, about: Git and people take such
_LINE = re.compile(rb'^\{"key":"([^"\\]*)","modified":([0-9.e+-]+),"json":(.*)\}$', re.MULTILINE)
_KEY = re.compile(r'[^"\\\x00-\x1f]*\.json')  # one that needs no escape


def part(number: int) -> str:
    """The key of a file of lines; the first is 1."""
    return f"packed-{number:04d}.jsonl"


def parts(files: Iterable[tuple[Entry, bytes]]) -> Iterator[bytes]:
    """Files of lines. Raises ValueError for a file that `fits` doesn't take."""
    lines, size = list[bytes](), 0
    for entry, data in files:
        told = json.dumps(json.loads(data), separators=(",", ":"), ensure_ascii=False)
        lines.append(f'{{"key":"{entry.key}","modified":{entry.modified!r},"json":{told}}}\n'.encode())
        size += len(lines[-1])
        if size > _PART:
            yield b"".join(lines)
            lines, size = [], 0
    if lines:
        yield b"".join(lines)


def fits(entry: Entry, data: bytes) -> bool:
    """Whether a file can be a line: JSON as this package writes it, so that it comes back with the same bytes."""
    try:
        return _KEY.fullmatch(entry.key) is not None and json_bytes(json.loads(data)) == data
    except (ValueError, RecursionError):
        return False


class PackedStorage:
    """See `Storage`. What is packed can't be removed: `bakeoff store copy` makes files of it again."""

    def __init__(self, beside: Storage, digests: Sequence[str]) -> None:
        """beside: where the files of lines are, and all else. digests: SHA-256 of each file of lines."""
        self.beside, self.url, self._digests = beside, beside.url, digests

    @cached_property
    def _lines(self) -> dict[str, tuple[Entry, memoryview]]:
        found = {}
        for number, digest in enumerate(self._digests, start=1):
            data = self.beside.read(part(number))
            if data is None:
                raise RequestError(f"{self.url}/{part(number)} is gone, and the runs that it holds with it")
            if hashlib.sha256(data).hexdigest() != digest:
                raise RequestError(f"{self.url}/{part(number)} isn't as it was written: put its own back")
            whole = memoryview(data)
            for line in _LINE.finditer(data):
                entry = Entry(line[1].decode(), line.end(3) - line.start(3), float(line[2]))
                found[entry.key] = (entry, whole[line.start(3) : line.end(3)])
        return found

    @cached_property
    def _folders(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key in self._lines:
            found.setdefault(key.rpartition("/")[0], []).append(key)
        return found

    def prepare(self) -> None:
        """See `Storage`."""
        self.beside.prepare()

    def read(self, key: str) -> bytes | None:
        """See `Storage`. What is packed is JSON of the same value, in one line."""
        data = self.beside.read(key)
        return bytes(self._lines[key][1]) if data is None and key in self._lines else data

    def read_range(self, key: str, start: int, size: int) -> bytes | None:
        """See `Storage`."""
        data = self.beside.read_range(key, start, size)
        return bytes(self._lines[key][1][start : start + size]) if data is None and key in self._lines else data

    def unpacked(self, key: str) -> bytes | None:
        """A file as it was before it was packed, if it was."""
        data = self.beside.read(key)
        return json_bytes(json.loads(bytes(self._lines[key][1]))) if data is None and key in self._lines else data

    def write(self, key: str, data: bytes) -> None:
        """See `Storage`."""
        self.beside.write(key, data)

    def create(self, key: str, data: bytes) -> bool:
        """See `Storage`."""
        return key not in self._lines and self.beside.create(key, data)

    def entry(self, key: str) -> Entry | None:
        """See `Storage`."""
        return self.beside.entry(key) or (self._lines[key][0] if key in self._lines else None)

    def glob(self, pattern: str) -> list[Entry]:
        """See `Storage`."""
        wanted, folder = re.compile("[^/]*".join(map(re.escape, pattern.split("*")))), pattern.rpartition("/")[0]
        keys = self._lines if "*" in folder else self._folders.get(folder, ())
        packed = (self._lines[key][0] for key in keys if wanted.fullmatch(key))
        return list({entry.key: entry for entry in (*packed, *self.beside.glob(pattern))}.values())

    def everything(self) -> list[Entry]:
        """See `Storage`: the files that were packed, not those that they are in."""
        own = {part(number) for number in range(1, len(self._digests) + 1)}
        packed = (entry for entry, _ in self._lines.values())
        beside = (entry for entry in self.beside.everything() if entry.key not in own)
        return list({entry.key: entry for entry in (*packed, *beside)}.values())

    def move(self, key: str, to: str) -> None:
        """See `Storage`."""
        self._free(key)
        self.beside.move(key, to)

    def delete(self, key: str) -> None:
        """See `Storage`."""
        self._free(key)
        self.beside.delete(key)

    def delete_folder(self, key: str) -> None:
        """See `Storage`."""
        self._free(f"{key}/")
        self.beside.delete_folder(key)

    def tidy(self, key: str) -> None:
        """See `Storage`."""
        self.beside.tidy(key)

    def _free(self, start: str) -> None:
        """Raise RequestError where a file that is packed has this key, or begins with it as a folder."""
        if start in self._lines or (start.endswith("/") and any(key.startswith(start) for key in self._lines)):
            raise RequestError(
                f"{self.url} is packed, and nothing that is packed can be removed: bakeoff store copy it first"
            )
