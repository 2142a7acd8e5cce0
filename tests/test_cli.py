"""The command line as people and scripts use it: exit statuses, one-line errors, one JSON document, real runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from bakeoff import techniques
from bakeoff.cli import main

QUICK = ("train", "--length", "0.1", "--device", "cpu")


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    """Run a command in this process; returns (stdout, stderr)."""
    found = main(arguments)
    out, err = capsys.readouterr()
    assert found == status, f"{arguments}: status {found}\n{out}\n{err}"
    return out, err


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """The one line that a command prints when it can't do what was asked."""
    out, err = run(capsys, *arguments, status=status)
    lines = err.strip().splitlines()
    assert lines[-1].startswith("bakeoff: ")
    assert "Traceback" not in err
    assert out == "" or status == 1
    return lines[-1]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_STORE", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "runs"


@pytest.mark.slow
def test_train_evaluate_predict_and_look(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, _ = run(capsys, *QUICK, "--recipe", "torchvision-2021", "--json")
    record = json.loads(out)
    assert record["status"] == "done"
    assert set(record["metrics"]) == {"select", "report"}
    assert set(record["metrics"]["report"]) == {"acc1", "acc5", "balanced_accuracy", "cross_entropy", "ece", "n"}
    views = {(view["split"], view["ema"]) for view in record["views"]}
    assert views == {(split, ema) for split in ("select", "report") for ema in (True, False)}
    assert record["examples_seen"] == record["steps"] * record["plan"]["batch_size"]
    run_id = record["run_id"]

    again, _ = run(capsys, *QUICK, "--recipe", "torchvision-2021", "--json")
    assert json.loads(again) == record  # not trained again

    without, _ = run(capsys, *QUICK, "--recipe", "torchvision-2021", "--without", "ema", "--json")
    plain = json.loads(without)
    assert plain["run_id"] == run_id  # the same weights, read differently
    assert plain["plan_digest"] != record["plan_digest"]
    raw = next(v for v in record["views"] if v["split"] == "report" and not v["ema"])
    assert plain["metrics"]["report"]["acc1"] == raw["acc1"]

    shown, _ = run(capsys, "evaluate", run_id[:6], "--split", "select", "--topk", "1,2,3", "--json")
    view = json.loads(shown)
    assert view["acc1"] == record["metrics"]["select"]["acc1"]
    assert view["acc1"] <= view["acc2"] <= view["acc3"] <= 100
    bigger, _ = run(capsys, "evaluate", run_id, "--resize", "10", "--no-ema", "--json")
    assert json.loads(bigger)["resize_px"] == 10

    picture = tmp_path / "nine.png"
    Image.fromarray(np.full((8, 8), 200, np.uint8)).save(picture)
    answers, _ = run(capsys, "predict", run_id, str(picture), "--topk", "3", "--json")
    (answer,) = json.loads(answers)
    assert [set(c) for c in answer["classes"]] == [{"class", "probability"}] * 3
    words, _ = run(capsys, "predict", run_id, str(picture))
    assert words.startswith(f"{picture}: ")

    listed, _ = run(capsys, "runs", "list")
    assert run_id in listed
    seen, _ = run(capsys, "runs", "show", run_id)
    assert "Acc@1 %" in seen
    assert "batch_size" in seen
    table, _ = run(capsys, "evaluate", run_id)
    assert "cross entropy" in table


@pytest.mark.slow
def test_people_get_a_table_and_where_everything_is(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, *QUICK, "--recipe", "torchvision-2021")
    assert "Acc@1 %" in out
    assert "Acc@5 %" in out
    assert str(store) in out
    assert "left out: inference_resize" in err
    quiet_out, quiet_err = run(capsys, *QUICK, "--recipe", "torchvision-2021", "--quiet")
    assert quiet_out == out
    assert quiet_err == ""


def test_dry_run_says_who_set_what(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, "train", "--recipe", "torchvision-2021", "--dry-run")
    row = next(line for line in out.splitlines() if line.startswith("sampler"))
    assert row.split()[-1] == "repeated_augmentation"
    assert not store.exists()
    plan, _ = run(capsys, "train", "--with", "mixup", "--set", "mixup.alpha=0.4", "--dry-run", "--json")
    assert json.loads(plan)["plan"]["mixers"] == [{"kind": "mixup", "alpha": 0.4}]
    assert json.loads(plan)["set_by"] == {"mixers": ["mixup"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "--task", "digit"), "did you mean digits?"),
        (("train", "--recipe", "torchvision"), "torchvision-2021"),
        (("train", "--with", "mixupp"), "did you mean mixup?"),
        (("train", "--without", "mixup"), "mixup"),
        (("train", "--with", "mixup", "--set", "mixup.alfa=1"), "did you mean alpha?"),
        (("train", "--with", "mixup", "--set", "mixup.alpha=-1"), "alpha"),
        (("train", "--set", "mixup.alpha=1"), "--with mixup"),
        (("train", "--set", "batchsize=4"), "batch_size"),
        (("train", "--set", "lr.per_255=4"), "per_256"),
        (("train", "--set", "batch_size=0"), "batch_size"),
        (("train", "--set", "batch_size"), "batch_size"),
        (("train", "--with", "trivialaugment,randaugment"), "both set image_ops"),
        (("train", "--with", "inference_resize"), "can't be used on digits"),
        (("train", "--model", "resnet51"), "did you mean resnet50?"),
        (("train", "--device", "gpu"), "there are: auto"),
        (("train", "--device", "cuda:99"), "no device 'cuda:99'"),
        (("train", "--length", "0"), "is a number above 0"),
        (("train", "--length", "nan"), "is a number above 0"),
        (("train", "--length", "inf"), "is a number above 0"),
        (("train", "--seed", "-1"), "--seed"),
        (("train", "--lenght", "2"), "--lenght"),
        (("train", "--task", "folder:/no/such/folder"), "/no/such/folder"),
        (("trane",), "trane"),
        (("evaluate", "abc"), "no runs in"),
        (("predict", "abc", "x.png"), "no runs in"),
        (("techniques", "show", "mixupp"), "did you mean mixup?"),
        (("runs", "show", "abc"), "no runs in"),
    ],
)
def test_wrong_requests_get_one_line(store: Path, capsys: pytest.CaptureFixture[str], arguments, says: str) -> None:
    assert says in complaint(capsys, *arguments)


def test_wrong_requests_about_a_run(store: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_id = json.loads(run(capsys, *QUICK, "--json")[0])["run_id"]
    assert "there are: train, select, report" in complaint(capsys, "evaluate", run_id, "--split", "test")
    assert "--topk takes whole numbers" in complaint(capsys, "evaluate", run_id, "--topk", "one")
    assert "Acc@0" in complaint(capsys, "evaluate", run_id, "--topk", "0")
    assert "--crop" in complaint(capsys, "evaluate", run_id, "--resize", "4")
    assert "nothing.png" in complaint(capsys, "predict", run_id, str(tmp_path / "nothing.png"))
    (store / run_id / "weights.safetensors").unlink()
    assert "are gone" in complaint(capsys, "evaluate", run_id, "--resize", "12", status=1)


def test_a_diverged_run_is_a_status(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("train", "--model", "mlp", "--set", "lr.per_256=1e9", "--length", "0.1", "--json")
    out, err = run(capsys, *arguments, status=1)
    record = json.loads(out)
    assert record["status"] == "diverged"
    assert record["metrics"] == {}
    assert "at step" in record["reason"]
    assert "try a lower learning rate" in err
    assert json.loads(run(capsys, *arguments, status=1)[0]) == record


def test_an_unwritable_store_is_said_before_training(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "can't write to the store" in complaint(capsys, *QUICK, "--store", str(file / "runs"))


def test_no_command_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "train" in run(capsys, "--help")[0]
    for command in ("train", "evaluate", "predict", "techniques", "runs", "data"):
        assert "Usage: bakeoff" in run(capsys, command, "--help")[0]


def test_techniques_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(run(capsys, "techniques", "list", "--json")[0])
    assert [technique["name"] for technique in listed] == list(techniques.NAMES)
    assert "mixup" in run(capsys, "techniques", "list")[0]
    assert "1710.09412" in run(capsys, "techniques", "show", "mixup")[0]
    assert json.loads(run(capsys, "techniques", "show", "mixup", "--json")[0])
    checked = json.loads(run(capsys, "data", "check", "--task", "digits", "--json")[0])
    assert checked["fingerprint"]
    table = run(capsys, "data", "check", "--task", "digits")[0]
    assert table.startswith("digits: ")
    assert checked["fingerprint"] in table


# --- In processes of their own ----------------------------------------------------------------------------------------


COMMAND = [str(Path(sys.executable).with_name("bakeoff"))]


def bakeoff(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """The installed program, as a shell starts it."""
    return subprocess.Popen(
        [*COMMAND, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


TRAIN = ("train", "--recipe", "torchvision-2021", "--length", "0.3", "--json", "--device", "cpu")


@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    environment = {**os.environ, "BAKEOFF_CHECKPOINT_SECONDS": "0"}
    process = bakeoff("train", "--length", "50", "--store", str(tmp_path / "a"), environment=environment)
    wait_for(tmp_path / "a", "checkpoint.safetensors")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with: bakeoff train --length 50 --store {tmp_path / 'a'}" in err
    assert list((tmp_path / "a").glob("*/checkpoint.safetensors"))


@pytest.mark.slow
def test_kill_at_any_moment_ends_bit_equal(tmp_path: Path) -> None:
    """SIGKILL at six moments, then the same command: the same record and weights as without."""
    whole = bakeoff(*TRAIN, "--store", str(tmp_path / "whole"))
    began = time.monotonic()
    expected = json.loads(whole.communicate(timeout=300)[0])
    duration = time.monotonic() - began
    moments = np.random.default_rng(0).uniform(0.2, 1.0, 6) * duration
    environment = {**os.environ, "BAKEOFF_CHECKPOINT_SECONDS": "0"}
    for moment in moments:
        process = bakeoff(*TRAIN, "--store", str(tmp_path / "parts"), environment=environment)
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    found = json.loads(bakeoff(*TRAIN, "--store", str(tmp_path / "parts")).communicate(timeout=300)[0])
    timing = {"seconds", "data_wait_seconds", "images_per_second", "started", "finished"}
    assert {k: v for k, v in found.items() if k not in timing} == {k: v for k, v in expected.items() if k not in timing}
    a, b = (load_file(tmp_path / s / expected["run_id"] / "weights.safetensors") for s in ("whole", "parts"))
    assert a.keys() == b.keys()
    assert all((a[name] == b[name]).all() for name in a)
    left = sorted(path.name for path in (tmp_path / "parts" / expected["run_id"]).iterdir())
    left = [name for name in left if ".partial-" not in name]  # a kill in the middle of a write leaves one, unread
    assert left == ["answers", "run.json", "views", "weights.safetensors"]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the system refuses the write in the same way."""
    limited = ["sh", "-c", 'ulimit -f 60; exec "$@"', "sh", *COMMAND, *TRAIN, "--store", str(tmp_path)]
    process = subprocess.run(limited, capture_output=True, text=True, timeout=120)
    out, err = process.stdout, process.stderr
    assert process.returncode == 1
    assert out == ""
    line = err.strip().splitlines()[-1]
    assert "the same command goes on" in line
    assert "Traceback" not in err
    record = json.loads(next(tmp_path.glob("*/run.json")).read_text())
    assert record["status"] == "crashed"
    again = bakeoff(*TRAIN, "--store", str(tmp_path))
    assert json.loads(again.communicate(timeout=120)[0])["status"] == "done"


def test_results_can_be_piped_into_head(tmp_path: Path) -> None:
    process = bakeoff("techniques", "list", "--json")
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err


def test_the_command_line_is_quick_where_no_torch_is_needed() -> None:
    code = "import sys; from bakeoff.cli import main; main(['techniques', 'list']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().splitlines()[-1] == "False"


def wait_for(folder: Path, name: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not list(folder.glob(f"*/{name}")):
        assert time.monotonic() < end, f"no {name} in {folder}"
        time.sleep(0.05)


def test_names_with_brackets_are_printed_as_they_are(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What looks like markup to the terminal library is part of a path."""
    root = tmp_path / "my [red] photos [[bold]"
    for name, level in (("[b]", 40), ("c", 200)):
        (root / name).mkdir(parents=True)
        for index in range(12):
            Image.fromarray(np.full((8, 8), level + index, np.uint8)).save(root / name / f"{index}.png")
    out, _ = run(capsys, "train", "--task", f"folder:{root}", "--set", "examples_seen=64", "--device", "cpu")
    assert out.startswith(f"folder:{root}, no techniques")
    run_id = out.rsplit("run ", 1)[1].split(":")[0]
    assert "[b]" in run(capsys, "evaluate", run_id)[0]
    assert "my [red] photos [[bold]" in run(capsys, "runs", "list")[0]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom bakeoff.cli import main\nassert main(['--help']) == 0\n"
        "print(sorted({'torch', 'numpy', 'pydantic', 'matplotlib', 'scipy'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
