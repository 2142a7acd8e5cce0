"""Splits: exact, stratified, the same every time."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import rng
from bakeoff.data.dataset import Dataset, Images
from bakeoff.errors import RequestError

Indices = NDArray[np.int64]


def stratified(
    labels: Sequence[int] | Indices, parts: Sequence[int] | Sequence[float], seed: int, first: Sequence[int] = ()
) -> list[Indices]:
    """Disjoint parts of a data set with the classes in proportion; a pure function of its arguments.

    labels: (N,) class of each example. parts: sizes, as numbers of examples (integers: each part has exactly that
    many, and each class its share to within one per part) or as shares of every class (floats: each class is divided
    alike). Rounding is by largest remainder; what is not asked for is left out. first: of shares that add up to 1, the
    order in which parts are served by a class that has fewer examples than give one to each by these shares.

    Returns sorted indices, one array per part. Raises RequestError when the parts hold more than there is.
    """
    labels = np.asarray(labels, dtype=np.int64)
    sizes = np.bincount(labels)
    table = np.zeros((len(parts), len(sizes)), dtype=np.int64)  # examples of each class in each part
    if all(isinstance(part, int) for part in parts):
        if sum(parts) > len(labels):
            raise RequestError(f"parts of {', '.join(map(str, parts))} examples don't fit in {len(labels)}")
        for row, count in enumerate(parts):
            left = sizes - table.sum(axis=0)
            table[row] = _largest_remainder(left * (count / max(1, left.sum())), int(count))
    else:
        if sum(parts) > 1 + 1e-9:
            raise RequestError(f"shares of {', '.join(map(str, parts))} are more than the whole")
        shares = np.array([*parts, max(0.0, 1.0 - sum(parts))])
        for column, size in enumerate(sizes):
            table[:, column] = _largest_remainder(shares * size, int(size))[:-1]
            if first and 0 < size < fewest(parts):
                table[:, column] = 0
                table[list(first[:size]), column] = 1
                table[first[0], column] += max(0, size - len(first))
    return _deal(labels, table, seed)


def balanced(labels: Sequence[int] | Indices, per_class: int, seed: int) -> Indices:
    """Sorted indices of `per_class` examples of every class; RequestError where a class has fewer."""
    labels = np.asarray(labels, dtype=np.int64)
    sizes = np.bincount(labels)
    if sizes.min() < per_class:
        raise RequestError(f"class {sizes.argmin()} has {sizes.min()} examples, {per_class} are needed")
    return _deal(labels, np.full((1, len(sizes)), per_class), seed)[0]


def fewest(shares: Sequence[float]) -> int:
    """How many examples a class needs so that each part gets one, by these shares that add up to 1."""
    return next(n for n in range(1, 10_000) if _largest_remainder(np.array(shares) * n, n).all())


def _largest_remainder(quotas: NDArray[np.float64], total: int) -> Indices:
    """Whole numbers that add up to `total`, each within one of its quota. Ties go to the first."""
    quotas = quotas.round(9)  # 0.7 * 10 is 7 and not a little less
    whole = np.floor(quotas).astype(np.int64)
    first = np.argsort(whole - quotas, kind="stable")
    whole[first[: total - whole.sum()]] += 1
    return whole


def _deal(labels: Indices, table: Indices, seed: int) -> list[Indices]:
    shuffled = np.argsort(rng.generator(seed, "split").random(len(labels)), kind="stable")
    hands: list[list[Indices]] = [[] for _ in table]
    for label, column in enumerate(table.T):
        own = shuffled[labels[shuffled] == label]
        for hand, piece in zip(hands, np.split(own, column.cumsum()), strict=False):
            hand.append(piece)
    return [np.sort(np.concatenate(hand)) for hand in hands]


def described(dataset: Dataset) -> dict[str, Any]:
    """Which example is in which split, in brief: fingerprint, classes, and of each split counts and a hash."""
    return {
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "splits": {name: _summary(images, len(dataset.classes)) for name, images in dataset.splits.items()},
    }


def _summary(images: Images, classes: int) -> dict[str, Any]:
    names = images.names or ("",) * len(images)
    lines = "\n".join(f"{label} {name}" for label, name in zip(images.labels.tolist(), names, strict=True))
    return {
        "count": len(images),
        "per_class": images.labels.bincount(minlength=classes).tolist(),
        "sha256": hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest(),  # of "LABEL NAME" lines
    }
