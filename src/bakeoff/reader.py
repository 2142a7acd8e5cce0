"""What people say in words, read at the border into typed values: whole numbers, numbers, paths, the environment."""

import errno
import math
import operator
import os
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

from bakeoff.errors import RequestError, shown

MOST_SEED = 2**53  # whole numbers up to here are the same in every program that reads JSON
MOST_PROCESSES = 1024  # of a study, of a decoder, and threads of each
_DURATIONS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}
CHECKPOINTS = "BAKEOFF_CHECKPOINT_SECONDS"
LEASES = "BAKEOFF_LEASE_SECONDS"
LONGEST = 1e6  # times its length or its side, that a training may be asked to have


def whole(value: Any, what: str, least: int, most: int) -> int:
    """A whole number from `least` to `most`. Raises RequestError, naming `what`, for all else."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise RequestError(f"{what} is a whole number from {least} to {most:,}, not {shown(value)}")
    return number


def number(value: Any, what: str, most: float) -> float:
    """A number above 0, up to `most`. Raises RequestError, naming `what`, for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        raise RequestError(f"{what} is a number above 0, up to {most:,g}, not {shown(value)}")
    return float(value)


def path(given: Path | str, what: str, *, text: bool = True) -> Path:
    """A path as a person writes it: `~` is their home. Whether something is there isn't asked.

    text: it is kept in files as text, so that it has to be UTF-8. Raises RequestError, naming `what`, for one that no
    file can have: a home of nobody, a name longer than the file system takes.
    """
    try:
        found = Path(given).expanduser()
    except RuntimeError:
        raise RequestError(f"{what} {shown(str(given))}: nobody's home is {Path(given).parts[0]}") from None
    try:
        os.stat(found)
    except ValueError:  # a null byte
        raise RequestError(f"{what} {shown(str(given))} holds a null byte, which no file's name does") from None
    except UnicodeEncodeError:
        raise RequestError(f"{what} {shown(str(given))} is not UTF-8: rename it") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise RequestError(f"{what} {shown(str(given))}: a longer name than the file system takes") from None
    if text and not _is_utf8(str(found.absolute())):
        raise RequestError(f"{what} {shown(str(found.absolute()))} is not UTF-8: rename it")
    return found


def duration(text: str) -> float:
    """Seconds of a duration such as 90s, 30m, 1.5h. Raises RequestError."""
    try:
        value = float(text[:-1]) * _DURATIONS[text[-1:]]
    except (ValueError, KeyError):
        raise RequestError(f"'{text}' is no duration; it should read like 90s, 30m or 1.5h") from None
    if not (value > 0 and math.isfinite(value)):
        raise RequestError(f"'{text}' is no duration; it should be more than nothing")
    return value


def size(text: str) -> float:
    """Bytes of a size such as 500MB or 2GB. Raises RequestError."""
    try:
        value = float(text[:-2]) * _SIZES[text[-2:].strip().upper()]
    except (ValueError, KeyError):
        raise RequestError(f"'{text}' is no size; it should read like 500MB or 2GB") from None
    if not (value > 0 and math.isfinite(value)):
        raise RequestError(f"'{text}' is no size; it should be more than nothing")
    return value


def environment_path(name: str) -> Path | None:
    """The path that an environment variable names; None where it isn't set. Raises RequestError as `path` does."""
    given = os.environ.get(name)
    return path(given, f"${name}") if given else None


def cache_folder() -> Path:
    """Where things are kept that can be made again."""
    return environment_path("BAKEOFF_CACHE") or Path(user_cache_dir("bakeoff"))


def environment_seconds(name: str, usual: float) -> float:
    """The time that an environment variable says, in seconds. Raises RequestError for what is no time."""
    given = os.environ.get(name)
    if not given:
        return usual
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise RequestError(f"${name} is a number of seconds, such as 30, not {shown(given)}")
    return seconds


def environment_bytes(name: str, usual: float) -> float:
    """The bytes that an environment variable says: 50GB, or 0. Raises RequestError for what is no size."""
    given = os.environ.get(name)
    if not given:
        return usual
    try:
        return size(given) if given != "0" else 0.0
    except RequestError as error:
        raise RequestError(f"${name}: {error}") from None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
