"""How large a study is: what a wanted width of the intervals takes, known or found out on the way."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bakeoff.ablation import size as sizing
from bakeoff.ablation.design import Budget, Factorial, HalfWidth, least_runs
from bakeoff.ablation.plan import plan_study
from bakeoff.ablation.trained import Trained
from bakeoff.api import plan_job
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.recipes.request import Job
from bakeoff.report.sections.health import notices
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import power
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec
from tests.studies import write_study

QUICK = ("--task", "digits", "--model", "softmax", "--without", "fixres,long_training", "--length", "0.02")


@pytest.fixture
def first(tmp_path: Path) -> Results:
    """A study of 54 runs."""
    store = Store(tmp_path)
    return analyse(gather(store, write_study(store, runs=48)))


def width(found: Results) -> float:
    """The widest interval's half, of the techniques that are trained."""
    return max(effect.high - effect.gain_pp for effect in found.main[: len(found.spec.training)])


def enlarged(first: Results, points: float, job: Job, store: Path) -> StudySpec | None:
    where = Workspace.open(store=store, device="cpu")
    return sizing.enlarged(first, Trained(job, where), Factorial(HalfWidth(points)))


def test_a_study_grows_until_its_intervals_are_as_narrow_as_asked_for(first: Results, tmp_path: Path) -> None:
    job, now = plan_job("digits", "torchvision-2021"), width(first)
    assert enlarged(first, 1.001 * now, job, tmp_path) is None
    sizes = []
    for share in (0.99, 0.5, 0.25):
        larger = enlarged(first, share * now, job, tmp_path)
        assert larger is not None
        sizes.append(len(larger.rows))
        assert (sizes[-1] - 6) % 24 == 0
        assert 48 / share**2 <= sizes[-1] - 6 < 48 / share**2 + 24 + 8  # blocks of 24, and Stein counts in eights
    assert sizes[0] == 78


def test_a_width_that_no_study_has_is_refused_and_the_first_runs_are_named(first: Results, tmp_path: Path) -> None:
    job = plan_job("digits", "torchvision-2021")
    with pytest.raises(RequestError, match=rf"960 at most.*bakeoff report {first.spec.name}`"):
        enlarged(first, width(first) / 10, job, tmp_path)


def test_where_nothing_can_be_estimated_nothing_is_added(first: Results, tmp_path: Path) -> None:
    job = plan_job("digits", "torchvision-2021")
    lost = replace(first, main=[replace(effect, se=math.nan) for effect in first.main])
    assert enlarged(lost, 0.01, job, tmp_path) is None


@pytest.mark.slow
def test_the_size_for_a_width_is_among_the_prospects(tmp_path: Path) -> None:
    job = plan_job("mnist-5k", "torchvision-2021")
    assert job.task.noise_pp is not None
    dataset = plan_job("digits").task.load(tmp_path)  # only its sizes count here
    spec = replace(write_study(Store(tmp_path), runs=48), device="cpu", jobs=1, threads=1)
    wanted = power.half_width("factorial", 54, job.task.noise_pp, 10) / 2.3
    where = Workspace.open(store=tmp_path, device="cpu")
    subject = Trained(job, where)
    vars(subject)["dataset"] = dataset
    shown = [sizing.preview(spec, subject, Factorial(size)) for size in (HalfWidth(wanted), None)]
    known = {choice.runs: choice.half_width for choice in shown[0]}
    enough = [runs for runs in known if known[runs] <= wanted]
    assert enough
    assert known.keys() - {choice.runs for choice in shown[1]} <= {min(enough)}


@pytest.mark.slow
def test_a_study_of_a_width(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["ablate", *QUICK, "--store", str(tmp_path), "--json", "--quiet"]
    assert main([*command, "--half-width", "90"]) == 0
    small = json.loads(capsys.readouterr().out)
    widest = max(e["high"] - e["gain_pp"] for e in small["effects"] if e.get("estimand") == "average")
    wanted = f"{0.85 * widest:.2f}"
    assert main([*command[:-1], "--half-width", wanted]) == 0
    out, err = capsys.readouterr()
    large = json.loads(out)
    assert large["runs"] > small["runs"]
    assert f"+-{wanted} take about {large['runs'] - small['runs']} more" in " ".join(err.split())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")}
    assert len(before) == large["runs"]  # the first stage's runs are among them
    assert main([*command, "--half-width", wanted]) == 0
    assert json.loads(capsys.readouterr().out) == large
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/run.json")} == before

    assert main([*command, "--runs", f"{small['runs'] - 6}"]) == 0  # the first stage, settled before anybody looked
    assert json.loads(capsys.readouterr().out) == small
    time.sleep(1.1)  # studies are dated in seconds
    assert main([*command, "--runs", f"{large['runs'] + 10}"]) == 0  # 16 runs more
    unplanned = json.loads(capsys.readouterr().out)
    assert set(unplanned["grown_from"]) == {small["study"], large["study"]}
    assert all(effect["unplanned"] for effect in unplanned["effects"] if "unplanned" in effect)


@pytest.mark.slow
def test_a_study_that_goes_on_from_another_holds_however_often_one_looks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = write_study(store, runs=48, name="large", created="2026-01-03")
    write_study(store, runs=24, name="later", created="2026-01-04")
    alone = analyse(gather(store, spec))
    write_study(store, runs=24, name="small", created="2026-01-02")
    grown = analyse(gather(store, spec))
    assert (alone.grown_from, grown.grown_from) == ((), ("small",))
    for narrow, wide in zip(alone.main, grown.main, strict=True):
        assert wide.unplanned
        assert not narrow.unplanned
        assert narrow.gain_pp == wide.gain_pp
        assert 1.2 < (wide.high - wide.low) / (narrow.high - narrow.low) < 3
    assert "The study goes on from small." in " ".join(text.plain for text in notices(grown))
    planned = analyse(gather(store, replace(spec, first_stage="small")))
    assert [effect.gain_pp for effect in planned.main] == [effect.gain_pp for effect in alone.main]
    k = len(spec.training)
    first = analyse(gather(store, StudySpec.load(store, "small"))).main[0]
    assert {effect.df for effect in planned.main[:k]} == {first.df}  # Stein: the first stage's noise, to the end
    ratio = planned.main[0].se / first.se
    assert ratio == pytest.approx(math.sqrt(first.runs / planned.main[0].runs))
    assert not planned.main[0].unplanned
    assert analyse(gather(store, StudySpec.load(store, "small"))).main[0].unplanned is False


def test_a_study_that_is_looked_at_before_its_end_holds_however_often_one_looks(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert all(effect.unplanned for effect in analyse(gather(store, write_study(store, runs=48, missing={3, 7}))).main)


def test_the_advice_to_train_for_less_says_what_that_risks() -> None:
    job = plan_job("digits", "torchvision-2021")
    assert job.compiled.base.steps == 375
    assert sizing.for_less(job, 0.5).startswith("or train for less (--length 0.5), where techniques that need long")
    assert sizing.for_less(job, 0.1).startswith("but don't train for less (--length 0.1): 38 steps may be too few")


def test_own_data_are_never_trained_for_so_little_that_nothing_is_learned(tmp_path: Path) -> None:
    job = replace(plan_job("digits", "torchvision-2021"), chosen=())  # type: ignore[arg-type]
    where = Workspace.open(store=tmp_path, device="cpu", jobs=1)
    data = job.task.load(tmp_path)
    whole = sizing.preview(plan_study(job, Factorial(), where, data), Trained(job, where), Factorial())[0]
    least = whole.seconds / whole.runs * (least_runs(10) + 6)
    for share, shortened in ((0.9, True), (0.2, False)):
        found = sizing.shortened(job, Factorial(Budget(share * least)), where, data)
        assert (found is not job) is shortened
