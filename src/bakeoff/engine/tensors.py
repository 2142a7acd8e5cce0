"""Tensors as bytes (safetensors) that are known again: what was damaged or isn't ours is found before it is used."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from torch import Tensor

from bakeoff.storage import File

_UNSEALED = "0" * 64  # stands where the digest will, while it is computed
_HEADER = 1000  # bytes that the header of a file has at most for each tensor, and beside them


class Damaged(Exception):
    """A file isn't what was written, or not for this. The message says why, as in "it is empty"."""


def packed(tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> bytes:
    """A safetensors file, with the SHA-256 of all of its own bytes in its metadata. meta: what else, as JSON has it.

    The same tensors and meta give the same bytes.
    """
    about = {"meta": json.dumps({**(meta or {}), "sha256": _UNSEALED})}  # one key: the library's order is random
    data = safetensors.torch.save({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, about)
    return data.replace(_seal(_UNSEALED), _seal(hashlib.sha256(data).hexdigest()), 1)


def unpacked(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What was `packed`: tensors and meta. Raises Damaged if a byte of it is another one."""
    try:
        meta = json.loads(_header(data)["__metadata__"]["meta"])
        digest = str(meta.pop("sha256"))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise Damaged("it doesn't name its own digest: another version or program wrote it") from None
    if hashlib.sha256(data.replace(_seal(digest), _seal(_UNSEALED), 1)).hexdigest() != digest:
        raise Damaged("its bytes aren't those that were written")
    return _loaded(data), meta


def check(data: bytes, digest: str) -> dict[str, Tensor]:
    """The tensors of a file that has this SHA-256; "": of an old one, of which it isn't known. Raises Damaged."""
    if digest and hashlib.sha256(data).hexdigest() != digest:
        _header(data)  # says more where it is no such file at all
        raise Damaged("its bytes aren't those that were written")
    return _loaded(data)


def read(file: File, expected: Mapping[str, Tensor], extra: int = 0) -> bytes | None:
    """The bytes of a file of tensors, None where there is none. Raises Damaged if it is too large for those expected.

    extra: bytes of tensors that there may be beside.
    """
    most = sum(tensor.numel() * tensor.element_size() for tensor in expected.values()) + extra
    most += _HEADER * (len(expected) + 100)
    if (entry := file.entry()) is None:
        return None
    if entry.size > most:
        raise Damaged(f"it has {entry.size:,} bytes, and what belongs there has {most:,} at most")
    return file.read()


def fit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise Damaged unless these are the tensors that are expected, by name, shape and type."""
    if other := sorted(tensors.keys() ^ expected.keys()):
        raise Damaged(f"it {'has a tensor too many' if other[0] in tensors else 'lacks a tensor'}: {other[0]}")
    for name, like in expected.items():
        found = tensors[name]
        if found.shape != like.shape or found.dtype != like.dtype:
            raise Damaged(f"{name} is {_told(found)} in it and should be {_told(like)}")


def _seal(digest: str) -> bytes:
    return f'\\"sha256\\": \\"{digest}\\"'.encode()  # JSON in JSON


def _header(data: bytes) -> dict[str, Any]:
    if not data:
        raise Damaged("it is empty")
    length = int.from_bytes(data[:8], "little")
    try:
        if len(data) < 8 or length > len(data) - 8:
            raise ValueError
        header = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError):
        raise Damaged("it isn't whole, or isn't a file of tensors") from None
    if not isinstance(header, dict):
        raise Damaged("it isn't a file of tensors")
    return header


def _loaded(data: bytes) -> dict[str, Tensor]:
    _header(data)
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # the library's own, and what torch raises for types that it doesn't have
        raise Damaged(f"it isn't a whole file of tensors ({error})") from None


def _told(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of {math.prod(tensor.shape):,} ({tuple(tensor.shape)})"
