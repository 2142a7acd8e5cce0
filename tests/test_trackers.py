"""Trackers: what each one's own reader finds, and that one that fails or hangs never slows or breaks a run."""

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.launch import tracking
from bakeoff.runs.events import TrackingStopped
from bakeoff.runs.record import RunRecord
from bakeoff.runs.trackers import KINDS, MESSAGE, Begin, End, Log, Tracking

KNOWN = ("jsonl", "tensorboard", "mlflow", "wandb", "trackio")


def train(folder: Path, *track: str, length: float = 0.05) -> tuple[RunRecord, list[TrackingStopped]]:
    """A quick run, and the warnings of its trackers."""
    events: list[bo.Event] = []
    record = bo.train(model="softmax", length=length, store=folder / "runs", track=track, observer=events.append)
    return record, [event for event in events if isinstance(event, TrackingStopped)]


def lines(path: Path) -> list[Begin | Log | End]:
    return [MESSAGE.validate_json(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("asked", "words"),
    [("tensorbord", "unknown tracker 'tensorbord'; did you mean tensorboard?"), ("=x", "unknown tracker ''")],
)
def test_a_tracker_that_isn_t_known(asked: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--track", asked]) == 2
    assert words in capsys.readouterr().err


def test_one_that_isn_t_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "jsonl", ("x", "no_such_package", "track-x"))
    with pytest.raises(bo.RequestError, match=r"--track jsonl needs no_such_package: pip install 'bakeoff\[track-x\]'"):
        Tracking.read("jsonl")


@pytest.mark.slow
def test_json_lines_are_all_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "made" / "runs.jsonl"
    record, warned = train(tmp_path, f"jsonl={path}")
    assert not warned
    begin, *between, end = lines(path)
    assert isinstance(begin, Begin)
    assert begin.run == record.run_id
    assert begin.params["plan.lr.per_256"] == record.plan["lr"]["per_256"]
    assert all(isinstance(each, Log) for each in between)
    assert isinstance(end, End)
    assert end.values["report/acc1"] == record.metrics["report"]["acc1"]
    assert end.step == record.steps
    again, _ = train(tmp_path, f"jsonl={path}")  # which the store has: nothing happens
    assert again == record
    assert len(lines(path)) == len(between) + 2


@pytest.mark.slow
def test_a_study_s_runs_are_told_whole_when_they_end(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    found = bo.ablate(
        recipe="baseline", with_=("mixup",), design="add-one", seeds=2, store=tmp_path / "runs", jobs=1, threads=1,
        track=(f"jsonl={path}",), observer=lambda event: None,
        model="softmax", length=0.05,
    )  # fmt: skip
    told = lines(path)
    begun = [each for each in told if isinstance(each, Begin)]
    assert [each.run for each in begun] == [each.run for each in told if isinstance(each, End)]
    assert {each.run for each in begun} == {record.run_id for record in found.records if record}
    assert {each.group for each in begun} == {found.spec.name}
    kept = next(record for record in found.records if record and record.run_id == begun[0].run)
    curve = [(each.step, each.values["loss"]) for each in told if isinstance(each, Log) and each.run == begun[0].run]
    assert curve == list(zip(kept.losses.step, kept.losses.loss, strict=True))


@pytest.mark.slow
def test_one_that_fails_is_warned_of_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    record, warned = train(tmp_path, f"jsonl={tmp_path / 'file' / 'x.jsonl'}", f"jsonl={tmp_path / 'well.jsonl'}")
    assert record.status == "done"
    assert [event.tracker for event in warned] == ["jsonl"]
    assert "file" in warned[0].reason.lower()
    assert len(lines(tmp_path / "well.jsonl")) >= 2


@pytest.mark.slow
def test_a_warning_reaches_whoever_asked_for_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    track = f"jsonl={tmp_path / 'file' / 'x.jsonl'}"
    command = ["train", "--model", "softmax", "--length", "0.05", "--store", str(tmp_path / "runs"), "--track", track]
    assert main([*command, "--quiet", "--json"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: tracking by jsonl stopped: ")
    with pytest.warns(UserWarning, match="tracking by jsonl stopped"):
        bo.train(model="softmax", length=0.05, store=tmp_path / "runs", seed=1, track=(track,))


@pytest.mark.slow
def test_one_that_hangs_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is a pipe that nobody reads."""
    monkeypatch.setattr(tracking, "PATIENCE", 3.0)
    os.mkfifo(tmp_path / "pipe")
    record, warned = train(tmp_path, f"jsonl={tmp_path / 'pipe'}")
    assert record.status == "done"
    assert [event.reason for event in warned] == ["it hangs: not done 3 s after the end of all runs"]
    alone, _ = train(tmp_path / "other")
    assert alone.metrics == record.metrics


@pytest.mark.slow
def test_what_a_hanging_one_isn_t_told_is_dropped_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    process = tracking.TrackerProcess(Tracking("jsonl", str(tmp_path / "pipe")))
    log = Log(run="a" * 12, step=1, time=None, values={str(i): float(i) for i in range(50)})
    for _ in range(2 * tracking._WAITING):
        process.put(log)
    assert process._dropped > tracking._WAITING / 2
    process.end()
    process.wait(time.monotonic() + 0.2)
    assert "hangs" in process.failure


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord]:
    """A folder where every tracker was told of one run."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(tracking, "PATIENCE", 300.0)  # five of them start at once, maybe on a busy machine
        record, warned = train(folder, *KNOWN)
    assert not warned
    return folder / "tracking", record


@pytest.mark.slow
def test_tensorboard_s_reader(told: tuple[Path, RunRecord]) -> None:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder, record = told
    found = loader.EventAccumulator(str(folder / "tensorboard" / "digits" / record.run_id))
    found.Reload()
    (last,) = found.Scalars("report/acc1")
    assert (last.step, last.value) == (record.steps, pytest.approx(record.metrics["report"]["acc1"]))
    assert {"plan/text_summary", "status/text_summary"} <= set(found.Tags()["tensors"])


@pytest.mark.slow
def test_mlflow_s_reader(told: tuple[Path, RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    folder, record = told
    code = (
        "import json, mlflow\n"
        f"client = mlflow.MlflowClient(tracking_uri='sqlite:///{folder / 'mlflow.db'}')\n"
        "experiment = client.get_experiment_by_name('digits')\n"
        "run, = client.search_runs([experiment.experiment_id])\n"
        "print(json.dumps([run.info.status, run.data.metrics, run.data.params, run.data.tags]))"
    )
    status, metrics, params, tags = json.loads(subprocess.check_output([sys.executable, "-c", code]).splitlines()[-1])
    assert status == "FINISHED"
    assert metrics["report/acc1"] == record.metrics["report"]["acc1"]
    assert params["plan.lr.per_256"] == str(record.plan["lr"]["per_256"])
    assert tags["bakeoff.run"] == record.run_id


def transaction_log(data: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: LevelDB's log format behind a header of 7 bytes (wandb-core alone reads it now)."""
    at, block, record = 7, 32768, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        if not kind:
            return
        record += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


@pytest.mark.slow
def test_wandb_s_messages(told: tuple[Path, RunRecord]) -> None:
    """In the file that `wandb sync` would send, parsed by wandb's own definitions."""
    definitions = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    folder, record = told
    (file,) = (folder / "wandb" / "wandb").glob("offline-run-*/*.wandb")
    config, summary, exits = {}, {}, []
    for data in transaction_log(file.read_bytes()):
        found = definitions.Record()
        found.ParseFromString(data)
        config.update({each.key: each.value_json for each in found.run.config.update})
        summary.update({each.key or each.nested_key[0]: each.value_json for each in found.summary.update})
        if found.WhichOneof("record_type") == "exit":
            exits.append(found.exit.exit_code)
    assert json.loads(config["plan.lr.per_256"]) == record.plan["lr"]["per_256"]
    assert json.loads(summary["report/acc1"]) == record.metrics["report"]["acc1"]
    assert exits == [0]


@pytest.mark.slow
def test_trackio_s_reader(told: tuple[Path, RunRecord]) -> None:
    folder, record = told
    code = (
        "import json\nfrom trackio.sqlite_storage import SQLiteStorage as s\n"
        "print(json.dumps([s.get_runs('bakeoff'), s.get_logs('bakeoff', "
        f"{record.run_id!r}), s.get_run_config('bakeoff', {record.run_id!r})], default=str))"
    )
    environment = {**os.environ, "TRACKIO_DIR": str(folder / "trackio"), "HF_HUB_OFFLINE": "1"}
    out = subprocess.check_output([sys.executable, "-c", code], env=environment)
    runs, logs, config = json.loads(out.splitlines()[-1])
    assert runs == [record.run_id]
    assert logs[-1]["report/acc1"] == record.metrics["report"]["acc1"]
    assert config["plan.lr.per_256"] == record.plan["lr"]["per_256"]
