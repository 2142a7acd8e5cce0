"""Stopping rules and multiplicity: T9 to T11 of the specification, the tabulated bounds, power."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from bakeoff.errors import RequestError
from bakeoff.stats import designs, distributions, intervals, power, stopping

K = 12
BLOCKS = (0.4, 0.6, 0.8, 1.0)  # looks after 2 to 5 blocks of 24 runs
REPEATS = 20_000


def looks(effect: float, sigma: float, seed: int) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Per look the estimates (REPEATS, K) with their standard errors (REPEATS, 1), and the degrees of freedom.

    A block of 24 runs gives 12 orthogonal half differences, each an effect with an sd of 2 sigma / sqrt(24); what
    differs between blocks is the residual.
    """
    draw = np.random.default_rng(seed)
    blocks = effect + 2 * sigma / np.sqrt(24) * draw.standard_normal((5, REPEATS, K))
    found = []
    for count in (2, 3, 4, 5):
        part = blocks[:count]
        df = K * (count - 1)
        spread = np.sqrt(np.square(part - part.mean(axis=0)).sum(axis=(0, 2)) / df / count)
        found.append((part.mean(axis=0), spread[:, None], df))
    return found


def share(crossed: np.ndarray) -> float:
    return float(crossed.any(axis=1).mean())


def test_t9_obrien_fleming_keeps_the_familywise_error() -> None:
    bounds = stopping.obrien_fleming(BLOCKS, 0.05 / K)
    crossed = np.zeros((REPEATS, K), bool)
    for (estimate, se, df), bound in zip(looks(0, 0.3, 9), bounds, strict=True):
        crossed |= np.abs(estimate / se) > stopping.t_bound(bound, df)
    assert 0.03 < share(crossed) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / REPEATS)


def test_t9_the_e_process_keeps_it_at_unplanned_looks() -> None:
    crossed = np.zeros((REPEATS, K), bool)
    for (estimate, se, df), blocks in zip(looks(0, 0.3, 9), (2, 3, 4, 5), strict=True):
        crossed |= intervals.log_e_value(estimate / se, df, 6 * blocks, (0.2 / 0.3) ** 2) > math.log(K / 0.05)
    assert 0 < share(crossed) < 0.02


def test_t10_uncorrected_peeking_is_caught() -> None:
    """Negative control: Bonferroni at each look alone rejects far too often."""
    crossed = np.zeros((REPEATS, K), bool)
    for estimate, se, df in looks(0, 0.3, 9):
        crossed |= np.abs(estimate / se) > intervals.t_quantile(1 - 0.05 / K, df)
    assert share(crossed) > 0.1


@pytest.mark.parametrize("sigma", [0.12, 0.3])
def test_t11_what_is_worth_having_is_seldom_dropped(sigma: float) -> None:
    dropped = np.zeros((REPEATS, K), bool)
    bounds = stopping.obrien_fleming(BLOCKS, 0.05 / K, sides=1)
    for (estimate, se, df), bound in zip(looks(stopping.DELTA_MIN, sigma, 11), bounds, strict=True):
        dropped |= estimate + stopping.t_bound(bound, df) * se < stopping.DELTA_MIN
    assert 0.03 < share(dropped) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / REPEATS)
    assert dropped.mean() < 1.5 * 0.05 / K


def test_decide_is_the_rule_that_was_simulated() -> None:
    bound = stopping.t_bound(stopping.obrien_fleming(BLOCKS, 0.05 / 3)[1], 24)
    lower = stopping.t_bound(stopping.obrien_fleming(BLOCKS, 0.05 / 3, sides=1)[1], 24)
    gains = [bound * 0.04 * 1.01, bound * 0.04 * 0.99, 0.05 - lower * 0.04 * 1.01]
    assert stopping.decide(gains, [0.04] * 3, 24, 1, BLOCKS) == ["keep", "go on", "drop"]


TABULATED = [  # STATISTICS 7, by Monte Carlo there
    ((0.25, 0.5, 0.75, 1.0), 0.05, 2, (4.049, 2.863, 2.337, 2.024)),
    (BLOCKS, 0.05, 2, (3.215, 2.625, 2.274, 2.034)),
    (BLOCKS, 0.05 / 12, 2, (4.552, 3.717, 3.219, 2.879)),
    (BLOCKS, 0.05 / 12, 1, (4.233, 3.456, 2.993, 2.677)),
]


@pytest.mark.parametrize(("information", "alpha", "sides", "tabulated"), TABULATED)
def test_bounds_are_those_of_the_specification(
    information: tuple[float, ...], alpha: float, sides: int, tabulated: tuple[float, ...]
) -> None:
    assert stopping.obrien_fleming(information, alpha, sides=sides) == pytest.approx(tabulated, rel=0.008)


@pytest.mark.parametrize(("information", "alpha", "sides"), [row[:3] for row in TABULATED])
def test_bounds_agree_with_monte_carlo(information: tuple[float, ...], alpha: float, sides: int) -> None:
    steps = np.diff([0.0, *information])
    z = np.cumsum(np.random.default_rng(4).standard_normal((400_000, len(steps))) * np.sqrt(steps), axis=1)
    z /= np.sqrt(information)
    crossed = (np.abs(z) if sides == 2 else z) > stopping.obrien_fleming(information, alpha, sides=sides)
    assert abs(share(crossed) - alpha) < 4 * math.sqrt(alpha / 400_000)


def test_maximum_modulus_is_tabulated() -> None:
    quantiles = [intervals.maximum_modulus(0.95, 12, df) for df in (12, 20, 30, 60, math.inf)]
    assert quantiles == pytest.approx([3.43, 3.19, 3.08, 2.96, 2.86], abs=0.006)
    assert intervals.maximum_modulus(0.95, 1, 7) == pytest.approx(intervals.t_quantile(0.95, 7))


@pytest.mark.parametrize("df", [3, 12, math.inf])
def test_dunnett_agrees_with_monte_carlo(df: float) -> None:
    draw = np.random.default_rng(5)
    count, loadings = 200_000, (0.3, 0.5, 0.7, 0.7)
    shared, own = draw.standard_normal((count, 1)), draw.standard_normal((count, 4))
    t = np.array(loadings) * shared + np.sqrt(1 - np.square(loadings)) * own
    if math.isfinite(df):
        t /= np.sqrt(draw.chisquare(df, (count, 1)) / df)
    c = intervals.simultaneous_quantile(0.95, loadings, df)
    assert abs((np.abs(t).max(axis=1) > c).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / count)
    assert intervals.t_quantile(0.95, df) < c < intervals.maximum_modulus(0.95, 4, df)


@given(st.floats(0, 40), st.sampled_from([1.0, 5.0, 30.0, math.inf]))
def test_adjusted_p_lies_between_one_and_all(t: float, df: float) -> None:
    single = 2 * stats.t.sf(t, df)
    adjusted = intervals.adjusted_p(t, (0.0,) * K, df)
    tiny = 1e-300  # where floats lose their precision
    assert single * (1 - 1e-9) - tiny <= adjusted <= min(1.0, K * single) * (1 + 1e-3) + tiny


@given(st.floats(0.01, 0.2), st.floats(2, 500), st.floats(1, 100), st.floats(0.05, 10))
def test_the_always_valid_interval_inverts_the_e_process(alpha: float, df: float, n_e: float, g: float) -> None:
    edge = intervals.always_valid_quantile(alpha, df, n_e, g)
    if math.isinf(edge):
        assert intervals.log_e_value(1e9, df, n_e, g) <= math.log(1 / alpha)
    else:
        assert intervals.log_e_value(edge, df, n_e, g) == pytest.approx(math.log(1 / alpha), rel=1e-6)


def test_an_e_value_averages_to_one_without_an_effect() -> None:
    mean, _ = integrate.quad(
        lambda t: math.exp(intervals.log_e_value(t, 7, 10, 2)) * stats.t.pdf(t, 7), -math.inf, math.inf
    )
    assert mean == pytest.approx(1, abs=1e-6)


def test_noise_far_above_what_effects_are_leaves_an_interval() -> None:
    noisy, usual = (intervals.Family(0.95, (0.0,) * K, unplanned=True).quantiles(20, 13.5, sd) for sd in (5.0, 0.5))
    assert noisy == usual
    assert 3 < noisy[0] < noisy[1] < 5


def test_power_is_tabulated() -> None:
    """STATISTICS 5: runs for +-0.1 point, alone and [simultaneous]."""
    table = {0.1: (32, 48), 0.12: (40, 64), 0.2: (72, 144), 0.3: (152, 304), 0.5: (392, 832)}
    for sigma, (single, together) in table.items():
        assert power.runs_for("factorial", 0.1, sigma, K) == single
        assert power.runs_for("factorial", 0.1, sigma, K, simultaneous=True) == together
    ladder = {0.1: (104, 221), 0.12: (156, 312), 0.2: (403, 858), 0.3: (910, 1924), 0.5: (2509, 5317)}
    for sigma, (single, together) in ladder.items():
        assert power.runs_for("ladder", 0.1, sigma, K) == single
        assert power.runs_for("ladder", 0.1, sigma, K, simultaneous=True) == together
    loo = {0.1: 93, 0.12: 124, 0.2: 310, 0.3: 696, 0.5: 1918}
    assert {sigma: power.runs_for("leave-one-out", 0.1, sigma, K) for sigma in loo} == loo


def test_shared_seeds_narrow_what_they_can() -> None:
    cases: list[tuple[power.Kind, float]] = [("factorial", 0.5), ("ladder", 0.5), ("leave-one-out", 1)]
    for kind, factor in cases:
        ratio = power.half_width(kind, 520, 0.2, K, rho=0.5) / power.half_width(kind, 520, 0.2, K)
        assert ratio == pytest.approx(math.sqrt(factor))


@pytest.mark.parametrize("kind", ["factorial", "leave-one-out", "ladder"])
def test_the_runs_it_asks_for_are_enough_and_not_too_many(kind: power.Kind) -> None:
    runs = power.runs_for(kind, 0.15, 0.25, 7)
    assert power.half_width(kind, runs, 0.25, 7) <= 0.15
    fewer = runs - {"factorial": 8, "leave-one-out": 7, "ladder": 8}[kind]
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
    assert power.runs_for("leave-one-out", 9, 0.1, 9) == len(designs.leave_one_out(9, 1))
    assert power.runs_for("factorial", 9, 0.1, 10) == len(designs.factorial(10))


def test_an_aim_out_of_reach_is_refused() -> None:
    with pytest.raises(RequestError, match="over 1,000,000 runs"):
        power.runs_for("ladder", 0.001, 1.0, K)


@pytest.mark.parametrize("df", [1, 2.5, 4, 30, 1e4, math.inf])
def test_distributions_are_those_of_scipy(df: float) -> None:
    for p in (1e-9, 0.025, 0.5, 0.8, 0.999):
        assert distributions.t_ppf(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-9, abs=1e-12)
        assert distributions.normal_ppf(p) == pytest.approx(stats.norm.ppf(p), rel=1e-12, abs=1e-12)
    for t in (-3.0, 0.0, 2.0, 12.0):
        assert distributions.t_sf(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-9)
        assert distributions.normal_sf(t) == pytest.approx(stats.norm.sf(t), rel=1e-12)
    if not math.isinf(df):
        shares = np.array([0.01, 0.5, 0.99])
        np.testing.assert_allclose(distributions.chi2_ppf(shares, df), stats.chi2.ppf(shares, df), rtol=1e-9)
