"""What was measured: one row per run, in an order that doesn't depend on which run ended first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from bakeoff.errors import RequestError

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Term = tuple[Ints, Floats]  # rows (m,) and weights of the evaluations, (V,) or (m, V)


@dataclass(frozen=True, eq=False)
class Hits:
    """Whether each of `n` evaluation images was classified correctly, packed as `np.packbits` does.

    packed: (N, V, ceil(n / 8)) uint8, V the 2^E combinations of the E evaluation techniques, off before on, the last
    technique running fastest. Rows of runs without a result are never read.
    """

    packed: npt.NDArray[np.uint8]
    n: int

    def __getitem__(self, rows: Ints) -> "Hits":
        return Hits(self.packed[rows], self.n)

    def counts(self, terms: Sequence[Term]) -> "Counts | None":
        """The sum over the terms of weights times correctness, as whole numbers; None if the weights' sizes differ."""
        used = [
            (rows, view, weights[view])
            for rows, weights in terms
            if weights.ndim == 1
            for view in np.flatnonzero(weights)
        ]
        sizes = {abs(float(weight)) for _, _, weight in used}
        if len(sizes) > 1 or any(weights.ndim > 1 for _, weights in terms):
            return None
        words = np.zeros((len(terms[0][0]), self.packed.shape[-1]), np.uint64)
        for rows, view, weight in used:
            bits = self.packed[rows, view]
            words += np.unpackbits(bits if weight > 0 else ~bits, axis=-1).view(np.uint64)  # 8 images at a time
        return Counts(words, sum(weight < 0 for _, _, weight in used), sizes.pop() if sizes else 1.0, self.n)

    def sums(self, terms: Sequence[Term]) -> tuple[npt.NDArray[np.float32], float]:
        """(m, n) the sum over the terms of weights times correctness, in the unit that comes with it.

        Whole numbers wherever the weights are of one size, so that sums of them are exact.
        """
        counts = self.counts(terms)
        if counts is not None:
            return np.subtract(counts.lanes, np.float32(counts.zero)), counts.unit
        total = np.zeros((len(terms[0][0]), self.n), np.float32)
        for rows, weights in terms:
            for view in np.flatnonzero(np.atleast_2d(weights).any(axis=0)):
                bits = np.unpackbits(self.packed[rows, view], axis=-1, count=self.n)
                total += weights[..., view, None].astype(np.float32) * bits
        return total, 1.0


@dataclass(frozen=True, eq=False)
class Counts:
    """Whole numbers, one per observation and image, a byte each: (lanes - zero) * unit.

    words: (m, W) uint64 with 8 of them in each, which can be added up as long as no byte passes 255.
    """

    words: npt.NDArray[np.uint64]
    zero: int
    unit: float
    n: int

    @property
    def lanes(self) -> npt.NDArray[np.uint8]:
        """(m, n)."""
        return self.words.view(np.uint8)[:, : self.n]


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of a study, sorted; make it with `collect`.

    levels: (N, k) bool, training techniques on or off. acc: (N, V) Acc@1 in percent, V as in `Hits`. block: (N,) int,
    training seed. hits: correctness of every image, if kept. lost: (L, k) bool, levels of the runs that have no result.
    """

    levels: Bools
    acc: Floats
    block: Ints
    hits: Hits | None
    lost: Bools

    @classmethod
    def collect(cls, levels: npt.ArrayLike, acc: npt.ArrayLike, block: npt.ArrayLike, hits: Hits | None = None) -> Self:
        """From what the store has, in any order.

        levels: (N, k) bool. acc: (N,), or (N, 2, ..., 2) with an axis off/on per evaluation technique, in percent; NaN
        for a run that has no result: a run that diverged is lost, never a number. block: (N,) training seeds.
        Raises RequestError if the shapes don't fit.
        """
        on, seeds = np.asarray(levels, bool), np.asarray(block, np.int64)
        values = np.asarray(acc, np.float64)
        if on.ndim != 2 or len(values) != len(on) or seeds.shape != (len(on),) or set(values.shape[1:]) - {2}:
            found = f"{on.shape}, {values.shape}, {seeds.shape}"
            raise RequestError(f"runs need levels (N, k), acc (N, 2, ..., 2) and block (N,); not {found}")
        flat = values.reshape(len(on), -1)
        if hits is not None and hits.packed.shape[:2] != flat.shape:
            raise RequestError(f"hits cover {hits.packed.shape[:2]} runs and views, acc {flat.shape}")
        done = np.asarray(np.isfinite(flat).all(axis=1))
        order = np.lexsort([*flat.T[::-1], seeds, *on.T[::-1]])
        kept, lost = order[done[order]], order[~done[order]]
        return cls(on[kept], flat[kept], seeds[kept], None if hits is None else hits[kept], on[lost])

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def evaluations(self) -> int:
        """E, the number of evaluation techniques."""
        return int(self.acc.shape[1]).bit_length() - 1

    @cached_property
    def cell(self) -> Ints:
        """(N,) number of each run's configuration; replicates share it."""
        return np.unique(self.levels, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @cached_property
    def fold_pairs(self) -> tuple[Ints, Ints]:
        """Rows of runs with a seed in common and every technique switched over, each run in one pair at most.

        Of all on with all off a design has more, for the total gain. Of these as many count as let any two techniques
        be alike in half of the pairs, as far as that goes: more would weigh more than any other, and so would their
        noise, which may be quieter or louder.
        """
        waiting: dict[tuple[int, int], list[int]] = {}
        pairs = []
        codes = (self.levels @ 2 ** np.arange(self.levels.shape[1])).tolist()
        every = 2 ** self.levels.shape[1] - 1
        for row, (code, block) in enumerate(zip(codes, self.block.tolist(), strict=True)):
            partners = waiting.get((block, every - code))
            if partners:
                pairs.append((row, partners.pop(0)))
            else:
                waiting.setdefault((block, code), []).append(row)
        at_corner = [row for row, (first, _) in enumerate(pairs) if codes[first] in (0, every)]
        signs = np.where(self.levels[[first for first, _ in pairs if codes[first] not in (0, every)]], 1.0, -1.0)
        if len(signs):
            alike = np.square(signs.sum(axis=1)) - signs.shape[1]  # of any two, twice: alike less unlike
            count = round(-alike.sum() / (signs.shape[1] * (signs.shape[1] - 1)))
            surplus = set(at_corner[max(1, count) :])
            pairs = [pair for row, pair in enumerate(pairs) if row not in surplus]
        first, second = np.array(pairs, np.int64).reshape(-1, 2).T
        return first, second

    def __getitem__(self, rows: Ints) -> "Runs":
        hits = None if self.hits is None else self.hits[rows]
        return Runs(self.levels[rows], self.acc[rows], self.block[rows], hits, self.lost)

    def near(self, levels: Bools, distance: int) -> "Runs":
        """The runs whose levels differ in at most so many techniques from `levels` (k,)."""
        return self[np.flatnonzero((self.levels != levels).sum(axis=1) <= distance)]

    def rows(self, levels: Bools) -> Ints:
        """Rows of the runs with exactly these levels (k,)."""
        return np.flatnonzero((self.levels == levels).all(axis=1))

    def view_average(self) -> Floats:
        """(V,) weights of the mean over all levels of the evaluation techniques."""
        return np.full(self.acc.shape[1], 1 / self.acc.shape[1])

    def view_at(self, on: Bools) -> Floats:
        """(V,) weights of one setting (E,) of the evaluation techniques."""
        weights = np.zeros((2,) * self.evaluations)
        weights[tuple(np.asarray(on, int))] = 1
        return weights.reshape(-1)

    def view_effect(self, technique: int, on: Bools | None = None) -> Floats:
        """(V,) weights of evaluation technique 0..E-1, on minus off: the others averaged, or at `on` (E,)."""
        sign = np.moveaxis(np.zeros((2,) * self.evaluations), technique, 0)
        if on is None:
            sign[0], sign[1] = -1, 1
            sign /= 2 ** (self.evaluations - 1)
        else:
            others = tuple(np.delete(np.asarray(on, int), technique))
            sign[(0, *others)], sign[(1, *others)] = -1, 1
        return np.moveaxis(sign, 0, technique).reshape(-1)
