"""Records and evaluations as files hold them, read into typed values; what contradicts itself is refused."""

import math
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args, get_origin

import numpy as np

from bakeoff.runs.record import Losses, RunRecord, Status, View, metrics_of

_KNOWN = {each.name for each in fields(RunRecord)} - {"metrics", "views"}
_REQUIRED = {each.name for each in fields(RunRecord) if each.default is each.default_factory is MISSING} | {"losses"}
_KNOWN_OF_VIEW = {each.name for each in fields(View)} - {"reading"}
_REQUIRED_OF_VIEW = {each.name for each in fields(View) if each.default is each.default_factory is MISSING} | {"hits"}
# Where JSON has another type than the field.
_KINDS: dict[Any, tuple[type, ...]] = {Status: (str,), float: (float, int), tuple: (list,), Losses: (dict,)}
_MEASURED: dict[str, tuple[type, ...]] = {
    "split": (str,), "reading": (str,), "acc": (dict,), "n": (int,), "hits": (dict,),
}  # fmt: skip
_ROUNDING = 1e-6  # points of accuracy that a mean of 0 and 1 may be off, computed in another order


class ForeignError(ValueError):
    """A file in the form of another version: it has other fields."""


def _kinds(cls: Any, names: Collection[str]) -> dict[str, tuple[type, ...]]:
    """Field -> what JSON holds for it."""
    types = {each.name: each.type for each in fields(cls) if each.name in names}
    plain: dict[str, Any] = {n: type_ if type_ is Status else get_origin(type_) or type_ for n, type_ in types.items()}
    return {name: _KINDS.get(type_, (type_,)) for name, type_ in plain.items()}


_RECORD, _VIEW = _kinds(RunRecord, _KNOWN), _kinds(View, _KNOWN_OF_VIEW)


def record(data: dict[str, Any], views: tuple[View, ...]) -> RunRecord:
    """A run as run.json has it, with evaluations. Raises ForeignError, or ValueError for what no version writes."""
    if not _REQUIRED <= data.keys() <= _KNOWN or isinstance(data["losses"], list):  # a list in the first versions
        raise ForeignError
    _typed(data, _RECORD)
    if data["status"] not in get_args(Status):
        raise ValueError(f"status is {data['status']!r}")
    if not data["plan"] and not data.get("command"):
        raise ValueError("its plan is empty")
    try:
        losses = Losses(**{name: tuple(values) for name, values in data["losses"].items()})
        metrics = metrics_of(data["plan"], views)
    except (KeyError, TypeError) as error:
        raise ValueError(f"a plan or losses of another form, {error}") from None
    return RunRecord(
        **{**data, "views": views, "metrics": metrics, "losses": losses}
        | {name: tuple(data[name]) for name in ("classes", "mean", "std")}
    )


def view(data: dict[str, Any]) -> View:
    """An evaluation as its file has it. Raises as `record`, and ValueError where accuracy isn't what its images say."""
    if data.keys() == _MEASURED.keys():
        return _measured(data)
    if not _REQUIRED_OF_VIEW <= data.keys() <= _KNOWN_OF_VIEW or not data["hits"]:
        raise ForeignError
    _typed(data, _VIEW)
    found = View(**{**data, "per_class": tuple(data["per_class"])})
    if found.n < 1:
        raise ValueError(f"n is {found.n}")
    for k in found.hits:
        try:
            packed = found.packed_hits(int(k))
        except Exception as error:  # base64, zlib and what isn't text
            raise ValueError(f"hits of {k} can't be read: {error}") from None
        said, right = found.acc.get(f"acc{k}"), 100.0 * int(np.bitwise_count(packed).sum()) / found.n
        if len(packed) != -(-found.n // 8):
            raise ValueError(f"hits of {k} are of other than {found.n} images")
        if not isinstance(said, int | float) or abs(said - right) > _ROUNDING:
            raise ValueError(f"acc{k} is {said}, and its images say {right:.4g}")
    return found


def _measured(data: dict[str, Any]) -> View:
    """What a command said of itself."""
    _typed(data, _MEASURED)
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in data["acc"].values()):
        raise ValueError("its metric is no number")
    found = View.measured(data["split"], data["reading"], data["acc"], data["n"], data["hits"])
    if data["hits"] and len(found.packed_hits()) != -(-found.n // 8):
        raise ValueError(f"hits are of other than {found.n} images")
    return found


def _typed(data: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> None:
    for name, value in data.items():
        if type(value) not in kinds[name]:
            raise ValueError(f"{name} is a {type(value).__name__}")
