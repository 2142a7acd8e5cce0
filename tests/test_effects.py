"""Effects are right, and so are their intervals: T2 to T6, T12, T19 to T21 of the specification; lost runs."""

import math
import time
from functools import cache

import numpy as np
import pytest
from scipy import stats

from bakeoff.errors import RequestError
from bakeoff.stats import designs, effects, interactions, noise
from bakeoff.stats.intervals import maximum_modulus, t_quantile
from bakeoff.stats.linear import Combination, fit
from bakeoff.stats.outcomes import Floats, Hits, Runs
from bakeoff.stats.table import AnalysisOptions, Effect, Estimate
from bakeoff.stats.table import table as tabulate
from tests.worlds import NAMES, OFF, ON, K, measured, pack, scattered, structured, unstructured

Simulated = tuple[list[Effect], Floats, Runs]


def covered(table: list[Effect], truth: np.ndarray) -> np.ndarray:
    return np.array([effect.low <= value <= effect.high for effect, value in zip(table, truth, strict=True)])


def together(table: list[Effect], truth: np.ndarray) -> bool:
    return all(effect.sim_low <= value <= effect.sim_high for effect, value in zip(table, truth, strict=True))


def gains(table: list[Effect]) -> np.ndarray:
    return np.array([effect.gain_pp for effect in table])


@pytest.mark.parametrize("runs", [24, 48, 104])
def test_t2_averaged_effects_are_exact_without_noise(runs: int) -> None:
    world = unstructured(np.random.default_rng(runs), triple=0)
    design = designs.factorial(K, runs)
    found = effects.averaged(measured(world, design, 0, np.random.default_rng(0)), NAMES)
    assert np.abs(gains(found) - world.averaged).max() < 1e-12
    assert np.abs(world.averaged - world.averaged_slowly()).max() < 1e-12
    assert np.abs(world.averaged - (world.beside(OFF) + world.beside(ON)) / 2).max() < 1e-12
    total = world.value(ON[None]) - world.value(OFF[None])
    assert gains(found).sum() == pytest.approx(float(total[0]), abs=1e-11)


def test_t2_the_other_estimands_are_exact_too() -> None:
    world, draw = structured(np.random.default_rng(2)), np.random.default_rng(0)
    loo = effects.switched(measured(world, designs.leave_one_out(K), 0, draw), NAMES, ON)
    assert np.abs(gains(loo) - world.beside(ON)).max() < 1e-12
    added = effects.switched(measured(world, designs.add_one(K), 0, draw), NAMES, OFF, "add_one")
    assert np.abs(gains(added) - world.beside(OFF)).max() < 1e-12
    part = np.arange(K) < 7
    around = effects.switched(measured(world, designs.toggles(part), 0, draw), NAMES, part)
    assert np.abs(gains(around) - world.beside(part)).max() < 1e-12
    order = [int(j) for j in draw.permutation(K)]
    ladder = measured(world, designs.ladder(order, 2), 0, draw)
    steps = effects.stacked(ladder, NAMES, order)
    assert [effect.technique for effect in steps] == [NAMES[j] for j in order]
    total = effects.total(ladder, ON, OFF)
    assert total.gain_pp == pytest.approx(gains(steps).sum(), abs=1e-11)
    five = effects.averaged(measured(unstructured(draw, triple=0), scattered(128, draw), 0, draw), NAMES)
    assert {effect.method for effect in five} == {"design"}


def factorials(
    repeats: int, seed: int, sigma: float = 0.12, *, rho: float = 0.0, heavy: bool = False
) -> list[Simulated]:
    """48-run factorials, each in a world of its own with interactions of two: the table, the truth, the runs."""
    draw, found = np.random.default_rng(seed), []
    for _ in range(repeats):
        world = unstructured(draw, triple=0)
        design = designs.factorial(K, 48, seed=int(draw.integers(2**31)))
        runs = measured(world, design, sigma, draw, rho=rho, heavy=heavy)
        found.append((effects.averaged(runs, NAMES), world.averaged, runs))
    return found


@cache
def plain() -> list[Simulated]:
    return factorials(2000, 3)


@pytest.mark.slow
def test_t3_intervals_cover() -> None:
    assert 0.93 < np.mean([covered(table, truth) for table, truth, _ in plain()]) < 0.97


@pytest.mark.slow
def test_t4_simultaneous_intervals_cover_together() -> None:
    assert 0.93 < np.mean([together(table, truth) for table, truth, _ in plain()]) < 0.97


@pytest.mark.slow
def test_t12_the_sign_of_large_effects_is_found() -> None:
    right = [
        np.sign(gains(table))[np.abs(truth) > 0.2] == np.sign(truth[np.abs(truth) > 0.2]) for table, truth, _ in plain()
    ]
    assert np.concatenate(right).mean() >= 0.99


@pytest.mark.slow
def test_t6_an_additive_model_is_too_wide_with_interactions() -> None:
    """Negative control: ordinary least squares on main effects alone takes interactions for noise."""
    inside = []
    for _, truth, runs in plain()[:500]:
        x = np.column_stack([np.ones(48), runs.levels - 0.5])
        found = fit(Combination(runs, ((np.arange(48), np.ones(1)),)), x)
        assert found is not None
        half = stats.t.ppf(0.975, found.df) * np.sqrt(found.s2 * np.diag(found.cov)[1:])
        inside.append(np.abs(found.beta[1:] - truth) <= half)
    assert np.mean(inside) > 0.97


@pytest.mark.slow
def test_t5_shared_seeds_only_help() -> None:
    widths = {}
    for rho in (0.0, 0.5, 0.85):
        found = factorials(300, 5, rho=rho, sigma=0.3)
        assert 0.93 < np.mean([covered(table, truth) for table, truth, _ in found]) < 0.97
        widths[rho] = np.mean([table[0].high - table[0].low for table, _, _ in found])
    for rho in (0.5, 0.85):
        assert widths[rho] / widths[0.0] == pytest.approx(math.sqrt(1 - rho), rel=0.05)


@pytest.mark.slow
def test_t19_flags_have_the_right_sign() -> None:
    """Benjamini-Hochberg at q = 0.1 over the table's p-values."""
    wrong, flagged = [], 0
    for found, truth, _ in factorials(400, 19, sigma=0.3):
        flags = stats.false_discovery_control([effect.p for effect in found]) <= 0.1
        mistakes = flags & (np.sign(gains(found)) != np.sign(truth))
        wrong.append(mistakes.sum() / max(flags.sum(), 1))
        flagged += flags.sum()
    assert np.mean(wrong) <= 0.1
    assert flagged / (400 * K) > 0.4


@pytest.mark.slow
def test_t20_uneven_and_heavy_noise_is_survived() -> None:
    found = factorials(500, 20, heavy=True)
    assert 0.92 < np.mean([covered(table, truth) for table, truth, _ in found]) < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("design", [designs.leave_one_out(K, 6), designs.ladder(range(K), 3)], ids=["loo", "ladder"])
def test_direct_effects_cover(design: designs.Design) -> None:
    draw, alone, all_of_them = np.random.default_rng(42), [], []
    for _ in range(100):
        world = structured(draw)
        runs = measured(world, design, 0.2, draw, rho=0.5 if design.order else 0.0)
        if design.order:
            table = effects.stacked(runs, NAMES, design.order)
            rungs = world.value(np.tri(K + 1, K, -1, dtype=bool))
            truth = np.diff(rungs)
        else:
            table, truth = effects.switched(runs, NAMES, ON), world.beside(ON)
        alone.append(covered(table, truth))
        all_of_them.append(together(table, truth))
    effect = table[0]
    together_alone = t_quantile(0.95 ** (1 / K), effect.df) / t_quantile(0.95, effect.df)  # each its own variance
    ratio = (effect.sim_high - effect.gain_pp) / (effect.high - effect.gain_pp)
    assert ratio == pytest.approx(together_alone)
    assert 0.925 < np.mean(alone) < 0.975
    assert np.mean(all_of_them) > 0.9


def test_t21_the_analysis_does_not_depend_on_which_run_ended_first() -> None:
    draw = np.random.default_rng(21)
    design = designs.factorial(K, 48)
    hits = draw.random((48, 2, 300)) < 0.8
    acc = 100 * hits.mean(axis=-1)
    orders = [np.arange(48), draw.permutation(48)]
    tables = [
        effects.averaged(Runs.collect(design.levels[o], acc[o], design.block[o], pack(hits[o])), [*NAMES, "ema"])
        for o in orders
    ]
    assert tables[0] == tables[1]


def test_evaluation_techniques_are_paired_within_the_run() -> None:
    """Both levels come from the same weights, so the noise of training cancels."""
    draw = np.random.default_rng(1)
    world, names = unstructured(draw, triple=0), [*NAMES, "ema", "resize"]
    design = designs.factorial(K, 48)
    base = measured(world, design, 1.0, draw)
    acc = base.acc[:, :, None] + np.array([[0.0, 0.3], [0.5, 0.9]]) + 0.01 * draw.standard_normal((48, 2, 2))
    acc += 0.2 * base.levels[:, :1, None] * np.array([[0, 0], [1, 1]])  # technique 0 helps the average
    runs = Runs.collect(base.levels, acc, base.block)
    averaged = effects.averaged(runs, names)
    assert averaged[K].gain_pp == pytest.approx(0.55 + 0.1, abs=0.01)
    assert averaged[K + 1].gain_pp == pytest.approx(0.35, abs=0.01)
    assert averaged[K].high - averaged[K].low < 0.02 < averaged[0].high - averaged[0].low
    assert {effect.method for effect in averaged[K:]} == {"paired"}
    recipe = np.ones(K + 2, bool)
    direct = effects.switched(runs, names, recipe)
    assert direct[K].gain_pp == pytest.approx(0.6 + 0.2, abs=0.03)
    assert direct[K + 1].gain_pp == pytest.approx(0.4, abs=0.03)
    fitted = effects.surface(runs, runs.view_at(recipe[K:]))
    modelled = effects.modelled(runs, names, recipe, fitted)
    assert [effect.gain_pp for effect in modelled[K:]] == pytest.approx([0.8, 0.4], abs=0.03)
    pairs = {(pair.first, pair.second): pair for pair in interactions.interactions(runs, names, fitted)}
    assert pairs[NAMES[0], "ema"].gain_pp == pytest.approx(0.2, abs=0.02)
    assert pairs[NAMES[0], "ema"].relation == "works with"


def test_a_ladder_reads_evaluation_techniques_where_they_stand() -> None:
    levels = np.repeat([[False, False], [True, False], [True, True]], 3, axis=0)
    value = np.array([[80.0, 80.5], [82, 83], [84, 86]])  # without and with the evaluation technique
    runs = Runs.collect(levels, np.repeat(value, 3, axis=0), np.tile([0, 1, 2], 3))
    steps = effects.stacked(runs, ["a", "b", "ema"], [0, 2, 1])
    assert [effect.technique for effect in steps] == ["a", "ema", "b"]
    assert gains(steps) == pytest.approx([2, 1, 3])
    total = effects.total(runs, np.array([True, True, True]), np.zeros(3, bool))
    assert total.gain_pp == pytest.approx(6)


def lose(runs: Runs, gone: np.ndarray | np.bool_) -> Runs:
    return Runs.collect(runs.levels, np.where(gone, np.nan, runs.acc[:, 0]), runs.block)


def test_lost_runs_cost_pairs_not_the_table() -> None:
    draw = np.random.default_rng(8)
    world = unstructured(draw, triple=0)
    exact = measured(world, designs.factorial(K, 48), 0, draw)
    few = lose(exact, np.arange(48) < 3)
    table = effects.averaged(few, NAMES)
    assert len(few.lost) == 3
    assert np.abs(gains(table) - world.averaged).max() < 1e-10
    assert {effect.runs for effect in table} <= {42, 44}
    noisy = measured(world, designs.factorial(K), 0.12, draw)
    saturated = effects.averaged(lose(noisy, np.arange(24) == 5), NAMES)
    assert {effect.method for effect in saturated} == {"model"}
    assert all("1 runs lost" in effect.note for effect in saturated)
    assert np.mean([e.low <= true <= e.high for e, true in zip(saturated, world.averaged, strict=True)]) > 0.8
    nothing = effects.averaged(lose(noisy, np.full(24, True)), NAMES)
    assert {effect.verdict for effect in nothing} == {"undecided"}
    assert all(math.isnan(effect.gain_pp) for effect in nothing)


def test_a_technique_without_which_training_diverges() -> None:
    runs = measured(structured(np.random.default_rng(1)), designs.leave_one_out(K, 2), 0.1, np.random.default_rng(2))
    table = effects.switched(lose(runs, ~runs.levels[:, 3]), NAMES, ON)
    assert math.isnan(table[3].gain_pp)
    assert table[3].note == "its runs were lost"
    assert all(math.isfinite(effect.gain_pp) for effect in table[:3] + table[4:])
    assert table[3].as_json()["gain_pp"] is None
    no_recipe = effects.switched(lose(runs, runs.levels.all(axis=1)), NAMES, ON)
    assert all(math.isnan(effect.gain_pp) and effect.verdict == "undecided" for effect in no_recipe)


def test_without_a_measure_of_the_noise_there_are_no_intervals() -> None:
    """24 runs leave 12 techniques no residual, and further corners say nothing of what other configurations do."""
    draw = np.random.default_rng(12)
    for design in (designs.factorial(K), designs.factorial(K, corners=3)):
        runs = Runs.collect(design.levels, 80 + draw.normal(0, 0.12, len(design)), design.block)
        table = effects.averaged(runs, NAMES)
        assert all(math.isfinite(effect.gain_pp) and math.isnan(effect.low) for effect in table)
        assert {(effect.verdict, effect.runs_to_decide) for effect in table} == {("undecided", None)}
        assert "no interval" in table[0].note


def test_a_residual_of_few_degrees_of_freedom_stands_alone() -> None:
    """Corners are often the quietest runs of all: their noise isn't the design's."""
    design = designs.factorial(10, 24, corners=3)
    draw = np.random.default_rng(3)
    corner = design.levels.all(axis=1) | ~design.levels.any(axis=1)
    runs = Runs.collect(design.levels, 80 + np.where(corner, 1e-6, 0.3) * draw.standard_normal(30), design.block)
    table = effects.averaged(runs, NAMES[:10])
    assert {effect.df for effect in table} == {2}
    assert table[0].se > 0.01
    assert {effect.runs for effect in table} == {24}  # all on with all off counts once, as every other pair does


def test_corners_weigh_what_others_do() -> None:
    """A world in which all on and all off are special: three more pairs of them change no averaged effect."""
    draw = np.random.default_rng(4)
    world = unstructured(draw)
    for k, runs in ((K, 48), (2, 32)):
        shown = []
        for corners in (0, 3):
            design = designs.factorial(k, runs, corners=corners)
            levels = np.pad(design.levels, ((0, 0), (0, K - k)))
            value = world.value(levels) + 5 * design.levels.all(axis=1)
            shown.append(gains(effects.averaged(Runs.collect(design.levels, value, design.block), NAMES[:k])))
        assert shown[0] == pytest.approx(shown[1], abs=1e-9)


def test_what_two_techniques_do_to_an_evaluation_technique_cancels() -> None:
    """In every design, also where the second of its matrices holds all on and all off once more."""
    draw = np.random.default_rng(5)
    for k, runs, seed in ((9, 48, 0), (9, 48, 1), (4, 32, 0), (3, 48, 2), (2, 32, 0)):
        design = designs.factorial(k, runs, corners=3, seed=seed)
        signs = np.where(design.levels, 1.0, -1.0)
        in_twos = draw.standard_normal((k, k))
        within = 0.4 + np.einsum("ni,ij,nj->n", signs, in_twos - np.diag(np.diag(in_twos)), signs)
        found = Runs.collect(design.levels, np.stack([90 + 0 * within, 90 + within], axis=1), design.block)
        assert effects.averaged(found, [*NAMES[:k], "ema"])[k].gain_pp == pytest.approx(0.4, abs=1e-9)


def test_verdicts() -> None:
    """Four techniques: +1, -1, 0.01, and one that is left open, with the runs that would settle it."""
    draw = np.random.default_rng(5)
    design = designs.factorial(4, 64)
    truth = np.array([1, -1, 0.01, 0.15])
    acc = 90 + (design.levels - 0.5) @ truth
    runs = Runs.collect(design.levels, acc + 0.12 * draw.standard_normal(64), design.block)
    table = effects.averaged(runs, list("abcd"), options=AnalysisOptions(delta=0.1))
    assert [effect.verdict for effect in table[:3]] == ["helps", "hurts", "no_effect"]
    assert table[0].p_adjusted < 1e-6 < table[2].p_adjusted
    few = effects.averaged(
        Runs.collect(design.levels, acc + 0.5 * draw.standard_normal(64), design.block), list("abcd")
    )
    assert few[3].verdict == "undecided"
    assert few[3].runs_to_decide is not None
    assert few[3].runs_to_decide > 64
    assert few[3].runs_to_decide % 8 == 0


def test_a_verdict_needs_the_whole_table() -> None:
    """2.5 standard errors are enough alone and too few among 12; then it says how many runs would be enough."""
    estimates = [Estimate(gain, 0.1, math.inf, 0.3, study_runs=48, step=8) for gain in (0.25, *[0.0] * 11)]
    first = tabulate(estimates, NAMES, "average")[0]
    assert first.low > 0 > first.sim_low
    assert first.verdict == "undecided"
    z = maximum_modulus(0.95, 12, math.inf)
    assert first.runs_to_decide == 8 * math.ceil(48 * (z * 0.1 / 0.25) ** 2 / 8)
    near = tabulate([Estimate(0.04, 0.05, math.inf, 0.3, study_runs=48, step=8)], ["it"], "average")[0]
    assert near.runs_to_decide == 8 * math.ceil(48 * (1.96 * 0.05 / 0.06) ** 2 / 8)
    edge = Estimate(0.0, 0.052, math.inf, 0.3, study_runs=48)
    among = tabulate([edge, *[Estimate(0.0, 0.01)] * 11], NAMES, "average", AnalysisOptions(delta=0.103))
    assert among[0].verdict == "undecided"  # doing nothing must hold for the whole table too
    verdicts = [
        tabulate([edge], ["it"], "average", AnalysisOptions(delta=delta))[0].verdict for delta in (0.101, 0.103)
    ]
    assert verdicts == ["undecided", "no_effect"]


def test_unplanned_looks_widen_every_interval() -> None:
    runs = measured(structured(np.random.default_rng(6)), designs.factorial(K, 48), 0.12, np.random.default_rng(6))
    planned, unplanned = (
        effects.averaged(runs, NAMES),
        effects.averaged(runs, NAMES, options=AnalysisOptions(unplanned=True)),
    )
    for one, other in zip(planned, unplanned, strict=True):
        assert other.unplanned
        assert other.gain_pp == one.gain_pp
        assert other.low < one.low < one.high < other.high
        assert other.sim_low < min(one.sim_low, other.low)
        assert other.p >= one.p
        assert other.p_adjusted == pytest.approx(min(1, K * other.p))


def test_shrinkage_pulls_towards_the_mean() -> None:
    runs = measured(structured(np.random.default_rng(6)), designs.factorial(K, 48), 0.5, np.random.default_rng(7))
    table = effects.averaged(runs, NAMES)
    mean = gains(table).mean()
    for effect in table:
        assert abs(effect.shrunk_pp - mean) <= abs(effect.gain_pp - mean)
    assert max(table, key=lambda e: e.shrunk_pp) is max(table, key=lambda e: e.gain_pp)


@pytest.mark.slow
def test_ten_thousand_runs_take_seconds() -> None:
    draw = np.random.default_rng(10)
    design = designs.factorial(K, 10_000)
    packed = draw.integers(0, 256, (10_000, 1, 1250), dtype=np.uint8)
    acc = np.bitwise_count(packed).sum(axis=(1, 2)) / 100.0
    start = time.process_time()
    runs = Runs.collect(design.levels, acc, design.block, Hits(packed, 10_000))
    noise.measure(runs)
    effects.averaged(runs, NAMES)
    fitted = effects.surface(runs, np.ones(1))
    effects.modelled(runs, NAMES, ON, fitted)
    interactions.interactions(runs, NAMES, fitted)
    assert time.process_time() - start < 15  # 4 s alone on one core


def test_a_run_stands_in_one_fold_pair_at_most() -> None:
    levels = [[True, False], [True, False], [False, True], [True, True], [False, False]]
    runs = Runs.collect(levels, np.arange(5), [0, 0, 0, 1, 2])
    first, second = runs.fold_pairs
    assert len(first) == 1
    assert np.array_equal(runs.levels[first], ~runs.levels[second])
    assert runs.block[first] == runs.block[second] == 0


def test_shapes_that_dont_fit_are_refused() -> None:
    with pytest.raises(RequestError, match="acc \\(N, 2"):
        Runs.collect(np.ones((3, 2)), np.ones((3, 3)), np.arange(3))
    with pytest.raises(RequestError, match="hits cover"):
        Runs.collect(np.ones((3, 2)), np.ones(3), np.arange(3), pack(np.ones((2, 5), bool)))
