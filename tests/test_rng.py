"""Randomness: uniform, independent, the same everywhere, and nobody else's business."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bakeoff import rng


def rows(count: int, number: int = 0, copy: int = 0) -> torch.Tensor:
    index = torch.arange(count)
    return torch.stack([torch.full_like(index, number), index, torch.full_like(index, copy)], dim=1)


def splitmix(value: int) -> int:
    """SplitMix64's finalizer in Python integers."""
    mask = 2**64 - 1
    value &= mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


@given(seed=st.integers(0, 2**63), row=st.tuples(*[st.integers(0, 2**40)] * 3), lanes=st.integers(1, 5))
def test_draws_equal_a_slow_reference(seed: int, row: tuple[int, int, int], lanes: int) -> None:
    golden = 0x9E3779B97F4A7C15
    state = rng.key(seed, "augment", "flip")
    for counter in row:
        state = splitmix(state + golden + counter)
    expected = [(splitmix(state + lane * golden) >> 40) / 2**24 for lane in range(1, lanes + 1)]
    assert rng.Draws(seed, torch.tensor([row]))("flip", lanes)[0].tolist() == expected


def test_draws_are_pinned() -> None:
    """Other numbers here mean other results for every seed: raise ENGINE_VERSION."""
    draws = rng.Draws(0, rows(2))("horizontal_flip", 2)
    assert (draws * 2**24).int().tolist() == [[4661086, 4808501], [16628338, 5457754]]


def test_draws_are_uniform_and_uncorrelated() -> None:
    draws = rng.Draws(7, rows(50_000))("crop", 3).numpy()
    for lane in draws.T:
        assert stats.kstest(lane, "uniform").pvalue > 1e-3
    other = rng.Draws(7, rows(50_000))("flip", 1).numpy()
    later = rng.Draws(7, rows(50_000, number=1))("crop", 1).numpy()
    copied = rng.Draws(7, rows(50_000, copy=1))("crop", 1).numpy()
    seeded = rng.Draws(8, rows(50_000))("crop", 1).numpy()
    columns = np.hstack([draws, other, later, copied, seeded, np.roll(draws[:, :1], 1, axis=0)])
    correlation = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlation).max() < 4.5 / np.sqrt(50_000)


def test_a_row_does_not_depend_on_the_batch() -> None:
    whole = rng.Draws(3, rows(64))("erase", 4)
    parts = torch.cat([rng.Draws(3, part)("erase", 4) for part in rows(64).split(5)])
    assert torch.equal(whole, parts)


def test_keys_tell_types_and_boundaries_apart() -> None:
    assert len({rng.key(1, "a"), rng.key("1", "a"), rng.key("1a"), rng.key("1", "a", ""), rng.key("a", 1)}) == 5


def test_seed_zero_is_a_seed() -> None:
    """Trap 12."""
    assert rng.key(0, "init") != rng.key(1, "init")
    with rng.torch_seeded(0, "init"):
        first = torch.rand(4)
    with rng.torch_seeded(0, "init"):
        assert torch.equal(first, torch.rand(4))


@pytest.mark.parametrize(
    "use", [lambda: rng.generator(1, "order", 0).permutation(9), lambda: rng.Draws(1, rows(3))("x", 1)]
)
def test_global_generators_are_left_alone(use) -> None:
    torch.manual_seed(5)
    state, numpy_state = torch.get_rng_state(), np.random.get_state(legacy=True)
    use()
    with rng.torch_seeded(1, "init"):
        torch.rand(3)
    assert torch.equal(state, torch.get_rng_state())
    assert str(numpy_state) == str(np.random.get_state(legacy=True))
