"""What the simulated worlds promise, on a real table: all combinations of nine techniques on digits, six times."""

import numpy as np
import pytest

from bakeoff.stats import designs, effects
from bakeoff.stats.outcomes import Runs
from bench import ground_truth


def test_the_table_is_whole_and_the_truth_is_a_mean_of_differences() -> None:
    acc, levels, names = ground_truth.load()
    k = len(names)
    assert acc.shape == (2**k, ground_truth.SEEDS, len(ground_truth.SPLITS), 2)
    assert np.isfinite(acc).all()
    acc = ground_truth.reported(acc)
    assert len({tuple(row) for row in levels.tolist()}) == 2**k
    slow = []
    for j in range(k):
        off = [row for row in range(2**k) if not levels[row, j]]
        slow.append(np.mean([acc[row + 2 ** (k - 1 - j)].mean() - acc[row].mean() for row in off]))
    assert ground_truth.truth(acc, levels) == pytest.approx(slow)


@pytest.mark.slow
def test_the_factorial_covers_and_beats_the_others_with_an_eighth_of_the_runs() -> None:
    found = {(row["effect"], row["design"], row["runs"]): row for row in ground_truth.measure(times=200)}
    small, default = found["averaged", "factorial", 24], found["averaged", "factorial", 48]
    assert 0.93 <= float(small["coverage"]) <= 0.97
    assert 0.93 <= float(default["coverage"]) <= 0.97
    for rival in ("ladder", "leave-one-out"):
        assert float(small["rmse"]) < 0.75 * min(
            float(row["rmse"]) for (effect, name, _), row in found.items() if (effect, name) == ("averaged", rival)
        )
    assert float(found["averaged", "leave-one-out", 160]["coverage"]) < 0.7  # negative control: another estimand


def test_without_noise_the_factorial_s_error_is_the_higher_interactions_alone() -> None:
    acc, levels, names = ground_truth.load()
    k, mean = len(names), ground_truth.reported(acc).mean(axis=1)
    x = np.where(levels, 1.0, -1.0)
    pairs = np.column_stack([np.ones(len(x)), x, *[x[:, [i]] * x[:, i + 1 :] for i in range(k)]])
    smooth = pairs @ np.linalg.lstsq(pairs, mean, rcond=None)[0]  # the real table without its third order and more
    design = designs.factorial(k, seed=3)
    rows = design.levels @ 2 ** np.arange(k)[::-1]
    table = effects.averaged(Runs.collect(design.levels, smooth[rows], design.block), [str(j) for j in range(k)])
    assert [effect.gain_pp for effect in table] == pytest.approx(ground_truth.truth(smooth[:, None], levels), abs=1e-9)
