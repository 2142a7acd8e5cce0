"""What a command's run came to: its metric, and right or wrong per image, read from what it left."""

import io
import json
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bakeoff.commands.command import Metric, filled
from bakeoff.errors import RequestError, shown

_MOST = 2**28  # bytes of a file of results
_LINES = 100_000  # of an object on standard output
_AGREE = 0.01  # points by which the metric and the examples' mean may differ, for a metric that was rounded


class NoResult(RequestError):
    """A command ended well and didn't leave what it was to leave: trying again doesn't help."""


@dataclass
class Listener:
    """Looks at standard output, line by line, for the metric. found: what was last there."""

    metric: Metric
    found: Any = None
    _open: list[str] = field(default_factory=list)  # lines of an object that isn't complete yet
    _expression: re.Pattern[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._expression = re.compile(self.metric.stdout) if self.metric.stdout else None

    def __call__(self, line: str) -> None:
        """Look at a line."""
        if self._expression is not None:
            for match in self._expression.finditer(line):
                self.found = match[1]
        elif not self.metric.file:
            self._json(line)

    def _json(self, line: str) -> None:
        """An object in one line, or from a line "{" to a line "}"."""
        if line.rstrip() == "{":
            self._open = [line]
            return
        if self._open:
            self._open.append(line)
            if line.rstrip() != "}":
                if len(self._open) > _LINES:
                    self._open = []
                return
            line, self._open = "\n".join(self._open), []
        if line.lstrip().startswith("{"):
            try:
                self.found = _at(json.loads(line), self.metric.key)
            except (ValueError, LookupError, RecursionError):
                return


def metric(of: Metric, seed: int, out: str, heard: Listener, folder: str) -> float:
    """The number: in points where it is a fraction; NaN and infinities too. Raises NoResult where there is none."""
    if of.file:
        path = Path(folder, filled(of.file, seed, out))
        text = _content(path, f"it ended with status 0 and left no metric: {of.file}").decode("utf-8", "replace")
        value = _from_file(text, of)
    elif heard.found is None:
        raise NoResult(f"it ended with status 0 and left no metric: nothing on {of.place}")
    else:
        value = heard.found
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise NoResult(f"its metric, {of.place}, is no number: {shown(value)}") from None
    return 100 * number if of.unit == "fraction" else number


def examples(name: str, of: Metric, seed: int, out: str, value: float, folder: str) -> npt.NDArray[np.bool_] | None:
    """(N,) right or wrong per image; None where a command leaves none, and has no name for it.

    of, value: the metric, which is their mean where it is an accuracy. Raises NoResult for what isn't that.
    """
    if not name:
        return None
    data = _content(Path(folder, filled(name, seed, out)), f"it left no examples: {name}")
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise NoResult(f"its examples, {name}, are no array in a .npy file: {error}") from None
    if not isinstance(found, np.ndarray) or found.ndim != 1 or not found.size or found.dtype.kind not in "biuf":
        raise NoResult(f"its examples, {name}, should be one row of 0 and 1, right or wrong per image")
    if not np.isin(found, (0, 1)).all():
        raise NoResult(f"its examples, {name}, hold other values than 0 and 1")
    right = found.astype(bool)
    if of.accuracy and abs(100 * right.mean() - value) > _AGREE:
        raise NoResult(
            f"its metric says {value:g} and its examples {100 * right.mean():g} percent right: "
            "they should be of the same images"
        )
    return right


def _content(path: Path, missing: str) -> bytes:
    try:
        if not path.is_file():
            raise NoResult(missing + (" isn't there" if not path.exists() else " isn't a file"))
        if os.stat(path).st_size > _MOST:
            raise NoResult(f"{missing} is larger than {_MOST:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise NoResult(f"{missing} can't be read: {(error.strerror or str(error)).lower()}") from None


def _from_file(text: str, of: Metric) -> Any:
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    for candidate in (text, last):
        try:
            data = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        try:
            return _at(data, of.key)
        except LookupError:
            known = ", ".join(map(str, list(data)[:10])) if isinstance(data, dict) else shown(data)
            raise NoResult(f"{of.file} has no key {of.key!r}; there is: {known}") from None
    if of.key:
        raise NoResult(f"{of.file} is no JSON: {shown(text)}")
    return last.strip()


def _at(data: Any, key: str) -> Any:
    """What is at a key with dots; a key that has dots itself is taken first."""
    if not key:
        return data
    if isinstance(data, dict) and key in data:
        return data[key]
    head, _, rest = key.partition(".")
    inner = data[int(head)] if isinstance(data, list) and head.isdecimal() else None
    if isinstance(data, dict):
        inner = data[head]
    if inner is None or not rest:
        if inner is not None:
            return inner
        raise LookupError(key)
    return _at(inner, rest)


def finite(value: float) -> bool:
    """Whether a metric is a result and not a run that diverged."""
    return math.isfinite(value)
