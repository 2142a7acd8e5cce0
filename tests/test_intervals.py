"""Intervals for one technique, for all, and for whoever looks before the end: T9 and T10 of the specification."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from bakeoff.stats import distributions, intervals

K = 12
REPEATS = 20_000


def looks() -> list[tuple[np.ndarray, np.ndarray, int]]:
    """Per look the estimates (REPEATS, K) with their standard errors (REPEATS, 1), and the degrees of freedom.

    The looks are after 2 to 5 blocks of 24 runs, where nothing has an effect. A block gives 12 orthogonal half
    differences, each an effect with an sd of 2 sigma / sqrt(24), sigma being 0.3; what differs between blocks is the
    residual.
    """
    draw = np.random.default_rng(9)
    blocks = 2 * 0.3 / np.sqrt(24) * draw.standard_normal((5, REPEATS, K))
    found = []
    for count in (2, 3, 4, 5):
        part = blocks[:count]
        df = K * (count - 1)
        spread = np.sqrt(np.square(part - part.mean(axis=0)).sum(axis=(0, 2)) / df / count)
        found.append((part.mean(axis=0), spread[:, None], df))
    return found


def share(crossed: np.ndarray) -> float:
    return float(crossed.any(axis=1).mean())


def test_t9_the_e_process_keeps_it_at_unplanned_looks() -> None:
    crossed = np.zeros((REPEATS, K), bool)
    for (estimate, se, df), blocks in zip(looks(), (2, 3, 4, 5), strict=True):
        crossed |= intervals.log_e_value(estimate / se, df, 6 * blocks, (0.2 / 0.3) ** 2) > math.log(K / 0.05)
    assert 0 < share(crossed) < 0.02


def test_t10_uncorrected_peeking_is_caught() -> None:
    """Negative control: Bonferroni at each look alone rejects far too often."""
    crossed = np.zeros((REPEATS, K), bool)
    for estimate, se, df in looks():
        crossed |= np.abs(estimate / se) > intervals.t_quantile(1 - 0.05 / K, df)
    assert share(crossed) > 0.1


def test_maximum_modulus_is_tabulated() -> None:
    quantiles = [intervals.maximum_modulus(0.95, 12, df) for df in (12, 20, 30, 60, math.inf)]
    assert quantiles == pytest.approx([3.43, 3.19, 3.08, 2.96, 2.86], abs=0.006)
    assert intervals.maximum_modulus(0.95, 1, 7) == pytest.approx(intervals.t_quantile(0.95, 7))


@pytest.mark.parametrize("own", [0, 2, 5])
def test_variances_of_their_own_and_pooled_ones_hold_together(own: int) -> None:
    """Five estimates, `own` of them with a variance each: all intervals hold in 95 of 100 tables."""
    draw, count, df = np.random.default_rng(5), 200_000, 7
    family = intervals.Family(0.95, 5 - own, own)
    s = np.sqrt(draw.chisquare(df, (count, 5)) / df)
    s[:, own:] = s[:, -1:]
    t = np.abs(draw.standard_normal((count, 5)) / s)
    wide = np.array([family.quantiles(df, 10, 1.0, own=index < own)[1] for index in range(5)])
    assert abs((t <= wide).all(axis=1).mean() - 0.95) < 4 * math.sqrt(0.05 * 0.95 / count)
    edge = [family.p_values(value, df, 10, 1.0, own=index < own)[1] for index, value in enumerate(wide)]
    assert all(p <= 0.05 + 1e-6 for p in edge)


@given(st.floats(0, 40), st.sampled_from([1.0, 5.0, 30.0, math.inf]))
def test_adjusted_p_lies_between_one_and_all(t: float, df: float) -> None:
    single = 2 * stats.t.sf(t, df)
    adjusted = intervals.adjusted_p(t, K, df)
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
    noisy, usual = (intervals.Family(0.95, K, unplanned=True).quantiles(20, 13.5, sd) for sd in (5.0, 0.5))
    assert noisy == usual
    assert 3 < noisy[0] < noisy[1] < 5


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
