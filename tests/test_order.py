"""The order of examples: complete, a function of position only, for any size, batch and number of copies."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.data.order import Order
from bakeoff.plan import Repeated, Shuffle

sizes, seeds, many = st.integers(1, 40), st.integers(0, 9), st.integers(1, 5)


def sampler(copies: int) -> Shuffle | Repeated:
    return Shuffle() if copies == 1 else Repeated(copies=copies)


@given(sizes, seeds, many, st.integers(1, 4))
def test_every_pass_shows_every_image_and_copy_once(size: int, seed: int, copies: int, passes: int) -> None:
    rows = Order(sampler(copies), size, seed).rows(0, passes * size * copies)
    for number, part in enumerate(rows.split(size * copies)):
        assert part[:, 0].tolist() == [number] * size * copies
        shown = sorted((index, copy) for _, index, copy in part.tolist())
        assert shown == [(index, copy) for index in range(size) for copy in range(copies)]
        assert part[:, 1].reshape(size, copies).eq(part[::copies, 1, None]).all()  # copies stand in a row


@given(sizes, seeds, many, st.integers(0, 100), st.integers(1, 60))
def test_rows_depend_on_position_only(size: int, seed: int, copies: int, start: int, count: int) -> None:
    whole = Order(sampler(copies), size, seed).rows(0, start + count)[start:]
    assert torch.equal(Order(sampler(copies), size, seed).rows(start, start + count), whole)


def test_passes_and_seeds_differ() -> None:
    order = Order(Shuffle(), 50, seed=0)
    first, second = order.rows(0, 100)[:, 1].split(50)
    other = Order(Shuffle(), 50, seed=1).rows(0, 50)[:, 1]
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)
    assert not torch.equal(first, torch.arange(50))  # trap 19: shuffled on a CPU as well


def test_positions_share_no_pattern() -> None:
    """The first image of a pass is uniform over the images."""
    firsts = torch.stack([Order(Shuffle(), 8, seed).rows(0, 1)[0, 1] for seed in range(800)])
    counts = torch.bincount(firsts, minlength=8).double()
    assert ((counts - 100) ** 2 / 100).sum() < 24.3  # chi-squared with 7 degrees of freedom, p = 0.001
