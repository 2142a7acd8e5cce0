"""Writing files in one piece: whoever reads one, or kills the writer, finds the old file whole or the new one."""

import errno
import json
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from bakeoff.errors import BakeoffError, RequestError

_PARTIAL = ".partial-"  # begins the name of a file that isn't whole yet; hidden, so that nobody takes it for a result
_ESCAPED = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of pairs, separators of lines and of paragraphs
_REORDERING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_counter = count()  # tells the files apart that one process is writing


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """A file that takes the place of `path`, and of what was there, when the block ends; if it fails nothing changes.

    path: in a folder that exists; a link stays, and what it leads to is replaced. sync: wait until the disk has it, so
    that it outlives a power cut as well as a kill.

    Raises OSError where it can't be written, at once where that can be known; it names `path`.
    """
    with named(path), _replacing(path, sync) as file:
        yield file


@contextmanager
def _replacing(path: Path, sync: bool) -> Iterator[BinaryIO]:
    if path.exists() and not path.is_file():  # a pipe or a terminal can't be replaced; a folder fails here
        with open(path, "wb") as file:
            yield file
        return
    path = Path(os.path.realpath(path))
    with partial(path) as whole:
        with open(whole, "wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(whole, path)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Have an error name the file that is to be there: a full disk names none, others the one that isn't whole yet."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not (error.filename is None or is_partial(os.fspath(error.filename))):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def partial(path: Path) -> Iterator[Path]:
    """A hidden name beside a path, for what isn't whole yet; what is there under it when the block ends is removed."""
    place = path.with_name(f"{_PARTIAL}{os.getpid()}-{next(_counter)}")
    try:
        yield place
    finally:
        with suppress(OSError):
            place.unlink()


def refused(error: OSError, what: str, path: Path) -> BakeoffError:
    """The error of a file that somebody asked for: a wrong request, unless there is no room for it."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    kind = BakeoffError if full else RequestError
    return kind(f"can't write {what} to {path}: {(error.strerror or str(error)).lower()}")


def is_partial(name: str) -> bool:
    """Whether a file of this name is one that isn't whole yet, or never will be."""
    return name.rpartition("/")[2].startswith(_PARTIAL)


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file in one piece; see `replacing`."""
    with replacing(path, sync=sync) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 text in one piece; see `replacing`."""
    write_bytes(path, text.encode())


def write_json(path: Path, data: Any) -> None:
    """Write JSON in one piece; see `replacing`. Raises TypeError for what JSON can't hold."""
    write_bytes(path, json_bytes(data))


def json_bytes(data: Any) -> bytes:
    """JSON as it is kept in files. Raises TypeError for what JSON can't hold."""
    return json.dumps(data, indent=1).encode()


def tidy(folder: Path) -> None:
    """Remove what killed processes left of files in a folder that no other process writes to now."""
    for left in folder.glob(f"{_PARTIAL}*"):
        left.unlink(missing_ok=True)


def printable(text: str) -> str:
    r"""A name in one line, as it is but for what a terminal would obey or can't show.

    Control characters, and bytes of file names that aren't UTF-8, become escapes: "\x1b", "\n", "\xe9".
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python holds a byte that isn't UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    if unicodedata.category(character) in _ESCAPED or character in _REORDERING:
        return character.encode("unicode_escape", "backslashreplace").decode()
    return character


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
