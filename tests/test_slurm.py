"""Studies on Slurm: a cluster of one node on this machine, where it is installed, and submitit's own processes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bakeoff import api
from bakeoff.cli import main
from bakeoff.launch.base import make
from bakeoff.launch.engines import Engine
from bakeoff.launch.messages import Setup
from bakeoff.launch.queue import Queue
from bakeoff.launch.slurm import SlurmLauncher
from bakeoff.runs.store import open_store
from tests.buckets import free_port
from tests.test_ablate import COMMAND
from tests.test_ray import until
from tests.test_worker import batch_of, table

STUDY = (
    "ablate",
    "--task",
    "digits",
    "--recipe",
    "baseline",
    "--with",
    "label_smoothing,ema",
    "--seeds",
    "2",
    "--length",
    "0.2",
)
CONF = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=2,sched_interval=2
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES OverSubscribe=YES
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A cluster of one node; what asks it something."""
    if os.geteuid() or not all(map(shutil.which, ("munged", "slurmctld", "slurmd"))):
        pytest.skip("needs Debian's slurm-wlm, and root")
    folder = tmp_path / "slurm"
    (folder / "state").mkdir(parents=True)
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder, ports=(free_port(), free_port())))
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    munge = [
        f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("socket", "pid-file", "log-file", "seed-file")
    ]
    daemons = [
        ["munged", "--foreground", "--force", f"--key-file={folder}/key", *munge],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D"],
    ]
    started = []
    try:
        for daemon in daemons:
            started.append(subprocess.Popen(daemon, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            time.sleep(0.5)

        def ask(*words: str) -> str:
            return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

        until(lambda: subprocess.run(["srun", "-n1", "true"], capture_output=True, check=False).returncode == 0)
        yield ask
    finally:
        subprocess.run(["scancel", "--me"], capture_output=True, check=False)
        for process in reversed(started):
            process.terminate()
            process.wait(20)


@pytest.mark.slow
def test_a_job_is_queued_again_and_the_table_is_the_same(
    cluster: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where scripts and logs go
    whole = [*COMMAND, *STUDY, "--jobs", "2", "--json", "--quiet"]
    expected = subprocess.run([*whole, "--store", "whole"], capture_output=True, text=True, check=True).stdout
    on = [*whole, "--store", "runs", "--on", "slurm,time=10m,runs=2,partition=debug"]
    command = subprocess.Popen(on, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: len(list(tmp_path.glob("runs/*/weights.safetensors"))) >= 2)
        (job,) = cluster("squeue", "--me", "--noheader", "--format=%i").split()
        cluster("scancel", "--signal=USR2", job)  # as before its time limit
        until(lambda: cluster("squeue", "--me", "--noheader", "--format=%T") == "PENDING", 60)
        cluster("scontrol", "update", f"JobId={job}", "StartTime=now")  # else in two minutes
        told, why = command.communicate(timeout=120)
    finally:
        command.kill()
    assert command.returncode == 0, why
    assert table(told) == table(expected)
    until(lambda: not cluster("squeue", "--me", "--noheader"))  # a job that isn't needed any more is taken back


@pytest.mark.slow
def test_a_job_goes_on_after_its_signal_and_makes_each_run_once(tmp_path: Path) -> None:
    """With submitit's processes in place of Slurm."""
    script = f"""
from pathlib import Path
from tests.test_slurm import study
study(Path({str(tmp_path)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: len(list(tmp_path.glob("runs/*/lease-*.json"))) >= 1 or process.poll() is not None, 60)
        found = psutil.Process(process.pid).children(recursive=True)
        workers = [each for each in found if "submitit.core._submit" in each.cmdline()]
        for worker in workers:
            worker.send_signal(signal.SIGUSR2)
        told = process.communicate(timeout=100)[0].split()
    finally:
        process.kill()
    assert len(workers) == 1
    assert told == ["done"] * 2
    assert "Caught signal SIGUSR2" in "".join(path.read_text() for path in (tmp_path / "logs").glob("*_log.err"))


def study(folder: Path) -> None:
    """Have two runs made, and print how each ended."""
    setup = Setup(store=str(folder / "runs"), data=".", device="cpu")
    workers = SlurmLauncher(setup, jobs=1, runs=1, minutes=5, folder=folder / "logs", cluster="local")
    queue = Queue(open_store(folder / "runs"), "study")
    asked = api.plan_job("digits", "baseline", model="softmax", length=2.0)
    for ended, _ in make(workers, queue, batch_of(asked)):
        print(ended.status, flush=True)
    workers.stop()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slurm,gpus=2", "gpus of --on slurm is of a job, whose runs share one: 0 or 1"),
        ("slurm,time=long", "'long' is no duration"),
        ("slurm,node=1", "unknown knob of --on slurm 'node'"),
    ],
)
def test_what_slurm_cannot_be_asked(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "--on", text, "--length", "0.01", "--store", str(tmp_path / "runs")]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


def test_runs_that_share_a_job_count() -> None:
    assert Engine.parse("slurm,runs=3").at_once() == 12
    assert Engine.parse("ray").at_once() == 1
