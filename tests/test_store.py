"""The store: immutable ends, atomic writes, found by prefix, correctness per example."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.plan import Average, EvalView
from bakeoff.runs.lease import Held, Leases
from bakeoff.runs.record import Losses, RunRecord, View, run_id
from bakeoff.runs.store import Store
from tests.helpers import small_plan

STUDIES = Path(__file__).parents[1] / "studies"


def record(run: str = "abc123", **fields) -> RunRecord:
    plan = small_plan()
    base = RunRecord(
        run_id=run,
        status="done",
        reason="",
        task="digits",
        recipe=[{"mixup": {"alpha": 0.2}}],
        plan=plan.model_dump(mode="json"),
        plan_digest=plan.digest,
        seed=0,
        data_fingerprint="f" * 16,
        engine_version=1,
        classes=("a", "b", "c"),
        mean=(0.3,),
        std=(0.2,),
        losses=Losses((1, 2), (0.5, 0.25)),
    )
    return replace(base, **fields)


def view(split: str = "report", ema: bool = False, px: int = 8, acc1: float = 50.0) -> View:
    return View(split, ema, px, px, {"acc1": acc1, "acc3": 100.0}, 0.5, 0.1, 4, (50.0, None, 50.0))


def test_round_trip(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record())
    store.add_view("abc123", view(), {1: np.array([True, False, True, False]), 3: np.ones(4, bool)})
    read = store.read("abc123")
    assert read is not None
    assert read.losses == Losses((1, 2), (0.5, 0.25))
    assert read.views == (view(),)
    report = {"acc1": 50.0, "acc3": 100.0, "balanced_accuracy": 50.0, "cross_entropy": 0.5, "ece": 0.1, "n": 4}
    assert read.metrics == {"report": report}
    assert json.loads(json.dumps(read.as_json()))["views"][0]["acc1"] == 50.0
    assert store.hits("abc123", view().name).tolist() == [True, False, True, False]
    assert np.unpackbits(read.views[0].packed_hits(3), count=4).tolist() == [1, 1, 1, 1]
    assert "hits" not in read.as_json()["views"][0]
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"run.json", f"{view().name}.json"}


def test_views_are_read_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record())
    for split in ("select", "report"):
        store.add_view("abc123", view(split, acc1=100.0), {1: np.ones(4, bool)})
    for names, found in (
        (None, ("report", "select")),
        ([view("select").name, "report-ema-9-9"], ("select",)),
        ([], ()),
    ):
        read = store.read("abc123", names)
        assert read is not None
        assert tuple(v.split for v in read.views) == found
        assert set(read.metrics) == set(found)
    assert store.view("abc123", "report-ema-9-9") is None
    with pytest.raises(BakeoffError, match="has no evaluation report-ema-9-9"):
        store.hits("abc123", "report-ema-9-9")


def test_a_store_may_be_copied_and_its_kept_runs_read_as_they_were(tmp_path: Path) -> None:
    """The kept studies are what a store looks like; each number in them is what its correctness gives."""
    shutil.copytree(STUDIES / "digits", tmp_path / "copy")
    store = Store(tmp_path / "copy")
    for run in store.ids():
        read = store.read(run)
        assert read is not None
        assert read.status == "done"
        assert len(read.losses) > 10
        for found in read.views:
            for k in (1, 5):
                assert 100 * store.hits(run, found.name, k).mean() == pytest.approx(found.acc[f"acc{k}"])


def test_one_run_answers_plans_that_differ_in_evaluation(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record())
    for ema, px, acc1 in ((False, 8, 50.0), (True, 8, 75.0), (True, 9, 100.0)):
        store.add_view("abc123", view(ema=ema, px=px, acc1=acc1), {1: np.arange(4) < 0.04 * acc1})
    found = store.read("abc123")
    assert found is not None
    averaged = small_plan(average=Average())
    bigger = small_plan(average=Average(), eval_view=EvalView(resize_px=9, crop_px=9))
    assert small_plan().training_digest == averaged.training_digest == bigger.training_digest
    answers = [found.for_plan(plan, []) for plan in (small_plan(), averaged, bigger)]
    assert [answer.metrics["report"]["acc1"] for answer in answers] == [50.0, 75.0, 100.0]
    assert len({answer.plan_digest for answer in answers}) == 3


def test_another_half_life_is_another_run() -> None:
    plans = [small_plan(), small_plan(average=Average(half_life=0.1))]
    assert len({run_id(plan, 0, "f", 1) for plan in plans}) == 2


def test_identity_is_plan_seed_data_and_engine() -> None:
    plan, other = small_plan(), small_plan(batch_size=4)
    ids = [run_id(plan, 0, "f", 1), run_id(other, 0, "f", 1), run_id(plan, 1, "f", 1), run_id(plan, 0, "g", 1)]
    assert len({*ids, run_id(plan, 0, "f", 2), run_id(plan, 0, "f", 1, {"lr.cosine": 2})}) == 6


@pytest.mark.parametrize("status", ["done", "diverged"])
def test_what_has_ended_is_not_changed(tmp_path: Path, status: str) -> None:
    store = Store(tmp_path)
    store.write(record(status="interrupted"))
    store.write(record(status="crashed"))
    store.write(record(status=status))
    before = (tmp_path / "abc123" / "run.json").read_bytes()
    store.write(record(seed=5))  # whoever comes second
    store.write(record(status="crashed"))
    assert (tmp_path / "abc123" / "run.json").read_bytes() == before


def test_find_by_prefix(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RequestError, match="no runs in .*start with: bakeoff train"):
        store.find("a")
    for run in ("abc123", "abd456"):
        store.write(record(run))
    assert store.find("abc") == "abc123"
    with pytest.raises(RequestError, match="ambiguous"):
        store.find("ab")
    with pytest.raises(RequestError, match="did you mean abc123"):
        store.find("abc124")


def test_a_run_that_is_being_made_is_not_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record())
    with Leases(store.storage).claim("abc123"), pytest.raises(Held, match="being trained by process"):
        store.remove("abc123")
    store.remove("abc123")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_written_is_a_wrong_request(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RequestError, match=r"can't write to the store .*; choose one with --store"):
        Store(file / "runs").prepare()


def test_what_isn_t_there_is_a_wrong_request(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RequestError, match="no run abc123 in"):
        store.get("abc123")
    with pytest.raises(RequestError, match="unknown study in .* 'digits'"):
        store.read_study("digits")
    with pytest.raises(RequestError, match="unknown derivation in .* 'digits'"):
        store.read_study("digits", "search")


def test_documents_of_a_study_are_told_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_study("b", {"rows": []})
    store.write_study("a", {"budget": 1.5}, "search")
    assert (store.study_names(), store.study_names("search")) == (["b"], ["a"])
    assert (store.read_study("b"), store.read_study("a", "search")) == ({"rows": []}, {"budget": 1.5})
    assert Path(store.study_file("b", "report.html")).parent.is_dir()


def test_balanced_accuracy_counts_classes_alike_and_leaves_absent_ones_out() -> None:
    uneven = replace(view(acc1=90.0), per_class=(100.0, None, 50.0))
    assert uneven.metrics()["balanced_accuracy"] == uneven.as_json()["balanced_accuracy"] == 75.0


def test_names_that_are_not_utf8_are_read_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept = replace(record("a" * 12), classes=("caf\udce9", "b", "c"))
    store.write(kept)
    assert store.get("a" * 12).classes == kept.classes


@pytest.mark.parametrize("text", ["", "{", '{"a": ' * 5000 + "1" + "}" * 5000, "[]", '{"run_id": "\\ud'])
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.storage.write(f"{'a' * 12}/run.json", text.encode())
    with pytest.raises(RequestError, match="run.json isn't as it was written"):
        store.get("a" * 12)


def edited(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"acc": {"acc1": 75.0, "acc3": 100.0}}, "acc1 is 75.0, and its images say 50"),
        ({"n": 400}, "hits of 1 are of other than 400 images"),
        ({"n": "4"}, "n is a str"),
        ({"n": 0}, "n is 0"),
        ({"hits": {"1": "x"}}, "hits of 1 can't be read"),
        ({"per_class": None}, "per_class is a NoneType"),
        ({"acc": {}}, "acc1 is None, and its images say 50"),
    ],
)
def test_an_evaluation_that_contradicts_itself_is_no_number(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    store = Store(tmp_path)
    store.write(record())
    store.add_view("abc123", view(), {1: np.array([True, False, True, False]), 3: np.ones(4, bool)})
    edited(tmp_path / "abc123" / "views" / f"{view().name}.json", **changes)
    with pytest.raises(RequestError, match=rf"8-8.json isn't as it was written \({why}.*bakeoff store check"):
        store.get("abc123")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": "1"},
        {"plan": []},
        {"plan": {}},
        {"losses": {"a": 1}},
        {"status": "fine"},
        {"classes": 3},
    ],
)
def test_a_record_of_other_kinds_is_named(tmp_path: Path, changes: dict[str, object]) -> None:
    store = Store(tmp_path)
    store.write(record())
    edited(tmp_path / "abc123" / "run.json", **changes)
    with pytest.raises(RequestError, match=r"abc123/run.json isn't as it was written"):
        store.get("abc123")
