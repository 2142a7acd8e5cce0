"""Workers that make what a store wants: any number of them, stopped, killed and late, and what fails for good."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bakeoff import api
from bakeoff.ablation.design import Factorial, Seeds
from bakeoff.ablation.plan import plan_study
from bakeoff.ablation.trained import wanted
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.events import unobserved
from bakeoff.launch.base import make
from bakeoff.launch.local import InProcess
from bakeoff.launch.messages import Answer, Setup
from bakeoff.launch.queue import Batch, Queue, Trial, Try, complete
from bakeoff.launch.worker import Handler, work
from bakeoff.runs import runner
from bakeoff.runs.record import run_id
from bakeoff.runs.store import open_store
from bakeoff.runs.workspace import Workspace
from bakeoff.study.spec import StudySpec
from tests.test_ablate import COMMAND, QUICK

STUDY = ("ablate", *QUICK, "--seeds", "12")
EXAMPLES = Path(__file__).parents[1] / "examples"


def quick(**request):
    """A job of runs of a tenth of a second, with one technique."""
    return api.plan_job("digits", "baseline", model="softmax", length=0.01, **{"with_": ["mixup"], **request})


def batch_of(asked, seeds: int = 2, **fields) -> Batch:
    """Runs of a job's recipe."""
    data = asked.task.load(Path("."))
    trials = [
        Trial.of([asked.plan], [], [Try(seed=seed, run=run_id(asked.plan, seed, data.fingerprint))])
        for seed in range(seeds)
    ]
    usual = {"task": asked.task.name, "data_fingerprint": data.fingerprint, "threads": 1, "extensions": ()}
    return Batch(**{**usual, "trials": tuple(trials), **fields})


def put(store: Path, batch: Batch, study: str = "study") -> Queue:
    queue = Queue(open_store(store), study)
    queue.put(batch)
    return queue


def setup(store: Path) -> Setup:
    return Setup(store=str(store), data=".", device="cpu")


def test_a_batch_is_kept_whole_and_under_one_name(tmp_path: Path) -> None:
    batch = batch_of(quick())
    queue = put(tmp_path, batch)
    assert queue.store.work("study") == [batch.name]
    (read, _), *_ = Queue(queue.store, "study").open()
    assert read == batch
    assert read.name == batch.name
    queue.remove(batch)
    assert queue.store.studies_with_work() == []


def test_a_worker_makes_what_is_wanted_and_ends(tmp_path: Path) -> None:
    queue = put(tmp_path, batch_of(quick()))
    did = work(setup(tmp_path), "", 0.1, unobserved)
    assert set(did.made.values()) == {"done"}
    assert len(did.made) == 2
    assert [queue.look(trial).status for trial in batch_of(quick()).trials] == ["done", "done"]
    assert not list(tmp_path.rglob("lease-*"))


def test_what_a_person_did_not_name_is_not_run(tmp_path: Path) -> None:
    """A technique from a file is loaded where it is named, never because a store says so."""
    mine = tmp_path / "mine.py"
    # by another name than in the tests that this process ran before
    mine.write_text(
        (EXAMPLES / "gridmask.py")
        .read_text()
        .replace("class GridMask(", "class UnnamedMask(")
        .replace('"gridmask"', '"unnamed_mask"')
    )
    script = f"""
from bakeoff import api
from pathlib import Path
from tests.test_worker import batch_of, put, quick
from bakeoff.launch.queue import used
asked = quick(with_=["{mine}:UnnamedMask"])
batch = batch_of(asked)
put(Path("{tmp_path / "runs"}"), batch.model_copy(update={{"extensions": used("digits", batch.trials)}}))
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(
        RequestError, match=r"technique 'unnamed_mask' \(mine.py:UnnamedMask\) isn't known here: name it"
    ):
        work(setup(tmp_path / "runs"), "study", 0.1, unobserved)
    did = api.work("study", with_=[f"{mine}:UnnamedMask"], store=tmp_path / "runs", device="cpu", idle=0.1)
    assert len(did.made) == 2


def test_a_run_that_fails_is_told_and_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = batch_of(quick(), 1), batch_of(quick(settings=["model.knobs.width=5"]), 1)
    put(tmp_path, good.model_copy(update={"trials": (*bad.trials, *good.trials)}))
    assert main(["worker", "--store", str(tmp_path), "--idle", "1s", "--device", "cpu", "--json"]) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert list(told["made"]) == [good.trials[0].name]
    assert list(told["failed"]) == [bad.trials[0].name]
    assert "bakeoff: 1 runs failed and are not tried again" in err.replace("\n", " ")


def test_a_crash_is_tried_three_times_with_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def crash(*arguments, **rest):
        tries.append(arguments)
        raise ZeroDivisionError("by the test")

    monkeypatch.setattr("bakeoff.runs.runner._train", crash)
    batch = batch_of(quick(), 1)
    queue = Queue(open_store(tmp_path), "study")
    ((ended, left),) = make(InProcess(setup(tmp_path)), queue, batch)
    assert (ended.status, ended.run, left, len(tries)) == ("failed", batch.trials[0].name, 0, 3)
    record = queue.store.get(batch.trials[0].name)
    assert (record.status, record.seed) == ("crashed", 0)
    monkeypatch.undo()
    ((ended, left),) = make(InProcess(setup(tmp_path)), queue, batch)  # the same command again: the reason may be gone
    assert ended.status == "done"


def test_memory_that_runs_out_is_the_reason_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own allocator refuses; the other run is made."""
    usual = runner._train

    def greedy(plan, dataset, where, start, observer):
        if start.seed == 0:
            torch.ones(1 << 50)
        return usual(plan, dataset, where, start, observer)

    monkeypatch.setattr("bakeoff.runs.runner._train", greedy)
    queue = Queue(open_store(tmp_path), "study")
    ended = {outcome.run: outcome for outcome, _ in make(InProcess(setup(tmp_path)), queue, batch_of(quick()))}
    lost, made = (ended[trial.name] for trial in batch_of(quick()).trials)
    assert (lost.status, made.status) == ("failed", "done")
    assert lost.reason.startswith("there was no more memory for it: take smaller batches")
    assert queue.store.get(lost.run).reason == lost.reason


def test_a_worker_without_the_data_takes_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    for name, level in (("a", 40), ("b", 200)):
        (photos / name).mkdir(parents=True)
        for index in range(12):
            Image.fromarray(np.full((8, 8), level + index, np.uint8)).save(photos / name / f"{index}.png")
    asked = api.plan_job(f"folder:{photos}", "baseline", model="softmax", settings=["examples_seen=64"])
    put(tmp_path / "runs", batch_of(asked))
    command = ["worker", "--store", str(tmp_path / "runs"), "--idle", "1s", "--device", "cpu"]
    photos.rename(tmp_path / "elsewhere")
    assert main(command) == 2
    assert f"can't be read: {photos} is no folder" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["studies"]
    (tmp_path / "elsewhere").rename(photos)
    assert main(command) == 0
    assert "2 runs made" in capsys.readouterr().out


def test_what_diverged_is_made_with_its_second_seed(tmp_path: Path) -> None:
    asked = quick(settings=["lr.per_256=1e30"])
    first, second = (batch_of(each, 2).trials for each in (asked, asked))
    trial = first[0].model_copy(update={"tries": (first[0].tries[0], second[1].tries[0])})
    batch = batch_of(asked, 1, trials=(trial,))
    told = list(make(InProcess(setup(tmp_path)), Queue(open_store(tmp_path), "study"), batch))
    assert [(ended.run, ended.status, left) for ended, left in told] == [
        (trial.tries[0].run, "diverged", 1),
        (trial.tries[1].run, "diverged", 0),
    ]


def test_what_others_make_is_seen(tmp_path: Path) -> None:
    """A study whose workers find nothing to claim takes what others make."""
    batch = batch_of(quick())
    other = Handler(setup(tmp_path))

    class Others:
        def make(self, study: str):
            other.make(study)
            yield Answer(status="nothing")

    told = list(make(Others(), Queue(open_store(tmp_path), "study"), batch))
    assert sorted(ended.run for ended, _ in told) == sorted(trial.name for trial in batch.trials)


def test_no_such_study(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="unknown study in .* 'nothing'"):
        work(setup(tmp_path), "nothing", 0.1, unobserved)


def table(text: str):
    data = json.loads(text)
    for effect in data["effects"]:
        effect.pop("cost_ratio", None)  # seconds, which no two runs share
    return {name: value for name, value in data.items() if name != "report"}


@pytest.mark.slow
def test_two_commands_at_once_share_the_work(tmp_path: Path) -> None:
    arguments = [*COMMAND, *STUDY, "--store", str(tmp_path), "--jobs", "1", "--json", "--quiet"]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert told[0] == told[1]
    store = open_store(tmp_path)
    spec = StudySpec.load(store, "digits")
    assert sorted(store.ids()) == sorted(row.runs[0] for row in spec.rows)  # no second try
    assert store.studies_with_work() == []
    assert not list(tmp_path.rglob("lease-*"))


@pytest.mark.slow
def test_workers_stopped_killed_and_late_make_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any engine: two workers on a store, one is stopped, one is killed, a third joins late."""
    monkeypatch.setenv("BAKEOFF_LEASE_SECONDS", "2")
    longer = [part if part != "0.02" else "0.1" for part in STUDY]
    whole = [*COMMAND, *longer, "--store", str(tmp_path / "whole"), "--jobs", "2", "--json", "--quiet"]
    expected = subprocess.run(whole, capture_output=True, text=True, timeout=300, check=True).stdout

    runs = tmp_path / "runs"
    asked = api.plan_job("digits", "torchvision-2021", model="softmax", without=["fixres", "long_training"], length=0.1)
    where = Workspace.open(store=runs, device="cpu")
    spec = plan_study(asked, Factorial(Seeds(12)), where, asked.task.load(where.folder)).save(where.store)
    found = StudySpec.load(open_store(tmp_path / "whole"), "digits")
    assert spec.rows == found.rows
    trials = wanted([(row, asked) for row in spec.rows])
    put(
        runs,
        Batch(task="digits", data_fingerprint=spec.data_fingerprint, threads=1, extensions=(), trials=trials),
        spec.name,
    )

    def worker() -> subprocess.Popen[str]:
        command = [*COMMAND, "worker", "--store", str(runs), "--study", spec.name, "--device", "cpu"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def begun(process: subprocess.Popen[str], count: int) -> None:
        assert process.stdout is not None
        while count:
            count -= process.stdout.readline().rstrip().endswith("begun")

    with worker() as stopped, worker() as killed:
        begun(stopped, 3)
        stopped.send_signal(signal.SIGSTOP)
        begun(killed, 4)
        killed.kill()
        with worker() as late:
            told, _ = late.communicate(timeout=300)
        assert late.returncode == 0, told
        assert complete(where.store, spec.name)
        stopped.send_signal(signal.SIGCONT)
        assert stopped.wait(60) == 0  # it finds out that nothing is left
    again = [*COMMAND, *longer, "--store", str(runs), "--json", "--quiet"]
    made = subprocess.run(again, capture_output=True, text=True, timeout=300, check=True).stdout
    assert table(made) == table(expected)
    assert sorted(where.store.ids()) == sorted(row.runs[0] for row in spec.rows)
    assert not list(runs.rglob("lease-*"))
