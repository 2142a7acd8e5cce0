"""Derivations: what is searched, what is proved, and that a stopped one ends in the same recipe."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import bakeoff as bo
from bakeoff import api, recipes
from bakeoff.cli import main
from bakeoff.runs.store import open_store
from bakeoff.study import decide
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather, read, searched
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import StudySpec

COMMAND = [sys.executable, "-c", "import sys; from bakeoff.cli import main; sys.exit(main())"]
QUICK = (
    "--task", "digits", "--model", "softmax", "--length", "0.02", "--recipe", "baseline",
    "--include", "mixup,label_smoothing,random_erasing,ema",
)  # fmt: skip
RUNS = ("--runs", "45", "--no-strengths")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("derived")
    assert main(["derive", *QUICK, *RUNS, "--store", str(root), "--json", "--quiet"]) == 0
    return root


def proof_of(root: Path) -> StudySpec:
    return StudySpec.load(open_store(root), "digits-derive")


@pytest.mark.slow
def test_what_is_proved_was_not_searched_with(store: Path) -> None:
    spec = proof_of(store)
    searched = {run for row in spec.search for run in row.runs}
    fresh = [run for row in (*spec.rows, *spec.published_baseline) for run in row.runs]
    assert not searched & set(fresh)
    assert len(spec.rows) + len(spec.search) <= 45
    recipe, baseline = spec.recipe_levels[:3], np.zeros(3, bool)
    counts = [int((spec.matrix == levels).all(axis=1).sum()) for levels in (recipe, baseline)]
    assert min(counts) >= decide.LEAST
    toggles = [int((spec.matrix == toggled).all(axis=1).sum()) for toggled in recipe ^ np.eye(3, dtype=bool)]
    assert len(set(toggles)) == 1
    assert toggles[0] == 0 or toggles[0] >= decide.LEAST
    blocks = {
        row.configuration: {other.block for other in spec.rows if other.configuration == row.configuration}
        for row in spec.rows
    }
    assert all(shared <= blocks[tuple(recipe.tolist())] for shared in blocks.values())  # compared within seeds
    assert len(spec.published_baseline) >= decide.LEAST


@pytest.mark.slow
def test_the_report_split_has_no_part_in_the_search(store: Path, tmp_path: Path) -> None:
    """With every evaluation on the report split made worthless, everything is decided as before."""
    shutil.copytree(store, tmp_path / "copy")
    for path in tmp_path.glob("copy/*/views/report-*.json"):
        view = json.loads(path.read_text())
        view["acc"] = dict.fromkeys(view["acc"], 0.0)
        path.write_text(json.dumps(view))
    spec = proof_of(store)
    asked = SearchSpec.load(open_store(store), spec.name)
    both = [searched(open_store(root), asked, asked.made(spec)) for root in (store, tmp_path / "copy")]
    looks = [decide.update(asked, seen) for seen in both]
    assert looks[0].reference == looks[1].reference == spec.reference
    assert looks[0].incumbent.value == looks[1].incumbent.value
    assert np.array_equal(decide.suggestions(asked, looks[0]), decide.suggestions(asked, looks[1]))


@pytest.mark.slow
def test_the_gain_is_of_the_fresh_runs_alone(store: Path) -> None:
    results = open_store(store)
    spec = proof_of(store)
    found = analyse(gather(results, spec))
    index = spec.eval_settings.index(spec.level_at(spec.recipe_levels))
    acc: dict[tuple[bool, ...], list[float]] = {}
    for row, record in zip(spec.rows, read(results, spec, spec.rows), strict=True):
        assert record is not None
        for at in (0, index):
            views = {view.name: view for view in record.views}
            acc.setdefault((*row.configuration, at == index), []).append(views[spec.eval_settings[at].view].acc["acc1"])
    recipe = np.mean(acc[*spec.reference[:3], True])
    baseline = np.mean(acc[False, False, False, index == 0])
    assert found.total.gain_pp == pytest.approx(recipe - baseline)
    assert found.over_published is not None
    assert found.found is not None
    assert len(found.found.fresh) >= decide.LEAST
    assert {effect.technique for effect in found.main} == {"mixup", "label_smoothing", "random_erasing", "ema"}


@pytest.mark.slow
def test_the_recipe_is_a_file_that_trains(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = proof_of(store)
    path = store / "studies" / spec.name / "recipe.yaml"
    data = yaml.safe_load(path.read_text())
    on = {name for name, is_on in zip(spec.names, spec.reference, strict=True) if is_on}
    assert {name for technique in data["techniques"] for name in technique} == on
    assert {technique.name for technique in recipes.get(str(path)).techniques} == on
    provenance = data["provenance"]
    assert provenance["study"] == spec.name
    assert provenance["data_fingerprint"] == spec.data_fingerprint
    assert set(provenance["proof"]["in_recipe_pp"]) == set(spec.names)
    plan = api.plan_job("digits", str(path), model="softmax", length=0.02).plan
    assert plan.model_dump(mode="json") == spec.recipe_plan
    arguments = ["train", "--recipe", str(path), "--model", "softmax", "--length", "0.02", "--store", str(tmp_path)]
    assert main(arguments) == 0
    capsys.readouterr()


@pytest.mark.slow
def test_the_same_command_runs_nothing_twice(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(store.glob("*/run.json"))
    times = [path.stat().st_mtime_ns for path in before]
    assert main(["derive", *QUICK, *RUNS, "--store", str(store)]) == 0
    out, err = capsys.readouterr()
    assert [path.stat().st_mtime_ns for path in sorted(store.glob("*/run.json"))] == times
    assert "best so far" in err
    assert "the search ends" in err
    assert "recipe:" in out
    page = next(store.glob("studies/*/report.html")).read_text()
    assert "How the recipe was found" in page
    assert main(["report", "--store", str(store), "--format", "md", "--quiet"]) == 0
    assert main(["report", "--store", str(store), "--format", "ipynb", "--quiet"]) == 0
    capsys.readouterr()


@pytest.mark.slow
def test_python_gives_the_same(store: Path) -> None:
    before = len(list(store.glob("*/run.json")))
    results = bo.derive(
        "digits", "baseline", with_=("mixup", "label_smoothing", "random_erasing", "ema"), model="softmax",
        length=0.02, runs=45, strengths=False, store=store,
    )  # fmt: skip
    assert results.spec.rows == proof_of(store).rows
    assert len(list(store.glob("*/run.json"))) == before


@pytest.mark.slow
def test_earlier_runs_are_used_and_a_second_recipe_widens_the_intervals(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(store, tmp_path / "runs")
    there = len(list(tmp_path.glob("runs/*/run.json")))
    arguments = ["derive", *QUICK, "--runs", "40", "--no-strengths", "--store", str(tmp_path / "runs"), "--json"]
    assert main([*arguments, "--plan-only"]) == 0
    plan = json.loads(capsys.readouterr().out)
    first = proof_of(store)
    assert plan["earlier_runs"] == len({row.runs[0] for row in (*first.rows, *first.search)}) - plan["opening"]
    assert main([*arguments, "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    made = len(list(tmp_path.glob("runs/*/run.json"))) - there
    assert 0 < made <= 40 - plan["opening"] + len(first.published_baseline)
    assert found["total_gain"]["acc1"]["level"] == pytest.approx(0.975)  # two recipes were proved on these images
    spec = StudySpec.load(open_store(tmp_path / "runs"), found["study"])
    assert not {row.runs[0] for row in spec.rows} & {row.runs[0] for row in (*first.rows, *spec.search)}


@pytest.mark.slow
def test_candidates_and_what_stays_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["derive", *QUICK, "--exclude", "random_erasing", "--always", "label_smoothing,ema"]
    assert main([*arguments[:-4], "--always", "label_smoothing,ema", *RUNS, "--store", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    spec = StudySpec.load(open_store(tmp_path), found["study"])
    on = {name for name, is_on in zip(spec.names, spec.reference, strict=True) if is_on}
    assert {"label_smoothing", "ema"} <= on
    tried = spec.search[len(SearchSpec.load(open_store(tmp_path), spec.name).initial.rows) :]
    assert all(row.configuration[spec.training.index("label_smoothing")] for row in tried)


@pytest.mark.slow
def test_acc5_is_an_objective(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(store, tmp_path / "runs")
    command = ["derive", *QUICK, *RUNS, "--objective", "acc5", "--store", str(tmp_path / "runs")]
    assert main(command) == 0
    assert "believed Acc@5" in capsys.readouterr().err


def test_a_limit_on_training_time_leaves_out_what_takes_longer(tmp_path: Path, capsys, monkeypatch) -> None:
    request = ["--task", "digits", "--model", "softmax", "--recipe", "baseline", "--length", "1"]
    names = ["--include", "mixup,label_smoothing,long_training"]
    arguments = ["derive", *request, *names, "--runs", "60", "--store", str(tmp_path), "--plan-only", "--json"]
    monkeypatch.setattr("bakeoff.derivation.plan.seconds_per_image", lambda *_: 0.001)  # the same on every machine
    baseline = 0.001 * api.plan_job("digits", model="softmax").plan.examples_seen
    assert main([*arguments, "--max-time", f"{3 * baseline:.3f}s"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["candidates"] == ["mixup", "label_smoothing"]
    assert "the limit is" in plan["not_applicable"]["long_training"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "needs a budget"),
        (("--runs", "60", "--budget", "1h"), "needs a budget"),
        (("--runs", "20"), "that takes"),
        (("--budget", "0.001s"), "takes about"),
        (("--budget", "soon"), "is no duration"),
        (("--runs", "60", "--objective", "loss"), "there are: acc1, acc5"),
        (("--runs", "60", "--always", "fixres"), "isn't among the candidates"),
        (("--runs", "60", "--exclude", "cutmix"), "cutmix"),
        (("--runs", "60", "--include", "adam,adamw"), "both set optimizer"),
        (("--runs", "60", "--max-time", "0.001s"), "longer than the limit"),
    ],
)
def test_wrong_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments, says: str) -> None:
    assert main(["derive", *QUICK, *arguments, "--store", str(tmp_path / "runs")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


@pytest.mark.slow
def test_what_fails_twice_is_never_chosen(store: Path) -> None:
    """A configuration both of whose tries diverged is left out, whatever the model would say of it."""
    spec = proof_of(store)
    results = open_store(store)
    asked = SearchSpec.load(results, spec.name)
    rows = asked.made(spec)
    best = decide.update(asked, searched(results, asked, rows)).incumbent.best
    failed = [
        replace(row, runs=("0" * 12, "1" * 12)) if np.array_equal(row.configuration, best) else row for row in rows
    ]
    without = replace(asked, warm_start=())
    now = decide.update(without, searched(results, without, failed))
    assert not (now.allowed == best).all(axis=1).any()
    assert not np.array_equal(now.incumbent.best, best)


@pytest.mark.slow
def test_killing_a_derivation_at_five_moments_ends_in_the_same_recipe(store: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, workers and all; then the same command: the same recipe and proof, bit for bit."""
    arguments = ["derive", *QUICK, *RUNS, "--store", str(tmp_path), "--json"]
    for moment in np.random.default_rng(0).uniform(2.0, 9.0, 5):
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=600, check=True)
    ours, theirs = proof_of(tmp_path), proof_of(store)
    assert ours.name == theirs.name
    assert (ours.reference, ours.rows, ours.search, ours.published_baseline) == (
        theirs.reference, theirs.rows, theirs.search, theirs.published_baseline,
    )  # fmt: skip
    files = [root / "studies" / ours.name / "recipe.yaml" for root in (tmp_path, store)]
    one, other = (yaml.safe_load(file.read_text()) for file in files)
    for data in (one, other):
        del data["provenance"]["command"]  # it names the store
    assert one == other


@pytest.mark.slow
def test_strengths_are_tried_and_what_is_taken_is_proved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", *QUICK, "--runs", "110", "--store", str(tmp_path)]) == 0
    err = capsys.readouterr().err
    spec = proof_of(tmp_path)
    if spec.reference[:3] == (False, False, False):
        assert not spec.sweep_points
        return
    assert "strengths:" in err
    on = [name for name, is_on in zip(spec.training, spec.reference, strict=False) if is_on]
    assert [knob.technique for knob in spec.knobs] == on
    data = yaml.safe_load((tmp_path / "studies" / spec.name / "recipe.yaml").read_text())
    knobs = {name: values for technique in data["techniques"] for name, values in technique.items()}
    for knob in spec.knobs:
        assert knobs[knob.technique][knob.knob] == knob.values[knob.chosen + 1]
    searched = {run for row in (*spec.search, *(point.row for point in spec.sweep_points)) for run in row.runs}
    assert not searched & {run for row in spec.rows for run in row.runs}
    page = next(tmp_path.glob("studies/*/report.html")).read_text()
    assert "three strengths of each technique" in page


@pytest.mark.slow
def test_a_budget_in_time_counts_training_and_evaluation(store: Path) -> None:
    spec = proof_of(store)
    results = open_store(store)
    asked = replace(SearchSpec.load(results, spec.name), unit="seconds")
    rows = asked.made(spec)
    both = {"train": 0.0, "evaluate": 0.0}
    for row in rows:
        record = results.get(row.runs[0])
        both["train"] += record.seconds
        both["evaluate"] += sum(view.seconds for view in record.views)
    assert min(both.values()) > 0
    spent = decide.update(asked, searched(results, asked, rows)).spent * asked.initial.jobs
    assert both["train"] < spent
    assert spent == pytest.approx(both["train"] + both["evaluate"], rel=0.3)  # report's time is taken from select's


@pytest.mark.slow
def test_a_derivation_needs_no_evaluation_technique_among_its_candidates(tmp_path: Path) -> None:
    asked = [*QUICK[:-1], "mixup,label_smoothing", "--runs", "30", "--no-strengths"]
    assert main(["derive", *asked, "--store", str(tmp_path), "--json", "--quiet"]) == 0
    spec = proof_of(tmp_path)
    assert (set(spec.training), spec.evaluation) == ({"mixup", "label_smoothing"}, ())
