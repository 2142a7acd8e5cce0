"""Bounds from pairs that hold at any look, and one budget of error for all proposals."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.stats import paired, spending
from bakeoff.stats.outcomes import Floats

Draw = np.random.Generator


def coins(draw: Draw, *shape: int) -> Floats:
    return draw.choice([-1.0, 1.0], shape)


@given(
    st.lists(st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=1, max_size=9),
    st.floats(-50, 50),
    st.floats(1e-3, 1e3),
)
def test_a_bound_moves_with_the_differences(values: list[float], shift: float, scale: float) -> None:
    """In other units, and with a gain added to all, it is what it was, in those."""
    order = np.where(np.arange(len(values)) % 3 == 0, 1.0, -1.0)
    difference = np.array(values)
    low = paired.lower_bound(paired.bets(difference, order), 0.05)
    other = paired.lower_bound(paired.bets(scale * (difference + shift), order), 0.05)
    if math.isinf(low):
        assert other == low
    else:
        wide = float(np.ptp(difference)) + 1
        assert other / scale - shift == pytest.approx(low, abs=1e-4 * wide)


def test_capital_falls_as_the_gain_that_is_asked_about_grows() -> None:
    draw = np.random.default_rng(0)
    placed = paired.bets(draw.standard_normal(12), coins(draw, 12))
    capital = [float(paired.log_capital(placed, theta)[-1]) for theta in np.linspace(-3, 3, 50)]
    assert (np.diff(capital) <= 0).all()


def test_a_bet_is_placed_before_its_pair() -> None:
    """What comes later changes nothing of what was bet: one look more costs nothing."""
    draw = np.random.default_rng(1)
    difference, order = draw.standard_normal(20), coins(draw, 20)
    whole = paired.log_capital(paired.bets(difference, order), 0.0)
    for n in (1, 2, 3, 7, 19):
        part = paired.log_capital(paired.bets(difference[:n], order[:n]), 0.0)
        np.testing.assert_allclose(part, whole[:n])


def test_each_bet_is_fair() -> None:
    """Over the coins, of runs that don't know which command they are of, the capital keeps its mean: exactly 1."""
    draw = np.random.default_rng(2)
    first, second = draw.standard_t(2, (2, 8)) + np.array([[0.0], [3.0]]) + np.arange(8)
    every = np.array([[1.0 if number >> bit & 1 else -1.0 for bit in range(8)] for number in range(256)])
    capital = np.exp(paired.log_capital(paired.bets(every * (first - second), every), 0.0))
    np.testing.assert_allclose(capital.mean(axis=0), 1.0)


@pytest.mark.parametrize("noise", ["normal", "heavy", "drift", "steps"])
def test_bounds_hold_at_every_look(noise: str) -> None:
    draw, studies, pairs, gain = np.random.default_rng(3), 2000, 40, 0.7
    slots = draw.standard_t(2, (studies, 2 * pairs)) if noise == "heavy" else draw.standard_normal((studies, 2 * pairs))
    if noise == "drift":
        slots += np.arange(2 * pairs)
    if noise == "steps":
        slots = np.rint(slots)
    order = coins(draw, studies, pairs)
    placed = paired.bets(order * (slots[:, ::2] - slots[:, 1::2]) + gain, order)
    for bets in (placed, paired.Bets(-placed.left, placed.spread)):
        theta = gain if bets is placed else -gain
        reached = paired.log_capital(bets, theta).max(axis=1) >= -math.log(0.05)
        assert reached.mean() < 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)


def test_a_drifting_machine_costs_little() -> None:
    """Each run is better than the one before: what the order does is learned, and told."""
    draw, pairs = np.random.default_rng(4), 30
    slots = draw.standard_normal(2 * pairs) + 5.0 * np.arange(2 * pairs)
    order = coins(draw, pairs)
    candidate, baseline = (np.where(order == side, slots[::2], slots[1::2]) for side in (1.0, -1.0))
    found = paired.standing(baseline, candidate + 2, order, alpha=0.01)
    assert found.gain == pytest.approx(2, abs=1)
    assert found.order == pytest.approx(-5, abs=1)
    assert found.low < 2 < found.high
    assert found.high - found.low < 6


@pytest.mark.parametrize(
    ("gain", "verdict"), [(4.0, "better"), (-4.0, "worse"), (0.0, "no_difference"), (0.5, "undecided")]
)
def test_verdicts(gain: float, verdict: str) -> None:
    draw = np.random.default_rng(5)
    seed, order = draw.standard_normal(16), coins(draw, 16)
    baseline, candidate = (seed + 0.5 * draw.standard_normal(16) for _ in "12")
    found = paired.standing(baseline, candidate + gain, order, alpha=0.002, delta=1.0)
    assert found.verdict == verdict
    assert found.low <= found.gain <= found.high
    assert found.proved <= found.low
    assert found.correlation > 0.5
    more = paired.more_pairs(baseline, candidate + gain, order, alpha=0.002, delta=1.0)
    assert (more == 0) == (verdict != "undecided")


def test_the_same_numbers_are_no_difference_and_need_six_pairs() -> None:
    """A command that ignores chance: known as soon as six coins can be."""
    for pairs in (5, 6):
        same = np.full(pairs, 93.25)
        found = paired.standing(same, same, np.ones(pairs), alpha=0.002)
        assert found.verdict == ("no_difference" if pairs == 6 else "undecided")
        assert (found.low, found.high) == ((0.0, 0.0) if pairs == 6 else (-math.inf, math.inf))


def test_equal_gains_prove_no_more_than_coins_can() -> None:
    same, order = np.full(10, 93.25), np.ones(10)
    assert paired.standing(same, same + 0.25, order, alpha=0.01).verdict == "better"
    assert paired.standing(same, same + 0.25, order, alpha=0.001).verdict == "undecided"
    assert paired.more_pairs(same, same + 0.25, order, alpha=0.001) == 1


def test_before_anything_ran_nothing_is_known() -> None:
    none = np.zeros(0)
    found = paired.standing(none, none, none, alpha=0.01)
    assert (found.verdict, found.low, found.high, found.pairs) == ("undecided", -math.inf, math.inf, 0)
    assert paired.more_pairs(none, none, none, alpha=0.01) is None


def test_a_forecast_is_about_right() -> None:
    draw = np.random.default_rng(6)
    order, noise = coins(draw, 400), draw.standard_normal((2, 400))
    found = [
        paired.more_pairs(noise[0, :12], noise[1, :12] + gain, order[:12], alpha=0.002, delta=0.1)
        for gain in (0.8, 1.6, 3.0)
    ]
    known = [each for each in found if each is not None]
    assert len(known) == 3
    assert known == sorted(known, reverse=True)


def test_shares_of_proposals_never_sum_to_more_than_the_budget() -> None:
    shares: list[float] = []
    for _ in range(3000):
        shares.append(spending.next_share(shares))
    assert sum(shares) < spending.BUDGET
    assert sum(shares) > 0.99 * spending.BUDGET
    k, ahead = np.arange(1, 3001), spending.AHEAD
    np.testing.assert_allclose(shares, spending.BUDGET * ahead / ((k + ahead - 1) * (k + ahead)))


@given(st.lists(st.booleans(), max_size=60))
def test_a_kept_proposal_gives_its_share_back(kept: list[bool]) -> None:
    unkept: list[float] = []
    for each in kept:
        share = spending.next_share(unkept)
        assert share > 0
        if not each:
            unkept.append(share)
        else:
            assert spending.next_share(unkept) == share
    assert sum(unkept) <= spending.BUDGET
