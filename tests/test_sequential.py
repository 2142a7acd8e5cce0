"""A study that ends when it is settled: what it makes, when it stops, and that resuming is the same."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bakeoff.ablation.design import FEWEST_SEEDS, LeaveOneOut, Runs, Seeds, Settled
from bakeoff.errors import RequestError
from bakeoff.runs.store import Store
from bakeoff.stats import designs, effects, outcomes, sequential
from bakeoff.stats.outcomes import Bools, Ints
from bakeoff.stats.table import AnalysisOptions
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather, read
from bakeoff.study.sequential import reached
from tests.studies import write_study

K = 4
FEW = ("lr_optimizations", "trivialaugment", "mixup", "cutmix")
ON = np.ones(K, bool)


def table(gains: np.ndarray, sd: np.ndarray, seen: list[Ints], lost: int = -1):
    """Reads runs of techniques that buy so much, and differ by so much from seed to seed; `lost` never comes out."""
    design = designs.leave_one_out(K, 24)
    off = ~design.levels
    noise = np.random.default_rng(0).standard_normal(off.shape)
    acc = 90 - (off * (gains + sd * noise)).sum(axis=1)
    acc[off[:, lost] & (lost >= 0)] = np.nan

    def result(rows: Ints, look: int) -> Bools:
        seen.append(rows)
        runs = outcomes.Runs.collect(design.levels[rows], acc[rows], design.block[rows])
        return sequential.unsettled(effects.switched(runs, list("abcd"), ON, options=AnalysisOptions(delta=0.1)), 0.1)

    return design, result


@pytest.mark.parametrize("most", [1, 3, 6, 7, 9, 10, 24, 48, 200])
def test_looks_are_planned_spread_out_and_spend_what_there_is(most: int) -> None:
    looks = sequential.looks(most)
    assert looks[-1] == most
    assert looks[0] == 6 or looks == (most,)
    assert all(1.25 < b / a < 2 for a, b in pairwise(looks))
    assert sum(sequential.share(look, len(looks)) for look in range(1, len(looks) + 1)) == 1


def test_a_technique_is_switched_until_it_is_settled_and_no_further() -> None:
    seen: list[Ints] = []
    design, read_rows = table(np.array([2.0, -2.0, 0.0, 0.0]), np.array([0.1, 0.1, 0.1, 3.0]), seen)
    due = sequential.due(design.levels, design.block, ON, sequential.looks(24), read_rows)
    off = ~design.levels[due.rows]
    assert off.sum(axis=0).tolist()[:3] == [6, 6, 6]
    assert off.sum(axis=0)[3] > 6
    seeds = len(np.unique(design.block[due.rows]))
    assert (~off.any(axis=1)).sum() == seeds == off.sum(axis=0)[3]  # the recipe as often as what it is compared with
    assert [len(rows) for rows in seen] == sorted(len(rows) for rows in seen)
    assert all(set(a) <= set(b) for a, b in pairwise(seen))


def test_nothing_more_is_made_once_everything_is_settled() -> None:
    design, read_rows = table(np.array([2.0, -2.0, 1.0, 0.0]), np.full(K, 0.1), [])
    due = sequential.due(design.levels, design.block, ON, sequential.looks(24), read_rows)
    assert (len(due.rows), due.look, bool(due.open.any())) == (6 * (K + 1), 1, False)


def test_it_ends_with_the_last_look_if_it_is_not_settled() -> None:
    design, read_rows = table(np.zeros(K), np.full(K, 30.0), [])
    due = sequential.due(design.levels, design.block, ON, sequential.looks(24), read_rows)
    assert (len(due.rows), due.look, bool(due.open.all())) == (24 * (K + 1), 4, True)


def test_what_never_comes_to_a_result_is_not_tried_for_ever() -> None:
    design, read_rows = table(np.array([2.0, 2.0, 2.0, 2.0]), np.full(K, 0.1), [], lost=1)
    due = sequential.due(design.levels, design.block, ON, sequential.looks(24), read_rows)
    assert len(due.rows) == 6 * (K + 1)


def test_limits_are_seeds_or_runs_and_too_few_are_refused() -> None:
    assert len(LeaveOneOut(Settled(Seeds(9))).draw(K)) == 9 * (K + 1)
    assert len(LeaveOneOut(Settled(Runs(49))).draw(K)) == 9 * (K + 1)
    assert LeaveOneOut(Settled(Runs(49))).looks(K) == (6, 9)
    assert LeaveOneOut(Seeds(9)).looks(K) == ()
    with pytest.raises(RequestError, match=f"take {FEWEST_SEEDS} seeds at least, 15 runs"):
        LeaveOneOut(Settled(Runs(14))).draw(K)


def test_a_study_is_read_as_far_as_it_went(tmp_path: Path) -> None:
    store = Store(tmp_path)
    looks = sequential.looks(10)
    spec = write_study(store, design="leave-one-out", training=FEW, seeds=10, looks=looks, tolerance=5.0)
    results = analyse(gather(store, spec))
    assert (results.left, len(results.spec.rows), len(results.records)) == (0, 6 * (K + 1), 6 * (K + 1))
    assert {effect.seeds for effect in results.main} == {6}
    assert not any(effect.unplanned for effect in results.main)
    fixed = analyse(gather(store, replace(spec, rows=results.spec.rows, looks=())))
    wider = results.main[0].high - results.main[0].low, fixed.main[0].high - fixed.main[0].low
    assert wider[0] > 1.1 * wider[1]  # the look has its price
    assert results.main[0].p == pytest.approx(2 * fixed.main[0].p)
    assert results.main[0].level == fixed.main[0].level == 0.95


def test_what_is_to_be_made_follows_from_what_was_made(tmp_path: Path) -> None:
    store = Store(tmp_path)
    looks = sequential.looks(10)
    spec = write_study(store, design="leave-one-out", training=FEW, seeds=10, looks=looks, tolerance=0.0)
    records = read(store, spec, spec.rows)
    first = reached(spec, [None] * len(records))
    assert (first.rows, first.look) == (tuple(range(30)), 0)
    begun = reached(spec, [record if row < 29 else None for row, record in enumerate(records)])
    assert (begun.rows, begun.look) == (first.rows, 0)
    going = reached(spec, [record if row < 30 else None for row, record in enumerate(records)])
    assert going.look == 1
    assert set(going.rows[:30]) == set(range(30)) < set(going.rows)
    assert reached(spec, records).rows == tuple(range(50))  # a tolerance of nothing settles nothing
    crashed = replace(records[3], status="crashed")  # type: ignore[type-var]
    assert reached(spec, [*records[:3], crashed, *records[4:30], *[None] * 20]).look == 1


def test_a_study_that_was_stopped_between_looks_holds_however_often_one_looks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    looks = sequential.looks(10)
    spec = write_study(
        store, design="leave-one-out", training=FEW, seeds=10, looks=looks, tolerance=0.0, missing=range(40, 50)
    )
    results = analyse(gather(store, spec))
    assert results.left == 10
    assert all(effect.unplanned for effect in results.main)
    assert all(math.isfinite(effect.low) for effect in results.main)
