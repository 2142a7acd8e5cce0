"""Studies from end to end: laid out, run in real processes, killed and taken up again, and told."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bakeoff.ablation import plan as layout
from bakeoff.ablation.design import Design, Factorial, Runs
from bakeoff.ablation.trained import wanted
from bakeoff.api import plan_job
from bakeoff.cli import main
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.launch.base import make
from bakeoff.launch.local import InProcess, Worker
from bakeoff.launch.messages import Answer, MakeRun, Setup
from bakeoff.launch.queue import Batch, Queue, Try
from bakeoff.launch.worker import Handler
from bakeoff.runs.store import open_store
from bakeoff.runs.workspace import Workspace
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather, read
from bakeoff.study.spec import StudySpec
from tests.helpers import DATA, needs

# Runs of a tenth of a second: what is tested is the study, not the network.
QUICK = ("--task", "digits", "--model", "softmax", "--without", "fixres,long_training", "--length", "0.02")
COMMAND = [str(Path(sys.executable).with_name("bakeoff"))]


def job(task: str = "digits", **request):
    return plan_job(task, "torchvision-2021", **request)


def planned(store: Path, design: Design, task: str = "digits") -> StudySpec:
    asked, where = job(task), Workspace.open(store=store, data=DATA, device="cpu")
    return layout.plan_study(asked, design, where, asked.task.load(where.data))


def test_what_changes_no_weights_is_read_from_every_run() -> None:
    found = layout.factors(job("mnist-5k"))
    assert [t.name for t in found.evaluation] == ["ema", "inference_resize"]
    assert len(found.training) == 10
    assert found.job.compiled.skipped == {}
    digits = layout.factors(job())
    assert [t.name for t in digits.evaluation] == ["ema"]
    assert set(digits.job.compiled.skipped) == {"inference_resize"}


def test_an_average_of_another_half_life_takes_runs_of_its_own() -> None:
    found = layout.factors(job("mnist-5k", settings=("ema.half_life=0.1",)))
    assert "ema" in [t.name for t in found.training]


def test_a_study_is_a_function_of_its_request(tmp_path: Path) -> None:
    specs = [planned(tmp_path / name, Factorial()) for name in "ab"]
    assert specs[0].rows == specs[1].rows
    assert specs[0].name == specs[1].name
    assert len(specs[0].rows) == 54  # two blocks of 24, three more pairs of all on and all off
    other = planned(tmp_path / "a", Factorial(seed=1))
    assert other.rows != specs[0].rows
    assert len({run for row in specs[0].rows for run in row.runs}) == 2 * len(specs[0].rows)


def test_a_larger_study_begins_with_the_smaller_one_s_runs(tmp_path: Path) -> None:
    small, large = (planned(tmp_path, Factorial(Runs(runs))) for runs in (48, 96))
    assert small.rows == large.rows[: len(small.rows)]


def test_a_study_that_could_not_tell_its_noise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="24 runs of 10 techniques .* 32 or more do"):
        planned(tmp_path, Factorial(Runs(24)))
    assert len(planned(tmp_path, Factorial(Runs(32))).rows) == 38


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a finished study."""
    folder = tmp_path_factory.mktemp("study")
    assert main(["ablate", *QUICK, "--store", str(folder), "--quiet", "--seeds", "12"]) == 0
    return folder


@pytest.mark.slow
def test_a_study_ends_with_a_table_and_a_report(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", *QUICK, "--store", str(store), "--seeds", "12", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert {
        "study",
        "task",
        "design",
        "runs",
        "noise",
        "baseline",
        "recipe",
        "total_gain",
        "effects",
        "interactions",
    } <= (found.keys())
    assert found["runs"] == 30
    assert "30 runs with 15 seeds" in err
    assert "done," not in err  # nothing is run twice
    average = [effect for effect in found["effects"] if effect.get("estimand") == "average"]
    assert {effect["technique"] for effect in average} == {
        "lr_optimizations", "trivialaugment", "random_erasing", "label_smoothing", "mixup", "cutmix",
        "weight_decay_tuning", "repeated_augmentation", "ema",
    }  # fmt: skip
    for effect in average:
        assert effect["low"] <= effect["gain_pp"] <= effect["high"]
        assert effect["verdict"] is None  # 1.2 passes over the data teach nothing
        assert effect["errors"]["low"] <= effect["errors"]["removed"] <= effect["errors"]["high"]
        assert {"blog_pp", "paper", "cost_ratio", "p_adjusted", "seeds", "level"} <= effect.keys()
    refused = [effect for effect in found["effects"] if effect["verdict"] == "not_applicable"]
    assert [effect["technique"] for effect in refused] == ["inference_resize"]
    page = next(store.glob("studies/*/report.html")).read_text()
    assert "<svg" in page
    assert main(["report", "--store", str(store), "--quiet", "--format", "md"]) == 0
    assert list(store.glob("studies/*/report.md"))


@pytest.mark.slow
def test_effects_are_those_of_the_runs(store: Path) -> None:
    """The averaged effect by hand, over the fold pairs and both kinds of weights."""
    results = open_store(store)
    spec = StudySpec.load(results, "digits")
    found = analyse(gather(results, spec))
    records = read(results, spec, spec.rows)
    acc = {}
    for row, record in zip(spec.rows, records, strict=True):
        assert record is not None
        acc[row.configuration, row.block] = np.mean([v.acc["acc1"] for v in record.views if v.split == "report"])
    corners = sorted(block for levels, block in acc if all(levels))  # all on with all off counts once
    acc = {key: value for key, value in acc.items() if len(set(key[0])) > 1 or key[1] == corners[0]}
    for index, effect in enumerate(found.main[: len(spec.training)]):
        x = np.array([[1 if on else -1 for on in levels] for levels, _ in acc])
        slopes = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), list(acc.values()), rcond=None)[0]
        assert effect.gain_pp == pytest.approx(2 * slopes[index + 1], abs=1e-6), effect.technique


@pytest.mark.slow
def test_other_designs_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--recipe", "baseline", "--with", "mixup,label_smoothing,ema", "--model", "softmax", "--length", "0.02")
    for design, estimand in (("leave-one-out", "leave_one_out"), ("add-one", "add_one"), ("ladder", "stacked")):
        arguments = ["ablate", *few, "--store", str(tmp_path), "--design", design, "--seeds", "2", "--json", "--quiet"]
        assert main(arguments) == 0
        found = json.loads(capsys.readouterr().out)
        assert [e["technique"] for e in found["effects"]] == ["mixup", "label_smoothing", "ema"]
        assert {e["estimand"] for e in found["effects"]} == {estimand}


@pytest.mark.slow
def test_a_run_that_diverges_is_tried_again_and_the_table_comes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "wild.yaml"
    recipe.write_text("name: wild\ntechniques:\n- mixup\n- label_smoothing\n- lr_optimizations: {lr_ratio: 1.0e+9}\n")
    arguments = ["ablate", "--recipe", str(recipe), "--model", "mlp", "--length", "0.05", "--store", str(tmp_path)]
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert "diverged" in err
    assert found["lost"]["diverged"] > 0
    assert len(found["effects"]) >= 3
    spec = StudySpec.load(open_store(tmp_path), found["study"])
    lost = [row for row in spec.rows if row.configuration[spec.training.index("lr_optimizations")]]
    assert all((tmp_path / run / "run.json").exists() for row in lost for run in row.runs)  # both tries


@pytest.mark.slow
def test_plan_only_runs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", *QUICK, "--store", str(tmp_path), "--plan-only"]) == 0
    out = capsys.readouterr().out
    assert "this study" in out
    assert "not applicable: inference_resize" in out
    assert not list(tmp_path.glob("*/run.json"))
    assert main(["ablate", *QUICK, "--store", str(tmp_path), "--plan-only", "--json", "--budget", "1m"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["looks"] == []
    chosen = next(choice for choice in planned["choices"] if choice["runs"] == planned["runs"])
    assert 0 < chosen["seconds"] < 120


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ablate", "--design", "factorail"), "did you mean factorial?"),
        (("ablate", "--recipe", "baseline"), "no technique that changes training"),
        (("ablate", "--runs", "8"), "leave too little to show how much runs scatter; 32 or more do"),
        (("ablate", "--design", "ladder", "--runs", "24"), "--seeds"),
        (("ablate", "--budget", "soon"), "is no duration"),
        pytest.param(("ablate", "--budget", "1s"), "the smallest factorial takes about", marks=pytest.mark.slow),
        (("ablate", "--budget", "1h", "--seeds", "12"), "leave --runs and --seeds out"),
        (("ablate", "--half-width", "0.2", "--budget", "1h"), "leave --budget, --runs and --seeds out"),
        (("ablate", "--half-width", "0.2", "--design", "ladder"), "--half-width picks the size of a factorial"),
        (("ablate", "--half-width", "0"), "--half-width takes points above 0"),
        (("ablate", "--jobs", "many"), "--jobs takes"),
        (("report", "digits"), "no studies in"),
        (("report", "--format", "pdf"), "there are: html, md, ipynb"),
    ],
)
def test_wrong_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments, says: str) -> None:
    assert main([*arguments, "--store", str(tmp_path / "runs")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    *_, last = err.rstrip().split("bakeoff: ")  # after what was being done, where that took a while
    assert says in last


@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_anew(tmp_path: Path) -> None:
    worker = Worker(Setup(store=str(tmp_path), data=".", device="cpu"), threads=1)
    asked = threading.Thread(target=lambda: answers.append(worker.ask(MakeRun(study="none"))))
    answers: list[Answer] = []
    asked.start()
    while worker._process is None:
        time.sleep(0.01)
    worker._process.kill()
    asked.join()
    assert answers == [Answer(status="interrupted", reason="its process was killed by signal 9")]
    assert worker.ask(MakeRun(study="none")) == Answer(status="nothing")
    worker.stop()


@pytest.mark.parametrize("line", ["{", "{}", '{"kind": "make"}', '{"kind": "dance"}'])
def test_a_message_that_is_broken_is_answered(tmp_path: Path, line: str) -> None:
    answer = Handler(Setup(store=str(tmp_path), data=".", device="cpu")).answer(line)
    assert answer.status == "unable"
    assert answer.reason.startswith("ValidationError: ")


@pytest.mark.slow
def test_killing_a_study_at_eight_moments_ends_in_the_same_table(store: Path, tmp_path: Path) -> None:
    """SIGKILL to the study and its workers at random moments; then the same command: the same table, bit for bit."""
    arguments = ["ablate", *QUICK, "--store", str(tmp_path), "--seeds", "12", "--json"]
    for moment in np.random.default_rng(0).uniform(1.0, 6.0, 8):
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=600, check=True)
    whole = subprocess.run(
        [*COMMAND, "report", "--store", str(store), "--json"], capture_output=True, text=True, timeout=100, check=True
    )

    def told(text: str):
        data = json.loads(text)
        data.pop("report", None)
        for effect in data["effects"]:
            effect.pop("cost_ratio", None)  # seconds, which no two runs share
        return data

    assert told(done.stdout) == told(whole.stdout)


@needs("mnist", "MNIST")
def test_two_evaluation_techniques_have_four_levels(tmp_path: Path) -> None:
    spec = planned(tmp_path, Factorial(), "mnist-5k")
    assert [(dict(level)["ema"], dict(level)["resize_px"]) for level in spec.eval_settings] == [
        (False, 28),
        (False, 29),
        (True, 28),
        (True, 29),
    ]


def test_what_another_version_asked_for_is_not_made_here(tmp_path: Path) -> None:
    trial = wanted([(planned(tmp_path, Factorial()).rows[0], job())])[0]
    other = trial.model_copy(update={"tries": (Try(seed=0, run="0" * 12),)})
    dataset = job().task.load(DATA)
    batch = Batch(task="digits", data_fingerprint=dataset.fingerprint, threads=1, extensions=(), trials=(other,))
    workers = InProcess(Setup(store=str(tmp_path), data=".", device="cpu"))
    with pytest.raises(BakeoffError, match="run 000000000000 would be .* here: another version of bakeoff asked"):
        list(make(workers, Queue(open_store(tmp_path), "study"), batch))
