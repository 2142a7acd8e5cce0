"""A study's runs as they are read from the store: which try counts, which files are opened, what is shown meanwhile."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bakeoff.events import RunEnded
from bakeoff.report.console.observer import Terminal
from bakeoff.runs.record import RunRecord
from bakeoff.runs.store import Store
from bakeoff.study.analyse import analyse, so_far
from bakeoff.study.events import StudyPlanned
from bakeoff.study.gather import gather, outcomes, read
from bakeoff.study.spec import StudySpec
from bench.analysis import build
from tests.studies import write_study


def gains(spec: StudySpec, records: list[RunRecord | None]) -> dict[str, float]:
    wanted = spec.eval_settings[-1].view
    done = {i: v.acc["acc1"] for i, r in enumerate(records) if r for v in r.views if v.name == wanted}
    return so_far(spec, done)


def test_correctness_is_what_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = write_study(store, images=397)  # the last byte is not full
    records = read(store, spec, spec.rows)
    for k in (1, 5):
        runs = outcomes(spec, spec.rows, records, k)
        assert runs.hits is not None
        assert runs.hits.n == 397
        counts = np.unpackbits(runs.hits.packed, axis=-1, count=397).sum(axis=-1)
        np.testing.assert_allclose(100 * counts / 397, runs.acc)
        assert len(runs) == len(spec.rows)


def test_the_second_try_stands_for_the_first_that_failed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = write_study(store, failed={0: "diverged", 1: "crashed"}, missing={2})
    first, second, third, fourth = read(store, spec, spec.rows)[:4]
    assert first is not None
    assert first.run_id == spec.rows[0].runs[1]
    assert second is not None
    assert second.run_id == spec.rows[1].runs[0]  # a second try that crashed has not come to an end
    assert third is None
    assert fourth is not None
    assert fourth.run_id == spec.rows[3].runs[0]
    runs = outcomes(spec, spec.rows, read(store, spec, spec.rows))
    assert (len(runs), len(runs.lost)) == (len(spec.rows) - 3, 3)


def test_only_the_views_of_the_levels_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = write_study(store)
    for row in spec.rows:  # an evaluation that isn't the study's, and that nothing may touch
        (store.folder(row.runs[0]) / "views" / "test-raw-8-8.json").write_text("{")
    report = read(store, spec, spec.rows)
    assert all(
        record and [v.name for v in record.views] == [level.view for level in spec.eval_settings] for record in report
    )
    assert all(record and record.views == () for record in read(store, spec, spec.rows, "select"))
    assert len(outcomes(spec, spec.rows, report, split="select")) == 0


def test_progress_looks_at_the_run_that_ended_and_at_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, store = Store(tmp_path / "whole"), Store(tmp_path / "growing")
    spec = write_study(whole)
    last = spec.rows[-1].runs[0]
    there = [row.runs[0] for row in spec.rows[:-1]]
    for run in there:
        store.root.mkdir(exist_ok=True)
        (whole.folder(run)).rename(store.folder(run))
    opened: list[str] = []
    inner = Store.read

    def reading(self: Store, run: str, views: Iterable[str] | None = None) -> RunRecord | None:
        opened.append(run)
        return inner(self, run, views)

    monkeypatch.setattr(Store, "read", reading)
    text = io.StringIO()
    with Terminal(Console(file=text, width=200)) as show:
        show(StudyPlanned(spec, (), None, store))
        assert set(there) <= set(opened)
        opened.clear()
        whole.folder(last).rename(store.folder(last))
        show(RunEnded(last, "done", "", 1.0, left=3))
        assert opened == [last]
    largest = list(gains(spec, read(store, spec, spec.rows)).items())[:3]
    expected = ", ".join(f"{name} {gain:+.2f}" for name, gain in largest)
    assert f"1 done, 3 left, 0.0 s; so far {expected}" in text.getvalue()


def test_gains_so_far_need_runs_enough(tmp_path: Path) -> None:
    spec = write_study(Store(tmp_path))
    assert so_far(spec, {}) == {}
    assert so_far(spec, dict.fromkeys(range(len(spec.training)), 90.0)) == {}
    assert set(so_far(spec, dict.fromkeys(range(len(spec.rows)), 90.0))) == set(spec.training)


def test_the_store_that_is_timed_is_a_study_like_any_other(tmp_path: Path) -> None:
    spec = build(tmp_path, 72, 100)
    found = analyse(gather(Store(tmp_path), spec))
    assert len(found.runs) == len(spec.rows) == 78
    assert found.runs.hits is not None
    assert found.runs.hits.n == 100
    assert [record.run_id for record in found.records if record][50] == spec.rows[50].runs[1]  # the first diverged
    assert (found.left, found.lost) == (0, {})
    assert {effect.technique for effect in found.main} == set(spec.names)
