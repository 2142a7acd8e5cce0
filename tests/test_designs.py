"""Designs: orthogonal, folded, deterministic. T1 and T21 of the specification."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import RequestError
from bakeoff.stats import designs, hadamard


def strength(levels: np.ndarray, most: int) -> int:
    """The largest t for which every t columns hold every combination equally often: a slow count."""
    for size in range(1, most + 1):
        for columns in itertools.combinations(range(levels.shape[1]), size):
            _, counts = np.unique(levels[:, columns], axis=0, return_counts=True)
            if len(counts) < 2**size or counts.min() != counts.max():
                return size - 1
    return most


@pytest.mark.parametrize("order", [1, 2, *(order for order in range(4, 133, 4) if hadamard.exists(order))])
def test_hadamard(order: int) -> None:
    matrix = hadamard.hadamard(order).astype(int)
    assert np.array_equal(matrix.T @ matrix, order * np.eye(order))
    assert set(np.unique(matrix)) <= {-1, 1}
    assert (matrix[0] == 1).all()


def test_hadamard_orders() -> None:
    assert [order for order in range(1, 101) if not hadamard.exists(order) and order % 4 == 0] == [52, 92, 100]
    assert [hadamard.smallest(k) for k in (1, 2, 3, 5, 12, 13, 24)] == [1, 2, 4, 8, 12, 16, 24]
    with pytest.raises(ValueError, match="order 6"):
        hadamard.hadamard(6)


@pytest.mark.parametrize("k", range(3, 25))
def test_t1_factorial_of_any_size(k: int) -> None:
    check_factorial(designs.factorial(k, seed=k), k)


@pytest.mark.parametrize("runs", [24, 32, 40, 48, 56, 64, 96, 104, 184])
def test_t1_factorial_of_any_length(runs: int) -> None:
    design = designs.factorial(12, runs, seed=runs)
    assert len(design) == runs
    check_factorial(design, 12)


def check_factorial(design: designs.Design, k: int) -> None:
    x = 2 * design.levels.astype(int) - 1
    assert np.array_equal(x.T @ x, len(x) * np.eye(k))
    assert not x.sum(axis=0).any()
    assert strength(design.levels[:, :13], 3) == min(3, k)
    assert len(np.unique(design.block)) == len(x) // 2 >= 6
    for block in np.unique(design.block):
        first, second = design.levels[design.block == block]
        assert np.array_equal(first, ~second)
    assert design.levels.all(axis=1).any(), "all on is in it"


@pytest.mark.parametrize("corners", [0, 3])
def test_a_larger_factorial_begins_with_the_smaller_one(corners: int) -> None:
    """So a study goes on without running anything twice, and its blocks are the looks of a sequential one."""
    small, large = designs.factorial(11, 24, corners=corners), designs.factorial(11, 72, corners=corners)
    assert np.array_equal(large.levels[: len(small)], small.levels)
    assert np.array_equal(large.block[: len(small)], small.block)


def test_corners_are_replicates() -> None:
    design = designs.factorial(10, corners=2)
    assert len(design) == 28
    assert design.levels.all(axis=1).sum() == (~design.levels).all(axis=1).sum() == 3
    assert len(np.unique(design.block)) == 14


def test_toggles_come_in_blocks_of_one_seed() -> None:
    design = designs.leave_one_out(12, 2)
    assert design.kind == "leave-one-out"
    assert design.block.tolist() == [0] * 13 + [1] * 13
    for block in range(2):
        of_block = design.levels[design.block == block]
        assert sorted(of_block.sum(axis=1)) == [11] * 12 + [12]
        assert len(np.unique(of_block, axis=0)) == 13
    larger = designs.leave_one_out(12, 5)
    assert np.array_equal(larger.levels[:26], design.levels), "a larger one begins with it"
    assert sorted(designs.add_one(9).levels.sum(axis=1)) == [0] + [1] * 9
    around = designs.toggles(np.array([True, False, True]))
    assert sorted(map(tuple, np.unique(around.levels, axis=0).tolist())) == [
        (False, False, True), (True, False, False), (True, False, True), (True, True, True),
    ]  # fmt: skip


def test_ladder_shares_seeds() -> None:
    design = designs.ladder([2, 0, 1], 3)
    assert design.order == (2, 0, 1)
    for block in range(3):
        rungs = design.levels[design.block == block]
        assert sorted(map(tuple, rungs.tolist())) == [
            (False, False, False), (False, False, True), (True, False, True), (True, True, True),
        ]  # fmt: skip


@given(st.integers(3, 24), st.integers(0, 2**31))
def test_t21_a_design_is_a_function_of_its_seed(k: int, seed: int) -> None:
    one, two = (designs.factorial(k, seed=seed) for _ in range(2))
    assert one.levels.tobytes() == two.levels.tobytes()
    assert one.block.tobytes() == two.block.tobytes()
    assert one.block.min() == 0
    assert designs.factorial(k, seed=seed + 1).levels.tobytes() != one.levels.tobytes()


def test_t21_designs_are_pinned() -> None:
    """Another plan for the same seed would orphan the runs that a study has made."""
    levels = designs.factorial(12, seed=0).levels
    assert (
        np.packbits(levels).tobytes().hex()
        == "6b2a1e374387c781da52e26b933fff8e6e25ad14570bd6cc719f425e194dc8bba8000d94"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: designs.factorial(25), "1 to 24"),
        (lambda: designs.factorial(12, 20), "it can have 24$"),
        (lambda: designs.factorial(12, 50), "48 or 56"),
        (lambda: designs.leave_one_out(12, 0), "at least 1"),
        (lambda: designs.ladder([0, 0], 1), "each of 0 to 1 once"),
        (lambda: designs.ladder([0, 1], 0), "at least 1"),
    ],
)
def test_what_cant_be_had_says_what_can(make: Callable[[], object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        make()
