"""Stored results stay valid: what they are identified by, pinned. A change here orphans every store that people have.

tests/golden.json was written by 0.1.0. An entry may be added to it, for what didn't exist before, and none changed.
What has another identity by a revision of the engine (bakeoff.runs.versions) stands under "revised" with it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from bakeoff import api, recipes, tasks, techniques
from bakeoff.ablation.design import design
from bakeoff.ablation.plan import plan_study
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.runs import versions
from bakeoff.runs.record import run_id
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.power import Kind
from bakeoff.study.gather import read
from bakeoff.study.spec import StudySpec

STUDIES = Path(__file__).parent.parent / "studies"
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden.json").read_text())
STORES = sorted(GOLDEN["stores"])


@pytest.mark.parametrize("name", sorted(GOLDEN["plans"]))
def test_plans_keep_their_digests(name: str) -> None:
    task, recipe = name.split(" ")
    plan = compile_plan(tasks.get(task, Path()), recipes.get(recipe)).plan
    found = [plan.digest, plan.training_digest, run_id(plan, 0, "0123456789abcdef", 1, {})]
    assert found == GOLDEN["plans"][name], (
        f"{recipe} on {task} has another identity than in 0.1.0: whoever trained it finds none of those runs any more. "
        "Was a default changed, a field renamed, or one added whose default changed since (bakeoff.encoding)?"
    )
    revised = GOLDEN["revised"]["plans"].get(name, found[2])
    assert run_id(plan, 0, "0123456789abcdef", 1) == revised, f"{recipe} on {task} isn't found under its id any more"


@pytest.mark.parametrize("name", sorted(GOLDEN["techniques"]))
def test_techniques_keep_their_digests(name: str) -> None:
    plan = compile_plan(tasks.get("imagenet", Path()), Recipe(name, (techniques.make(name),))).plan
    assert plan.digest == GOLDEN["techniques"][name], (
        f"{name} at its defaults makes another plan of imagenet than in 0.1.0: runs with it aren't found any more"
    )


@pytest.mark.parametrize("kind", sorted(GOLDEN["studies"]))
def test_studies_keep_their_names(kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave-one-out, add-one and ladder are others than in 0.1.0: those of then are read, and not made any more."""
    job, where = api.plan_job("digits", "torchvision-2021"), Workspace.open(store=tmp_path)
    dataset = job.task.load(where.folder)

    def found() -> list[str]:
        spec = plan_study(job, design(kind), where, dataset)
        return [spec.name, *spec.rows[0].runs]

    says = (
        f"the same request for a {kind} study of digits makes another study: one that was begun can't be gone on with"
    )
    assert found() == GOLDEN["revised"]["studies"][kind], says
    monkeypatch.setattr(versions, "REVISIONS", {})
    assert found() == GOLDEN["studies"][kind], f"as 0.1.0's engine, {says}"


@pytest.mark.parametrize("name", STORES)
def test_kept_stores_are_read_and_their_runs_are_found(name: str) -> None:
    store = Store(STUDIES / name)
    runs = store.ids()
    assert [len(runs), store.study_names()] == GOLDEN["stores"][name], "a kept store can't be read whole any more"
    for run in runs:
        record = store.get(run)
        plan = Plan.model_validate(record.plan)
        found = run_id(plan, record.seed, record.data_fingerprint, record.engine_version, record.revisions)
        assert (found, plan.digest) == (run, record.plan_digest), (
            f"run {run} of studies/{name} isn't found under its id any more: its plan and seed would be trained again"
        )
        assert all(store.hits(run, view.name).sum() for view in record.views)
    for study in store.study_names():
        spec = StudySpec.load(store, study)
        assert all(record and record.ended for record in read(store, spec, spec.rows))
