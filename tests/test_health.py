"""What is wrong with a study's runs is found and told before any number, and nothing where nothing is."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bakeoff.report.console import study
from bakeoff.report.rows import rows
from bakeoff.report.sections.health import notices
from bakeoff.report.sections.summary import headline
from bakeoff.runs.record import Losses, RunRecord, View
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import Gathered, gather
from bakeoff.study.health import Diverged, Drift, MissingRuns, NoChange, NothingLearned, OneClass
from bakeoff.study.spec import DesignPoint
from tests.studies import write_study

FEW = ("lr_optimizations", "trivialaugment", "mixup", "cutmix")


def _edited(gathered: Gathered, view: Callable[[DesignPoint, View], View]) -> Gathered:
    """The same study, with its evaluations changed."""
    records: list[RunRecord | None] = [
        record and replace(record, views=tuple(view(row, each) for each in record.views))
        for row, record in zip(gathered.spec.rows, gathered.records, strict=True)
    ]
    return replace(gathered, records=records)


def _study(folder: Path, **fields: object) -> Gathered:
    store = Store(folder)
    return gather(store, write_study(store, **fields))  # type: ignore[arg-type]


def _told(results: Results) -> str:
    return " ".join(text.plain for text in notices(results))


@pytest.mark.parametrize("design", ["factorial", "leave-one-out"])
def test_a_study_with_nothing_wrong_has_nothing_to_say(tmp_path: Path, design: str) -> None:
    results = analyse(_study(tmp_path, design=design, seeds=6))
    assert (results.health, results.judged, notices(results)) == ((), True, ())
    assert results.as_json()["health"] == []


def _at(acc1: float, view: View) -> View:
    return replace(view, acc={**view.acc, "acc1": acc1})


def test_models_that_have_not_learned_get_no_verdict(tmp_path: Path) -> None:
    gathered = _edited(
        _study(tmp_path, training=FEW),
        lambda row, view: _at(11.0, view) if all(row.configuration) else view,
    )
    results = analyse(gathered)
    (found,) = results.health
    assert isinstance(found, NothingLearned)
    assert (found.failed, found.chance) == (("recipe",), 10.0)
    assert [end.passes for end in found.ends] == [8.0, 16.0]
    told = _told(results)
    assert "The recipe hasn't learned, so no technique gets a verdict." in told
    assert "right for 10.0\u00a0% of the images" in told
    assert "the recipe is for 11.0\u00a0%, after 16 passes over the data, its training loss still falling" in told
    table = rows(results)
    assert {(row.tone, row.advice, row.flagged) for row in table} == {("none", "no advice", False)}
    assert len(headline(results, table)) == 1  # the total gain
    assert {effect["verdict"] for effect in results.as_json()["effects"]} == {None}
    screen = Console(width=100, record=True, file=StringIO())
    study.show(screen, results)
    assert "hasn't learned" in screen.export_text()


@pytest.mark.parametrize(
    ("chance", "acc1", "learned"),
    [(10.0, 18.9, False), (10.0, 21.0, True), (50.0, 54.0, False), (50.0, 59.0, True), (90.0, 90.9, False)],
)
def test_what_counts_as_learned_depends_on_what_guessing_gets_right(
    tmp_path: Path, chance: float, acc1: float, learned: bool
) -> None:
    rest = (100 - chance) / 9
    gathered = _study(tmp_path, training=FEW, evaluation=(), images=4000)
    gathered = replace(gathered, class_counts=(int(900 * chance), *[int(900 * rest)] * 9))
    assert analyse(_edited(gathered, lambda _, view: _at(acc1, view))).judged is learned


@pytest.mark.parametrize(("images", "learned"), [(4000, True), (40, False)])
def test_few_images_take_more_to_have_learned(tmp_path: Path, images: int, learned: bool) -> None:
    gathered = _study(tmp_path, training=FEW, evaluation=(), images=images)
    assert analyse(_edited(gathered, lambda _, view: _at(21.0, view))).judged is learned


def test_a_loss_that_no_longer_falls_is_told(tmp_path: Path) -> None:
    gathered = _edited(_study(tmp_path, training=FEW), lambda _, view: _at(9.0, view))
    flat = [r and replace(r, losses=Losses(tuple(range(1, 10)), (2.3,) * 9)) for r in gathered.records]
    assert "no longer falling (2.30 to 2.30" in _told(analyse(replace(gathered, records=flat)))


def test_a_switch_that_changes_no_answer_is_named(tmp_path: Path) -> None:
    gathered = _study(tmp_path, design="leave-one-out", training=FEW, seeds=3, evaluation=("ema",))
    spec = gathered.spec
    records = {(row.block, row.configuration): r for row, r in zip(spec.rows, gathered.records, strict=True)}
    without = (True, True, False, True)  # mixup is the third
    same = [
        r and replace(r, views=records[row.block, (True,) * 4].views) if row.configuration == without else r  # type: ignore[union-attr]
        for row, r in zip(spec.rows, gathered.records, strict=True)
    ]
    (found,) = analyse(replace(gathered, records=same)).health
    assert found == NoChange("mixup", 3)
    assert "Mixup changed nothing: in 3 pairs" in _told(analyse(replace(gathered, records=same)))


def test_an_evaluation_technique_that_changes_no_answer_is_named(tmp_path: Path) -> None:
    gathered = _study(tmp_path, training=FEW, evaluation=("ema",))

    def off(record: RunRecord | None) -> RunRecord | None:
        if record is None:
            return None
        views = record.views
        return replace(record, views=tuple(replace(views[0], ema=view.ema) for view in views))

    (found,) = analyse(replace(gathered, records=[off(r) for r in gathered.records])).health
    assert found == NoChange("ema", len(gathered.records))


def test_what_diverges_is_told_by_technique(tmp_path: Path) -> None:
    whole = _study(tmp_path / "whole", training=FEW)
    with_it = [
        next(index for index, row in enumerate(whole.spec.rows) if row.configuration == (*others, True, cutmix))
        for others, cutmix in (
            ((True, True), True),
            ((True, False), False),
            ((False, True), False),
            ((False, False), True),
        )
    ]
    crashed = analyse(_study(tmp_path / "crashed", training=FEW, failed=dict.fromkeys(with_it, "crashed")))
    results = analyse(_study(tmp_path / "lost", training=FEW, failed=dict.fromkeys(with_it, "diverged")))
    diverged, missing = results.health
    half = len(whole.spec.rows) // 2
    assert diverged == Diverged(4, 2 * half, (("mixup", 4, half, 0, half),))
    assert isinstance(missing, MissingRuns)
    assert (missing.runs, missing.statuses, results.lost) == (4, {"diverged": 4}, {"diverged": 4})
    assert f"It goes with Mixup (4 of {half} with it, 0 of {half} without): a result." in _told(results)
    assert f"Crashes go with Mixup (4 of {half} with it, 0 of {half} without)." in _told(crashed)


def test_a_run_that_diverged_and_was_made_again_counts_too(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = write_study(store, training=FEW, failed={0: "diverged"})
    again = store.get(spec.rows[0].runs[1])
    store.remove(again.run_id)
    views = gather(store, spec).records[1].views  # type: ignore[union-attr]
    store.write(replace(again, status="done"))
    for view in views:
        store.add_view(
            again.run_id, view, {int(k): store.hits(spec.rows[1].runs[0], view.name, int(k)) for k in view.hits}
        )
    results = analyse(gather(store, spec))
    assert [finding.check for finding in results.health] == ["diverged"]
    assert "No technique stands out" in _told(results)


def test_crashed_runs_are_counted_by_seed(tmp_path: Path) -> None:
    results = analyse(
        _study(tmp_path, design="leave-one-out", training=FEW, seeds=6, failed={0: "crashed", 1: "crashed"})
    )
    (found,) = results.health
    assert isinstance(found, MissingRuns)
    assert replace(found, reason="") == MissingRuns(2, 30, {"crashed": 2}, 1, 6)
    assert f"Crashed: {found.reason}." in _told(results)
    assert "That leaves 1 of 6 seeds without one." in _told(results)


def test_a_drift_is_told_with_its_size(tmp_path: Path) -> None:
    gathered = _study(tmp_path, training=FEW, runs=32, corners=0)
    times = sorted(r.started for r in gathered.records if r)

    def shifted(row: DesignPoint, view: View) -> View:
        minute = f"2026-01-02T03:{10 + row.block % 40:02}:00+00:00"
        return _at(view.acc["acc1"] + 20 * times.index(minute) / len(times), view)

    assert analyse(gathered).health == ()
    (found,) = analyse(_edited(gathered, shifted)).health
    assert isinstance(found, Drift)
    assert found.points == pytest.approx(20, abs=3)
    assert "accuracy rose by" in _told(analyse(_edited(gathered, shifted)))


def test_an_effect_of_one_class_is_told(tmp_path: Path) -> None:
    gathered = _study(tmp_path, training=FEW, evaluation=(), classes=("ant", "bee", "cat"), images=399)

    def carried(row: DesignPoint, view: View) -> View:
        bee = 60.0 + 30 * row.configuration[0] + np.random.default_rng(row.block).normal()
        return replace(_at((50 + bee + 50) / 3, view), per_class=(50.0, bee, 50.0))

    edited = _edited(gathered, carried)
    (found,) = analyse(edited).health
    assert isinstance(found, OneClass)
    assert (found.technique, found.name) == ("lr_optimizations", "bee")
    assert found.share == pytest.approx(1, abs=0.02)
    assert "one class. bee makes up" in _told(analyse(edited))
