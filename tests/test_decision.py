"""What to do about a technique, how sure that is, and what following it costs."""

import math

import numpy as np
import pytest

from bakeoff.stats import designs, effects
from bakeoff.stats.decision import Decision, Known, decide
from bakeoff.stats.log_error import LogError
from bakeoff.stats.outcomes import Runs
from bakeoff.stats.table import AnalysisOptions

WIDE = (-9.0, 9.0)


def decided(*effects: Known, tolerance: float = 0.1) -> list[Decision | None]:
    return decide(effects, [WIDE] * len(effects), tolerance)


def test_the_likelier_sign_is_followed_and_its_loss_is_small_where_it_is_sure() -> None:
    good, bad, nothing = decided(Known(2.0, 0.2, 20), Known(-1.0, 0.2, 20), Known(0.01, 0.05, 20))
    assert good
    assert good.action == "keep"
    assert good.p_sign > 0.999
    assert good.loss_pp < 1e-3
    assert bad
    assert bad.action == "leave_out"
    assert bad.p_sign > 0.99
    assert bad.loss_pp < 1e-2
    assert nothing
    assert nothing.action == "either"
    assert nothing.loss_pp < 0.1
    assert nothing.p_sign < 0.8


def test_a_coin_toss_between_large_effects_says_what_it_may_cost() -> None:
    (unknown, _, _) = decided(Known(0.1, 1.0, 20), Known(5.0, 1.0, 20), Known(-5.0, 1.0, 20))
    assert unknown
    assert unknown.action == "keep"
    assert 0.5 < unknown.p_sign < 0.65
    assert 0.1 < unknown.loss_pp < 0.4


def test_effects_among_many_that_do_nothing_are_believed_less() -> None:
    among_nothing = decided(Known(0.4, 0.2, 20), *[Known(0.02 * sign, 0.2, 20) for sign in (-1, 1) * 5])
    among_large = decided(Known(0.4, 0.2, 20), *[Known(2.0 * sign, 0.2, 20) for sign in (-1, 1) * 5])
    assert among_nothing[0]
    assert among_large[0]
    assert among_nothing[0].p_sign < among_large[0].p_sign


def test_what_nobody_knows_has_no_decision() -> None:
    found = decided(Known(math.nan, 0.1, 5), Known(1.0, math.nan, 0), Known(1.0, 0.1, 5))
    assert found[:2] == [None, None]
    assert found[2]


def test_runs_that_all_agree_and_posteriors_are_taken_as_they_are() -> None:
    same, none, believed = decided(
        Known(0.5, 0.0, 5), Known(0.0, 0.0, 5), Known(1.0, 1.0, math.inf, posterior=True), tolerance=0.05
    )
    assert same == Decision("keep", 1.0, 0.0, established=False)
    assert none == Decision("either", 0.5, 0.0, established=False)
    assert believed
    assert believed.p_sign == pytest.approx(0.8413, abs=1e-4)
    assert believed.loss_pp == pytest.approx(0.0833, abs=1e-4)  # phi(1) - (1 - Phi(1))


@pytest.mark.parametrize(("low", "high", "beyond"), [(0.1, 3.0, True), (-0.1, 3.0, False), (-3.0, -0.1, False)])
def test_beyond_doubt_is_what_the_interval_of_all_rows_says_too(low: float, high: float, beyond: bool) -> None:
    (found,) = decide([Known(1.5, 0.3, 20)], [(low, high)], 0.1)
    assert found
    assert (found.action, found.established) == ("keep", beyond)


def test_doing_nothing_is_established_inside_the_tolerance_only() -> None:
    for half, beyond in ((0.08, True), (0.2, False)):
        (found,) = decide([Known(0.0, 0.03, 20)], [(-half, half)], 0.1)
        assert found
        assert (found.action, found.established) == ("either", beyond)


@pytest.mark.parametrize("spread", [0.1, 0.3, 1.0])
def test_claims_come_true(spread: float) -> None:
    """Over many tables: the loss that is claimed is the loss that is realised, and P(sign) is how often it's right."""
    draw = np.random.default_rng(5)
    claimed, realised, sure, right = [], [], [], []
    for _ in range(200):
        truth = spread * draw.standard_normal(10)
        s = 0.2 * math.sqrt(draw.chisquare(14) / 14)
        gains = truth + 0.2 * draw.standard_normal(10)
        for effect, found in zip(truth, decided(*[Known(gain, s, 14) for gain in gains], tolerance=0.0), strict=True):
            assert found is not None
            wrong = max(0.0, -effect if found.action == "keep" else effect)
            claimed.append(found.loss_pp)
            realised.append(wrong)
            sure.append(found.p_sign)
            right.append(wrong == 0)
    assert 0.7 < np.mean(claimed) / np.mean(realised) < 1.4
    assert np.mean(right) == pytest.approx(np.mean(sure), abs=0.06)


def test_where_nothing_does_anything_nothing_matters() -> None:
    draw = np.random.default_rng(5)
    found = decided(*[Known(0.1 * value, 0.1, 14) for value in draw.standard_normal(10)])
    assert {each.action for each in found if each} == {"either"}


def worlds(k: int, seed: int) -> tuple[Runs, np.ndarray]:
    """Runs of techniques that each multiply the error, and by how much, in points at the error of all together."""
    draw = np.random.default_rng(seed)
    design = designs.factorial(k, 48, corners=3, seed=seed)
    change = 0.15 * draw.standard_normal(k)
    error = 5 * np.exp(-(design.levels @ change) + 0.1 * draw.standard_normal(len(design)))
    return Runs.collect(design.levels, 100 - error, design.block), change


def test_an_averages_errors_are_the_share_that_it_removes() -> None:
    runs, change = worlds(6, 1)
    found = effects.averaged(runs, list("abcdef"))
    recipe = 100 - runs.acc[runs.rows(np.ones(6, bool)), 0].mean()
    for effect, log in zip(found, change, strict=True):
        assert effect.errors
        assert effect.decision
        assert effect.errors.low < effect.errors.removed < effect.errors.high
        assert effect.errors.low < 1 - math.exp(-log) < effect.errors.high
        assert effect.errors.at == pytest.approx(recipe)
        assert effect.errors.gain_pp == pytest.approx(-recipe * math.log(1 - effect.errors.removed))
        surely = effect.errors.low > 0 or effect.errors.high < 0
        assert effect.decision.established is surely or effect.decision.action == "either"
        data = effect.as_json()
        assert (data["decision"]["action"], data["errors"]["at"]) == (effect.decision.action, effect.errors.at)


def test_perfect_runs_have_no_scale_of_errors() -> None:
    design = designs.factorial(4, 24, seed=0)
    runs = Runs.collect(design.levels, np.full(len(design), 100.0), design.block)
    found = effects.averaged(runs, list("abcd"), AnalysisOptions())
    assert all(effect.errors is None for effect in found)
    assert all(effect.decision is not None and effect.decision.action == "either" for effect in found)


def test_a_run_without_an_error_counts_as_half_the_smallest() -> None:
    assert LogError(2.0).of(np.array([100.0, 99.0]))[0] == pytest.approx(LogError(2.0).of(np.array([99.5, 99.0]))[0])
    design = designs.factorial(4, 24, seed=0)
    acc = np.where(design.levels[:, 0], 100.0, 99.0)
    found = effects.averaged(Runs.collect(design.levels, acc, design.block), list("abcd"))
    assert found[0].decision
    assert found[0].decision.action == "keep"
    assert all(effect.errors is None or math.isfinite(effect.errors.removed) for effect in found)


def test_removed_is_a_share_of_the_errors() -> None:
    scale = LogError(2.0)
    gain = scale.of(np.array([99.0])) - scale.of(np.array([98.0]))
    assert scale.removed(gain[0]) == pytest.approx(0.5)
    assert scale.removed(-gain[0]) == pytest.approx(-1.0)


def test_a_large_effect_that_is_known_less_well_isn_t_taken_for_noise_since_the_others_are_small() -> None:
    """Leave-one-out of a softmax on digits: long training scatters most where it is off (t = 4.7 on 5 df)."""
    known = [Known(10.41, 2.2, 5.0), Known(-0.15, 0.18, 5.0), Known(0.23, 0.24, 5.0), Known(-0.08, 0.05, 5.0)]
    found = decide(known, [(1.76, 19.05), (-0.88, 0.58), (-0.70, 1.16), (-0.18, 0.02)], 0.34)
    assert [each.action for each in found if each] == ["keep", "either", "either", "either"]
    assert found[0]
    assert found[0].established
