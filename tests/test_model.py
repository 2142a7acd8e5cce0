"""The Gaussian process of all runs: it is what it says, and T13 of the specification."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bakeoff.stats import designs, effects, interactions
from bakeoff.stats import surrogate as model
from bakeoff.stats.outcomes import Bools, Floats, Ints
from tests.worlds import NAMES, ON, K, additive, measured, scattered, structured, unstructured


def hybrid(k: int, seed: int) -> designs.Design:
    """A folded factorial, 4 runs of the recipe, 2 of each toggle: 52 runs."""
    block = designs.factorial(k, seed=seed)
    toggles = np.repeat(ON ^ np.eye(k, dtype=bool), 2, axis=0)
    levels = np.vstack([block.levels, np.tile(ON, (4, 1)), toggles])
    return designs.Design("toggles", levels, np.concatenate([block.block, 100 + np.arange(28)]), seed)


def near(count: int, draw: np.random.Generator) -> designs.Design:
    """What a search leaves: random configurations that differ from the recipe in a technique or two or three."""
    return designs.Design("toggles", ON ^ (draw.random((count, K)) < 0.15), np.arange(count), 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hybrid", "near"])
def test_t13_the_model_covers_and_beats_leave_one_out(kind: str) -> None:
    """Coverage on average over the three kinds of worlds; the error in each."""
    draw, inside = np.random.default_rng(13), []
    rows = model.features(ON[None]) - model.features(ON ^ np.eye(K, dtype=bool))
    for make in (structured, unstructured, additive):
        errors = []
        for seed in range(25):
            world = make(draw)
            design = hybrid(K, seed) if kind == "hybrid" else near(52, draw)
            runs = measured(world, design, 0.12, draw)
            belief = model.fit(runs.levels, runs.acc[:, 0], sigma=0.12, df=math.inf).coefficients(rows)
            errors.append(belief.mean - world.beside(ON))
            inside.append(np.abs(errors[-1]) <= 1.96 * belief.sd)
        direct = 0.12 * math.sqrt(2 / 4)  # leave-one-out with 4 runs of everything, 52 in all
        assert np.sqrt(np.mean(np.square(errors))) <= 1.1 * direct
    assert 0.91 < np.mean(inside) < 0.99


@pytest.mark.slow
def test_the_model_learns_its_noise() -> None:
    """`modelled` covers when sigma comes from the runs themselves, and notes what the direct runs contradict."""
    draw, inside = np.random.default_rng(14), []
    for seed in range(12):
        world = structured(draw)
        runs = measured(world, hybrid(K, seed), 0.12, draw)
        fitted = effects.surface(runs, np.ones(1))
        table = effects.modelled(runs, NAMES, ON, fitted)
        truth = world.beside(ON)
        inside += [effect.low <= true <= effect.high for effect, true in zip(table, truth, strict=True)]
        assert {(effect.runs, effect.direct_runs, effect.method) for effect in table} == {(52, 7, "model")}
    assert 0.9 < np.mean(inside) <= 1
    far = [replace(effect, gain_pp=effect.gain_pp + 5) for effect in table]
    assert all("lack of fit" in effect.note for effect in effects.modelled(runs, NAMES, ON, fitted, direct=far))


def kernel(one: Bools, other: Bools, scales: model.Scales) -> Floats:
    """STATISTICS 4.3, as a polynomial in s = x.x'."""
    s, k = np.where(one, 1.0, -1.0) @ np.where(other, 1.0, -1.0).T, one.shape[1]
    pairs, triples = (s**2 - k) / 2, (s**3 - (3 * k - 2) * s) / 6
    return np.asarray(model.FLAT**2 + scales.main**2 * s + scales.pair**2 * pairs + scales.triple**2 * triples)


def orders(k: int) -> Ints:
    return np.array([len(term) for term in model.terms(k)])


@pytest.mark.parametrize("count", [30, 120])
@pytest.mark.parametrize("shared", [False, True])
def test_the_surface_is_that_gaussian_process(count: int, shared: bool) -> None:
    """Against the kernel form, inverted whole, with fewer and with more runs than coefficients."""
    draw, k = np.random.default_rng(count), 6
    levels, block = draw.random((count, k)) < 0.5, draw.integers(0, 10, count) if shared else np.arange(count)
    mains, triples, df = (0.1, 0.3), (0.0, 0.02), 5.0
    y = 80 + model.features(levels) @ (model.Scales(0.2, 0.2, 0.05).prior_sd(orders(k)) * draw.standard_normal(42))
    y += 0.15 * draw.standard_normal(10)[block % 10] + 0.2 * draw.standard_normal(count)
    surface = model.fit(levels, y, block, sigma=0.2, df=df, priors=model.Priors(mains, (0.05,), triples))
    points, weights = draw.random((5, k)) < 0.5, draw.normal(size=(3, 5))
    logs, means, variances = [], [], []
    factors = 2.0 ** np.linspace(-1, 1, 7)
    for rho, factor, main, triple in itertools.product(model.SHARED if shared else (0.0,), factors, mains, triples):
        scales = model.Scales(0.2, main, 0.05, triple, rho)
        error = (0.2 * factor) ** 2 * ((1 - rho) * np.eye(count) + rho * (block[:, None] == block))
        covariance = kernel(levels, levels, scales) + error
        inverse, cross = np.linalg.inv(covariance), weights @ kernel(points, levels, scales)
        means.append(cross @ inverse @ (y - y.mean()) + weights.sum(axis=1) * y.mean())
        variances.append(np.diag(weights @ kernel(points, points, scales) @ weights.T - cross @ inverse @ cross.T))
        log = stats.multivariate_normal.logpdf(y - y.mean(), cov=covariance)
        log += stats.chi2.logpdf(df / factor**2, df) - math.log(factor**2)  # of s^2, given sigma
        logs.append(log - 0.5 * (math.log(main / 0.18) / 0.7) ** 2)
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    belief = surface.contrast(weights, points)
    mean = weight @ np.array(means)
    spread = weight @ (np.array(variances) + np.square(np.array(means) - mean))
    assert belief.mean == pytest.approx(mean, rel=1e-3)
    assert np.square(belief.sd) == pytest.approx(spread, rel=5e-3)


def test_posterior_draws_have_the_posterior_moments() -> None:
    draw = np.random.default_rng(7)
    levels = designs.factorial(4).levels
    surface = model.fit(levels, draw.normal(80, 0.3, 16), sigma=0.1, df=math.inf)
    drawn = surface.draw(20_000, draw)
    belief = surface.coefficients(np.eye(drawn.shape[1]))
    assert drawn.mean(axis=0) == pytest.approx(belief.mean, abs=0.02)
    assert drawn.std(axis=0) == pytest.approx(belief.sd, rel=0.05)


def test_interactions_are_named_with_their_sign() -> None:
    draw = np.random.default_rng(17)
    world = structured(draw)
    runs = measured(world, scattered(128, draw), 0.05, draw)
    found = interactions.interactions(runs, NAMES, effects.surface(runs, np.ones(1)))
    truth = dict(zip(model.terms(K), 4 * world.coefficients, strict=True))
    signs = [np.sign(truth[NAMES.index(p.first), NAMES.index(p.second)]) == np.sign(p.gain_pp) for p in found]
    everything = interactions.interactions(runs, NAMES, effects.surface(runs, np.ones(1)), sure=0)
    inside = [p.low <= truth[NAMES.index(p.first), NAMES.index(p.second)] <= p.high for p in everything]
    assert len(everything) == 66
    assert np.mean(inside) > 0.88
    assert len(found) > 15
    assert np.mean(signs) > 0.9
    assert {pair.relation for pair in found} == {"works with", "fights with"}


def test_the_path_is_the_ladder() -> None:
    draw = np.random.default_rng(3)
    world = unstructured(draw)
    runs = measured(world, designs.factorial(K, 104), 0.01, draw)
    path = effects.surface(runs, np.ones(1)).path(list(range(K)))
    assert np.abs(path.mean - world.value(np.tri(K + 1, K, -1, dtype=bool))).max() < 4 * path.sd.max()
