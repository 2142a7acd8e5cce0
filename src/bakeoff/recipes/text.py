"""YAML as people write it in recipes and settings: JSON's values, and no more of them than a request can need.

Of YAML 1.1 there are plain values, sequences and mappings. What it also has makes surprises (1:30 is 90, 010 is 8,
2024-01-01 a date, 1e-4 a word) or more than was written (aliases), and is refused or is what it looks like.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bakeoff.errors import RequestError, shown

_DEEPEST = 20  # sequences and mappings in each other
_DIGITS = 30  # of a whole number
_LARGEST = 2**20  # bytes of a file


def value(text: str) -> Any:
    """The value that a text in YAML is. Raises RequestError, saying why it is none."""
    return _parsed(lambda: _Loader(text).get_single_data())


def _parsed(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise RequestError(
            f"it is not YAML: {why}" + (f" (line {mark.line + 1}, column {mark.column + 1})" if mark else "")
        ) from None


def document(path: Path) -> Any:
    """The value that a file in YAML holds. Raises RequestError, saying why it holds none."""
    return value(_content(path))


def located(path: Path) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    """The value that a file in YAML holds, every plain value as the text that it is, and the line of each place in it.

    Raises RequestError, saying why it holds none.
    """
    lines: dict[tuple[str | int, ...], int] = {}

    def walk(node: yaml.Node, place: tuple[str | int, ...]) -> None:
        lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, inner in node.value:
                lines[(*place, key.value)] = key.start_mark.line + 1
                walk(inner, (*place, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, inner in enumerate(node.value):
                walk(inner, (*place, index))

    def read(loader: _Words) -> Any:
        node = loader.get_single_node()
        if node is None:
            return {}
        found = loader.construct_document(node)
        walk(node, ())
        return found

    return _parsed(lambda: read(_Words(_content(path)))), lines


def _content(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise RequestError("it is no file")
        if path.stat().st_size > _LARGEST:
            raise RequestError(f"it has more than {_LARGEST:,} bytes")
        return path.read_text("utf-8")
    except OSError as error:
        raise RequestError((error.strerror or str(error)).lower()) from None
    except UnicodeDecodeError as error:
        raise RequestError(f"it is not text in UTF-8 (byte {error.start})") from None


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise RequestError(f"it has an alias, *{event.anchor}: write the value again")
        if (tag := getattr(event, "tag", None)) not in (None, "!"):
            raise RequestError(f"it has a tag, {shown(tag)}: write the plain value")
        if self._depth == _DEEPEST:
            raise RequestError(f"it is nested more than {_DEEPEST} deep")
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def whole(self, node: yaml.ScalarNode) -> int:
        digits = node.value.replace("_", "")
        if len(digits) > _DIGITS:
            raise RequestError(f"it has a whole number of {len(digits):,} digits")
        return int(digits)

    def number(self, node: yaml.ScalarNode) -> float:
        return float(node.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))

    def text(self, node: yaml.ScalarNode) -> str:
        text: str = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise RequestError(f"it has half a character, in {text[:40]!a}")
        return text

    def mapping(self, node: yaml.MappingNode) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise RequestError(f"it has the name {shown(key)}, which is no word")
            if key in found:
                raise RequestError(f"it has {shown(key)} twice")
            found[key] = self.construct_object(value_node, deep=True)
        return found


_Loader.yaml_implicit_resolvers = {}  # ours alone: a plain value is what it looks like
_PREFIX = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?[0-9][0-9_]*", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     "-+0123456789."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):  # fmt: skip
    _Loader.add_implicit_resolver(_PREFIX + _kind, re.compile(rf"(?:{_pattern})\Z"), list(_first))
for _kind, _make in (
    ("int", _Loader.whole),
    ("float", _Loader.number),
    ("str", _Loader.text),
    ("map", _Loader.mapping),
):
    _Loader.add_constructor(_PREFIX + _kind, _make)


class _Words(_Loader):
    """Every plain value as the text that it is."""


_Words.yaml_implicit_resolvers = {}
