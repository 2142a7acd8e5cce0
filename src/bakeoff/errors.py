"""Errors that are for people: one line that says what was wrong, where, and what would be right."""

import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class BakeoffError(Exception):
    """The work failed. Exit status 1."""

    status = 1


class RequestError(BakeoffError):
    """The request was wrong. Exit status 2."""

    status = 2


class DataChanged(BakeoffError):
    """Data aren't what they were when work on them was planned. It can't go on, and trying again doesn't help."""


class StoreFailed(BakeoffError):
    """A file of the store can't be written or read, as on a full disk: no fault of the run that was being made."""


class NoMemory(BakeoffError):
    """Memory ran out in the middle of the work."""

    def __init__(self) -> None:
        super().__init__("there was no more memory for it: take smaller batches (--set batch_size=...) or fewer --jobs")


def lacks_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, as Python, the system, torch and CUDA say it, in an error or what caused it."""
    if error is None:
        return False
    if isinstance(error, MemoryError | NoMemory) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower() if isinstance(error, RuntimeError) else ""
    return "can't allocate memory" in said or "out of memory" in said or lacks_memory(error.__cause__)


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Code that isn't ours: what it raises becomes BakeoffError, in one line that names it ("loss term 'poly1'")."""
    try:
        yield
    except BakeoffError:
        raise
    except Exception as error:
        raise BakeoffError(f"{what} failed: {type(error).__name__}: {error}") from error


class UnknownName(RequestError):
    """A name that doesn't exist."""


def some(names: Sequence[str], most: int = 30) -> str:
    """The names, or the first of so many that nobody would read them all."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def shown(value: object, most: int = 80) -> str:
    """A value as Python writes it, or both ends of one that nobody would read whole."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; a list of lists of lists
        return f"such a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 20]}...{text[-15:]}"


def unknown(what: str, name: str, known: Iterable[str]) -> UnknownName:
    """The error for a name that doesn't exist, with the nearest ones that do."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are: {some(known)}"
    return UnknownName(f"unknown {what} {shown(name)}; {hint}")


def explain_validation(error: "ValidationError") -> str:
    """Pydantic's complaint about a knob in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    got = "" if first["type"] == "part" else f" (got {shown(first['input'])})"  # a part says what it got
    return f"{f'{place}: ' if place else ''}{first['msg'].lower()}{got}"
