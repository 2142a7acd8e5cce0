"""How many runs it takes: half-widths and power of the designs, and a second stage's size."""

import math

import numpy as np
import pytest
from scipy import stats

from bakeoff.errors import RequestError
from bakeoff.stats import designs, intervals, power

K = 12


def test_power_is_tabulated() -> None:
    """STATISTICS 5: runs for +-0.1 point, alone and [simultaneous]."""
    table = {0.1: (32, 48), 0.12: (40, 64), 0.2: (72, 144), 0.3: (152, 304), 0.5: (392, 832)}
    for sigma, (single, together) in table.items():
        assert power.runs_for("factorial", 0.1, sigma, K) == single
        assert power.runs_for("factorial", 0.1, sigma, K, simultaneous=True) == together
    for kind in ("ladder", "leave-one-out"):  # 13 runs a seed, and each technique has a variance of its own
        runs = power.runs_for(kind, 0.1, 0.12, K)
        seeds = runs // 13
        assert runs == 13 * seeds
        half = [stats.t.ppf(0.975, n - 1) * 0.12 * math.sqrt(2 / n) for n in (seeds - 1, seeds)]
        assert half[1] <= 0.1 < half[0]


def test_shared_seeds_narrow_what_they_can() -> None:
    cases: list[tuple[power.Kind, float]] = [("factorial", 0.5), ("ladder", 0.5), ("leave-one-out", 0.5)]
    for kind, factor in cases:
        ratio = power.half_width(kind, 520, 0.2, K, rho=0.5) / power.half_width(kind, 520, 0.2, K)
        assert ratio == pytest.approx(math.sqrt(factor))


@pytest.mark.parametrize("kind", ["factorial", "leave-one-out", "ladder"])
def test_the_runs_it_asks_for_are_enough_and_not_too_many(kind: power.Kind) -> None:
    runs = power.runs_for(kind, 0.15, 0.25, 7)
    assert power.half_width(kind, runs, 0.25, 7) <= 0.15
    fewer = runs - 8
    assert power.half_width(kind, fewer, 0.25, 7) > 0.15


def test_what_is_detectable_is_detected() -> None:
    """The power is what it says, by simulation of the factorial's t statistics."""
    effect = power.least_detectable("factorial", 48, 0.12, K, power=0.8)
    draw = np.random.default_rng(8)
    se = power.standard_error("factorial", 48, 0.12, K)
    s = np.sqrt(draw.chisquare(12, 40_000) / 12)
    t = (effect / se + draw.standard_normal(40_000)) / s
    assert (t > intervals.maximum_modulus(0.95, K, 12)).mean() == pytest.approx(0.8, abs=0.03)


def test_stein_covers_whatever_sigma_is() -> None:
    """The second stage's size depends on the first's noise, the interval keeps its half-width and its coverage."""
    draw = np.random.default_rng(6)
    for sigma in (0.12, 0.5):
        s = sigma * np.sqrt(draw.chisquare(8, 4000) / 8)
        runs = np.array([power.stein(value, 8, 40, 0.1) for value in s])
        assert (runs % 8 == 0).all()
        error = 2 * sigma / np.sqrt(runs) * draw.standard_normal(4000)
        assert (np.abs(error) <= 0.1).mean() > 0.95 - 2 * math.sqrt(0.05 * 0.95 / 4000)


def test_sizes_are_those_of_the_designs() -> None:
    assert power.runs_for("leave-one-out", 9, 0.1, 9) == len(designs.leave_one_out(9, 2))
    assert power.runs_for("factorial", 9, 0.1, 10) == len(designs.factorial(10))
    assert math.isinf(power.half_width("factorial", 24, 0.1, 12))


def test_an_aim_out_of_reach_is_refused() -> None:
    with pytest.raises(RequestError, match="over 1,000,000 runs"):
        power.runs_for("ladder", 0.001, 1.0, K)
