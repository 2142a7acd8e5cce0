"""A task from arrays in memory: what is in them is checked, split once, and kept as it is."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.data.conclusions import learned_by_heart
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.fingerprint import assemble
from bakeoff.data.folders import Part
from bakeoff.data.sources import Source
from bakeoff.data.sources.listed import split
from bakeoff.data.splits import Indices
from bakeoff.errors import RequestError, unknown
from bakeoff.events import DataFound, tell

Labelled = tuple[Any, Any]  # images and labels, as arrays or tensors
Channels = Literal["first", "last"]


def arrays_source(
    images: Any,
    labels: Any,
    *,
    name: str,
    validation: Labelled | None,
    test: Labelled | None,
    classes: Sequence[str] | None,
    white: float | None,
    channels: Channels | None,
) -> Source:
    """The task of `Task.from_arrays`, which says what the arguments are."""
    others = {key: pair for key, pair in (("val", validation), ("test", test)) if pair is not None}
    for key, pair in others.items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise RequestError(f"{_what(key, 'set')} is a pair of images and labels, as in (x, y)")
    if white is not None and white <= 0:
        raise RequestError(f"white={white:g} is not above 0, which is black")
    if channels not in (None, "first", "last"):
        raise unknown("place of the channels", channels, ("first", "last"))
    given = {"train" if others else "all": (images, labels), **others}
    pixels = {key: _pixels(pair[0], _what(key, "images"), white, channels) for key, pair in given.items()}
    shapes = {key: tuple(values.shape[1:]) for key, values in pixels.items()}
    first = next(iter(shapes.values()))
    for key, shape in shapes.items():
        if shape != first:
            raise RequestError(f"{_what(key, 'images')} are of (C, H, W) = {shape}, those to train on of {first}")
    found: dict[str, Indices] = {}
    for key, (_, kinds) in given.items():
        values = _labels(kinds, _what(key, "labels"), len(pixels[key]))
        if classes is None:
            classes, found[key] = _from_values(values, name)
        else:
            found[key] = _indices(values, classes, _what(key, "labels"))
    assert classes is not None  # there is always a part to train on
    if len(classes) == 1:
        raise RequestError(f"{name} has one class only, '{classes[0]}'; two are the least to tell apart")
    parts = {
        key: Part(np.array([f"{key}/{row}" for row in range(len(values))], object), values)
        for key, values in found.items()
    }
    splits = {}
    for key, part in split(name, parts).items():
        source = str(part.names[0]).split("/")[0]
        rows = [int(each.split("/")[1]) for each in part.names]
        splits[key] = Resident(pixels[source][rows], torch.from_numpy(part.labels), tuple(part.names))
    hashes = {
        key: {
            each: hashlib.blake2b(image.contiguous().numpy().data).digest()
            for each, image in zip(split_.names, split_.images, strict=True)
        }
        for key, split_ in splits.items()
    }
    if notes := learned_by_heart(hashes):
        tell(DataFound(name, tuple(notes)))
    dataset = assemble(tuple(classes), splits)
    return Source(
        name,
        images=sum(map(len, pixels.values())),
        channels=first[0],
        counts=dict(zip(classes, splits["train"].labels.bincount(minlength=len(classes)).tolist(), strict=True)),
        side=min(first[1:]),
        uniform=True,
        load=partial(_kept, dataset),
    )


def _kept(dataset: Dataset, data: Path) -> Dataset:
    return dataset


def _what(part: str, noun: str) -> str:
    return {"val": "the validation ", "test": "the test "}.get(part, "the ") + noun


def _array(values: Any) -> NDArray[Any]:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()  # NumPy has no bfloat16
    array: NDArray[Any] = np.asarray(values)
    return array


def _pixels(values: Any, what: str, white: float | None, channels: Channels | None) -> Tensor:
    """(N, C, H, W) uint8."""
    try:
        array = _array(values)
    except ValueError:  # rows of different lengths
        raise RequestError(f"{what} are not of one size; write them to files and use a table or a folder") from None
    if array.dtype.kind not in "biuf":
        raise RequestError(f"{what} are of type {array.dtype}; numbers are wanted, as uint8 or floats in 0..1")
    array = _channels_first(array, what, channels)
    if not array.size:
        raise RequestError(f"{what} are none: their shape is {array.shape}")
    if array.dtype.kind == "f" and not (finite := np.isfinite(array).reshape(len(array), -1).all(1)).all():
        raise RequestError(f"{what} hold values that are no numbers (NaN or infinite), first in row {finite.argmin()}")
    low, high = array.min(), array.max()
    if array.dtype.kind == "b":
        white = white or 1
    elif white is None:
        white = 1.0 if array.dtype.kind == "f" else 255
        if array.dtype.kind != "f" and high <= 1:
            raise RequestError(f"{what} are integers from {low} to {high}; say what is white: white=1 or white=255")
    if low < 0 or high > white:
        raise RequestError(
            f"{what} go from {low:g} to {high:g} where 0 is black and {white:g} white; give them as they were before "
            f"they were normalised, or say what is white, as in white={255 if high <= 255 else 65535}"
        )
    if array.dtype == np.uint8 and white == 255:
        whole = np.array(array, np.uint8)  # a copy: later changes of the caller's change nothing here
    else:
        whole = np.empty(array.shape, np.uint8)
        for row, image in enumerate(array):  # one at a time: floats of all of them would take eight times the memory
            whole[row] = np.rint(image.astype(np.float64) * (255 / white))
    return torch.from_numpy(whole)


def _channels_first(array: NDArray[Any], what: str, channels: Channels | None) -> NDArray[Any]:
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4:
        fits = {"first": array.shape[1] in (1, 3), "last": array.shape[3] in (1, 3)}
        if channels is not None:
            fits = {key: fit and key == channels for key, fit in fits.items()}
        if all(fits.values()):
            raise RequestError(f"{what} of shape {array.shape} may have their channels first or last; say channels=...")
        if any(fits.values()):
            return array if fits["first"] else array.transpose(0, 3, 1, 2)
    raise RequestError(
        f"{what} have the shape {array.shape}; wanted is (N, H, W), (N, H, W, C) or (N, C, H, W), with C = 1 or 3"
    )


def _labels(values: Any, what: str, count: int) -> NDArray[Any]:
    """(N,) integers or text."""
    array = _array(values)
    if array.ndim != 1:
        raise RequestError(f"{what} have the shape {array.shape}; wanted is one number or name for each image")
    if len(array) != count:
        raise RequestError(f"{what} are {len(array):,}, and there are {count:,} images")
    if array.dtype.kind == "O":
        strange = next((row for row, value in enumerate(array) if not isinstance(value, str)), None)
        if strange is not None:
            raise RequestError(f"{what} hold {array[strange]!r} in row {strange}; wanted are names or whole numbers")
        array = array.astype(str)
    if array.dtype.kind == "b":
        array = array.astype(np.int64)
    if array.dtype.kind not in "iuU":
        raise RequestError(f"{what} are of type {array.dtype}; wanted are names or whole numbers")
    if array.dtype.kind == "U" and (array == "").any():
        raise RequestError(f"{what} are empty in row {(array == '').argmax()}")
    return array


def _from_values(values: NDArray[Any], name: str) -> tuple[tuple[str, ...], Indices]:
    classes, rows = np.unique(values, return_inverse=True)
    if len(classes) == len(values) > 1:
        raise RequestError(f"{name} has as many classes as images, {len(classes):,}; are the labels the right ones?")
    return tuple(map(str, classes)), rows.astype(np.int64)


def _indices(values: NDArray[Any], classes: Sequence[str], what: str) -> Indices:
    if values.dtype.kind in "iu" and not set(map(str, np.unique(values))) <= set(classes):  # they count classes
        bad = (values < 0) | (values >= len(classes))
        if bad.any():
            row = int(bad.argmax())
            raise RequestError(f"{what} are {values[row]} in row {row}, and there are {len(classes)} classes from 0")
        return values.astype(np.int64)
    place = {name: index for index, name in enumerate(classes)}
    unknown = [row for row, value in enumerate(values) if str(value) not in place]
    if unknown:
        raise RequestError(f"{what} are '{values[unknown[0]]}' in row {unknown[0]}, which is none of the classes")
    return np.array([place[str(value)] for value in values], np.int64)
