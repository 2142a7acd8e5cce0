"""Noise and its parts, and intervals for other images: T7, T8, T14 of the specification."""

import math

import numpy as np
import pytest
from scipy import stats

from bakeoff.stats import designs, effects, noise
from bakeoff.stats.outcomes import Floats, Runs
from tests.worlds import K, classified, pack


def two_configurations(draw: np.random.Generator, replicates: int, sigma_d: float, gain: float, n: int) -> Runs:
    """One technique, off and on, on images drawn anew; its effect differs between images with an sd of 0.075."""
    off = draw.beta(6, 1.5, n).clip(0.1, 0.9)
    on = off + gain / 100 + draw.normal(0, 0.075, n).clip(-0.09, 0.09)
    hits = np.concatenate([classified(chance, sigma_d, draw, replicates) for chance in (off, on)])
    levels = np.repeat([[False], [True]], replicates, axis=0)
    return Runs.collect(levels, 100 * hits.mean(axis=1), np.arange(2 * replicates), pack(hits))


@pytest.mark.slow
@pytest.mark.parametrize("sigma_d", [0.05, 0.3])
@pytest.mark.parametrize("replicates", [3, 10])
def test_t7_crossed_intervals_cover_the_population(replicates: int, sigma_d: float) -> None:
    draw, inside = np.random.default_rng(7), []
    for _ in range(500):
        runs = two_configurations(draw, replicates, sigma_d, 0.4, 2000)
        (effect,) = effects.switched(runs, ["it"], np.array([True]))
        inside.append(effect.population_low <= 0.4 <= effect.population_high)
    assert 0.93 < np.mean(inside) <= 0.99


def test_population_variance_is_that_of_the_crossed_layout() -> None:
    """STATISTICS 4.4 written out for two configurations, image by image and run by run."""
    runs = two_configurations(np.random.default_rng(3), 4, 1.0, 0.4, 500)
    assert runs.hits is not None
    z = 100.0 * np.unpackbits(runs.hits.packed[:, 0], axis=-1, count=500).reshape(2, 4, 500)  # off, on; run; image
    n, count = 500, 4
    difference = z[1].mean(axis=0) - z[0].mean(axis=0)
    residual = z - z.mean(axis=1, keepdims=True) - z.mean(axis=2, keepdims=True) + z.mean(axis=(1, 2), keepdims=True)
    example = np.square(residual).sum() / (2 * (count - 1) * (n - 1))
    of_means = z.mean(axis=2).var(axis=1, ddof=1) / count
    between = of_means.sum()
    per_image = difference.var(ddof=1) / n
    variance = per_image + max(0.0, between - 2 * example / (n * count))
    df = variance**2 / (np.square(of_means).sum() / (count - 1) + per_image**2 / (n - 1))
    (effect,) = effects.switched(runs, ["it"], np.array([True]))
    assert between > 2 * example / (n * count), "the case that matters"
    assert effect.se == pytest.approx(math.sqrt(between), rel=1e-6)
    half = stats.t.ppf(0.975, df) * math.sqrt(variance)
    assert effect.population_high - effect.gain_pp == pytest.approx(half, rel=1e-4)


@pytest.mark.slow
def test_t7_population_intervals_of_a_factorial_cover() -> None:
    draw, inside, conditional = np.random.default_rng(77), [], []
    for seed in range(300):
        design = designs.factorial(4, 32, seed=seed)
        gains = np.array([0.4, -0.2, 0.0, 0.1]) / 100 + draw.normal(0, 0.05, (1000, 4))
        chance = 0.7 + (design.levels - 0.5) @ gains.T
        hits = draw.random(chance.shape, dtype=np.float32) < chance + draw.normal(0, 0.003, (len(design), 1))
        runs = Runs.collect(design.levels, 100 * hits.mean(axis=1), design.block, pack(hits))
        for effect, true in zip(effects.averaged(runs, list("abcd")), (0.4, -0.2, 0.0, 0.1), strict=True):
            inside.append(effect.population_low <= true <= effect.population_high)
            conditional.append(effect.low <= true <= effect.high)
    assert 0.93 < np.mean(inside) <= 0.99
    assert np.mean(conditional) < np.mean(inside) - 0.01


def test_t8_mcnemar_on_single_runs_is_caught() -> None:
    """Negative control: the per-example interval of one run each ignores that runs differ in quality."""
    draw, inside = np.random.default_rng(8), []
    for _ in range(1500):
        off = draw.beta(6, 1.5, 5000).clip(0.1, 0.9)
        on = off + 0.004 + draw.normal(0, 0.075, 5000).clip(-0.09, 0.09)
        difference = 100.0 * (classified(on, 0.3, draw, 1)[0].astype(float) - classified(off, 0.3, draw, 1)[0])
        inside.append(abs(difference.mean() - 0.4) < 1.96 * difference.std() / math.sqrt(5000))
    assert np.mean(inside) < 0.94


def replicates(chance: Floats, sigma_d: float, draw: np.random.Generator, count: int) -> noise.Noise:
    hits = classified(chance, sigma_d, draw, count)
    levels = np.zeros((count, 2), bool)
    return noise.measure(Runs.collect(levels, 100 * hits.mean(axis=1), np.arange(count), pack(hits)))


def test_t14_churn_of_one_pair() -> None:
    draw = np.random.default_rng(14)
    chance = draw.beta(4, 0.7, 10_000)
    truth = 100 * math.sqrt((chance * (1 - chance)).sum()) / 10_000
    found = np.array([replicates(chance, 0.0, draw, 2).churn for _ in range(200)])
    assert found.std() / truth < 0.05
    assert abs(found.mean() / truth - 1) < 0.03


def test_churn_of_a_pair_is_the_share_of_images_that_changed() -> None:
    draw = np.random.default_rng(1)
    hits = draw.random((2, 999)) < 0.8
    runs = Runs.collect(np.zeros((2, 1)), 100 * hits.mean(axis=1), [0, 1], pack(hits))
    assert noise.measure(runs).churn ** 2 == pytest.approx(1e4 * (hits[0] != hits[1]).mean() / (2 * 999), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sigma_d", [0.0, 0.034, 0.1, 0.2])
def test_t14_distribution_wise_variance_is_unbiased(sigma_d: float) -> None:
    draw, n = np.random.default_rng(15), 10_000
    chance = draw.beta(6, 1.5, n).clip(0.05, 0.95)
    found = []
    for _ in range(150):
        measured = replicates(chance, sigma_d, draw, 8)
        found.append(noise.distribution_variance(measured.replicate.value, measured.churn**2, n))
    assert abs(np.mean(found) - sigma_d**2) < 3 * np.std(found) / math.sqrt(150)


def test_halves_of_the_images_agree_with_the_replicates() -> None:
    """A factorial without replicates knows both parts of its noise from the odd space."""
    draw = np.random.default_rng(3)
    design = designs.factorial(K, 400)
    chance = draw.uniform(0.6, 0.9, 3000)
    hits = classified(chance, 0.8, draw, 400)
    runs = Runs.collect(design.levels, 100 * hits.mean(axis=1), design.block, pack(hits))
    found = noise.measure(runs)
    churn = 100 * math.sqrt((chance * (1 - chance)).mean() / 3000)
    residual_only = noise.measure(only_first(runs))
    assert residual_only.replicate.df == 0
    for part in (found, residual_only):
        assert part.source == "design residual"
        assert part.churn == pytest.approx(churn, rel=0.02)
        assert part.distribution == pytest.approx(0.8, rel=0.2)
        assert part.sigma == pytest.approx(math.hypot(churn, 0.8), rel=0.2)


def only_first(runs: Runs) -> Runs:
    """Without the fold pairs that replicate another, in one direction or the other."""
    first, second = runs.fold_pairs
    _, kept = np.unique(np.minimum(runs.cell[first], runs.cell[second]), return_index=True)
    rows = np.concatenate([first[kept], second[kept]])
    hits = None if runs.hits is None else runs.hits[rows]
    return Runs.collect(runs.levels[rows], runs.acc[rows, 0], runs.block[rows], hits)


def test_seed_correlation_is_recovered() -> None:
    draw = np.random.default_rng(4)
    levels, block = np.repeat(np.eye(6, dtype=bool), 40, axis=0), np.tile(np.arange(40), 6)
    shared = draw.standard_normal(40)[block]
    y = 80 + math.sqrt(0.6) * shared + math.sqrt(0.4) * draw.standard_normal(240)
    assert noise.measure(Runs.collect(levels, y, block)).rho == pytest.approx(0.6, abs=0.12)
    alone = noise.measure(Runs.collect(levels[:3], y[:3], block[:3]))
    assert alone.rho is None
    assert alone.shrinks_most is None
    assert alone.source == "replicates"


@pytest.mark.parametrize(("sigma_d", "advice"), [(0.0, "evaluation images"), (2.0, "seeds")])
def test_advice_follows_the_larger_part(sigma_d: float, advice: str) -> None:
    found = replicates(np.random.default_rng(1).uniform(0.4, 0.8, 1000), sigma_d, np.random.default_rng(2), 60)
    assert found.shrinks_most == advice
    assert (found.width_with_images(2) < 0.75) == (advice == "evaluation images")
    assert found.width_with_runs(4) == 0.5


def test_few_degrees_of_freedom_lean_on_the_churn() -> None:
    known = noise.Variance(1.0, 12)
    assert noise.with_churn(known, 5.0) == known
    assert noise.with_churn(noise.Variance(), 0.5) == noise.Variance(0.5, math.inf)
    assert noise.with_churn(noise.Variance(2.0, 2), 0.5) == noise.Variance(2.0, 2)
    assert noise.with_churn(noise.Variance(0.25, 2), 0.5) == noise.Variance(0.5, 8)
    assert noise.with_churn(known, math.nan) == known


def test_sums_of_bits_are_those_of_unpacked_hits() -> None:
    draw = np.random.default_rng(3)
    hits = draw.random((7, 2, 2, 21)) < 0.8  # the last byte is not full
    runs = Runs.collect(np.zeros((7, 1)), 100 * hits.mean(axis=-1), np.arange(7), pack(hits))
    assert runs.hits is not None
    plain = np.unpackbits(runs.hits.packed, axis=-1, count=21).astype(float)
    rows = np.array([5, 0, 3])
    for views in (
        runs.view_average(),
        runs.view_at(np.array([True, False])),
        runs.view_effect(0),
        runs.view_effect(1, np.array([True, True])),
        np.array([0.5, -0.25, 0.0, 0.125]),
        draw.choice([0.0, 0.5, -1.0], (3, 4)),
        np.zeros(4),
    ):
        expected = (np.broadcast_to(views, (3, 4))[:, :, None] * plain[rows]).sum(axis=1)
        sums, unit = runs.hits.sums([(rows, views)])
        np.testing.assert_array_equal(unit * sums, expected.astype(np.float32))
        less = runs.hits.sums([(rows, views), (rows[::-1], -views)])
        np.testing.assert_array_equal(less[1] * less[0], (expected - expected[::-1]).astype(np.float32))


def test_what_is_remembered_is_of_these_runs_and_views() -> None:
    draw = np.random.default_rng(4)
    design = designs.factorial(4, 32)
    first, second = (Runs.collect(design.levels, 90 + draw.normal(0, 0.1, (32, 2)), design.block) for _ in range(2))
    found = [noise.measure(r, v) for r in (first, second) for v in (None, np.array([1.0, 0.0]), np.array([0.0, 1.0]))]
    assert len({value.sigma for value in found}) == 6
    assert noise.measure(first, first.view_average()) == found[0]


def test_churn_of_more_runs_than_a_byte_counts() -> None:
    draw = np.random.default_rng(5)
    hits = draw.random((600, 2, 2, 21)) < 0.8
    levels = np.repeat([[False], [True]], 300, axis=0)
    runs = Runs.collect(levels, 100 * hits.mean(axis=-1), np.arange(600), pack(hits))
    for views in (runs.view_average(), runs.view_at(np.array([True, False]))):
        z = np.einsum("nvi,v->ni", hits.reshape(600, 4, 21), views)
        churn = 100**2 * np.mean([z[:300].var(axis=0, ddof=1), z[300:].var(axis=0, ddof=1)], axis=0).sum() / 21**2
        assert noise.measure(runs, views).churn ** 2 == pytest.approx(churn)
