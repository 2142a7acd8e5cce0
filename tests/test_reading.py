"""A study's runs as they are read from the store: which try counts, which files are opened, what is shown meanwhile."""

from pathlib import Path

import numpy as np

from bakeoff.runs.store import Store
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather, outcomes, read
from bench.analysis import build
from tests.studies import write_study


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
        store.storage.write(f"{row.runs[0]}/views/test-raw-8-8.json", b"{")
    report = read(store, spec, spec.rows)
    assert all(
        record and [v.name for v in record.views] == [level.view for level in spec.eval_settings] for record in report
    )
    assert all(record and record.views == () for record in read(store, spec, spec.rows, "select"))
    assert len(outcomes(spec, spec.rows, report, split="select")) == 0


def test_the_store_that_is_timed_is_a_study_like_any_other(tmp_path: Path) -> None:
    spec = build(tmp_path, 72, 100)
    found = analyse(gather(Store(tmp_path), spec))
    assert len(found.runs) == len(spec.rows) == 78
    assert found.runs.hits is not None
    assert found.runs.hits.n == 100
    assert [record.run_id for record in found.records if record][50] == spec.rows[50].runs[1]  # the first diverged
    assert (found.left, found.lost) == (0, {})
    assert {effect.technique for effect in found.main} == set(spec.names)
