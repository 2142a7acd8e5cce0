"""A run's id follows what the engine computes for its plan, and no more; stores of other versions are refused."""

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bakeoff import api
from bakeoff.errors import RequestError
from bakeoff.parts import ImageOp, LossTerm, Mixer
from bakeoff.plan import Loss, Model, PadCrop, Plan, Precision, RandomErasing, Schedule, TrivialAugment
from bakeoff.runs import versions
from bakeoff.runs.record import run_id
from bakeoff.runs.store import Store
from bakeoff.runs.versions import REVISIONS, parts, revisions
from bakeoff.study.spec import StudySpec
from tests.helpers import small_plan
from tests.kept import STUDIES, unpack

OPS = (TrivialAugment(), RandomErasing())


def test_the_parts_of_a_plan() -> None:
    plan = small_plan(image_ops=(PadCrop(), *OPS), loss=Loss(label_smoothing=0.1))
    assert parts(plan) == {
        "model.cnn", "sampler.shuffle", "interpolation.bilinear", "optimizer.sgd", "lr.cosine", "lr.warmup",
        "precision.fp32", "image_ops.pad_crop", "image_ops.trivial_augment", "image_ops.random_erasing",
        "loss.label_smoothing", "interpolation.warp",
    }  # fmt: skip
    assert "image_ops.whole" in parts(small_plan(image_ops=()))


def test_a_revised_part_changes_the_ids_of_the_runs_that_use_it_and_of_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users, others = small_plan(image_ops=OPS), small_plan(lr=Schedule(per_256=0.1, shape="step"))
    before = [run_id(plan, 0, "f") for plan in (users, others)]
    monkeypatch.setattr(versions, "REVISIONS", MappingProxyType({"image_ops.random_erasing": 2, "lr.step": 1}))
    after = [run_id(plan, 0, "f") for plan in (users, others)]
    assert before[0] != after[0] == run_id(users, 0, "f", 1, {"image_ops.random_erasing": 2})
    assert before[1] == after[1]
    assert revisions(users) == {"image_ops.random_erasing": 2}
    assert revisions(others) == {}


def test_a_run_says_which_revisions_it_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(versions, "REVISIONS", MappingProxyType({"lr.step": 3, "lr.cosine": 2}))
    record = api.train("digits", length=0.02, device="cpu", store=tmp_path)
    assert (record.engine_version, record.revisions) == (1, {"lr.step": 3})
    assert record.run_id == run_id(Store(tmp_path).plan(record), 0, record.data_fingerprint, 1, {"lr.step": 3})


def test_every_revision_is_of_a_part_that_a_plan_can_have() -> None:
    """A typo would change nothing, and old results would pass for new ones."""
    heads = {
        "model",
        "sampler",
        "interpolation",
        "optimizer",
        "lr",
        "precision",
        "image_ops",
        "mixers",
        "loss",
        "decay",
    }
    kinds = {f"{root.slot}.{kind}" for root in (ImageOp, Mixer, LossTerm) for kind in root.kinds}
    schema = json.dumps(Plan.model_json_schema())
    for name, revision in REVISIONS.items():
        head, _, tail = name.partition(".")
        assert head in heads
        assert revision > 1
        fields = (
            *Loss.model_fields,
            *Schedule.model_fields,
            *Model.model_fields,
            *Precision.model_fields,
            "whole",
            "warp",
        )
        assert name in kinds or head == "model" or tail in fields or f'"{tail}"' in schema


def test_a_store_of_a_later_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"format": 3}')
    with pytest.raises(RequestError, match=r"has format 3 and this bakeoff reads formats 1 and 2: update bakeoff"):
        Store(tmp_path)


def kept(folder: Path) -> tuple[Store, Path]:
    """A copy of one kept run, and its folder."""
    run = Store(STUDIES / "digits").ids()[0]
    unpack("digits", folder, f"{run}/")
    return Store(folder), folder / run


def changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {"losses": [[1, 2.3], [2, 2.2]]},  # as before an evaluation was one file
        {"evaluations": {"report": {"acc1": 90.0}}},  # as the first stores had them, in run.json
        {"versions": {"bakeoff": "9.9"}, "machine": "tpu"},  # as a later version may write it
    ],
)
def test_a_run_in_another_shape_is_refused_in_one_line(fields: dict[str, Any], tmp_path: Path) -> None:
    store, folder = kept(tmp_path)
    changed(folder / "run.json", **fields)
    writer = fields.get("versions", {"bakeoff": "0.1.0"})["bakeoff"]
    with pytest.raises(RequestError) as caught:
        store.read(folder.name)
    assert str(caught.value) == (
        f"run {folder.name} in {tmp_path} was written by bakeoff {writer} in a form that this version doesn't read: "
        "read it with that version, or choose another store (--store)"
    )


def test_correctness_in_a_file_of_its_own_is_refused_too(tmp_path: Path) -> None:
    store, folder = kept(tmp_path)
    for view in (folder / "views").glob("*.json"):
        changed(view, hits={})
    with pytest.raises(RequestError, match="doesn't read: read it with that version"):
        store.read(folder.name)


def test_a_plan_of_a_later_version_is_refused(tmp_path: Path) -> None:
    store, folder = kept(tmp_path)
    plan = json.loads((folder / "run.json").read_text())["plan"]
    changed(folder / "run.json", plan={**plan, "gradient_clip": 1.0}, versions={"bakeoff": "9.9"})
    record = store.read(folder.name)
    assert record is not None
    with pytest.raises(RequestError, match=r"was written by bakeoff 9.9 in a form that .* \(gradient_clip: extra"):
        store.plan(record)
    with pytest.raises(RequestError, match="was written by bakeoff 9.9"):
        api.evaluate(folder.name, store=tmp_path)


@pytest.mark.parametrize("addition", [{"tracker": "x"}, {"base_plan": {}}])
def test_a_study_of_a_later_version_is_refused(addition: dict[str, Any], tmp_path: Path) -> None:
    unpack("digits", tmp_path, "studies/")
    store = Store(tmp_path)
    name = store.study_names()[0]
    (path,) = (p for p in (tmp_path / "studies").rglob("*.json") if name in str(p))
    changed(path, **addition)
    with pytest.raises(RequestError, match=rf"study {name} in .* whose form this one doesn't read"):
        StudySpec.load(store, name)
