"""Studies on a Ray cluster of real nodes on this machine: a head without CPUs, and two nodes, of which one is lost."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.launch.engines import Engine
from bakeoff.runs.store import open_store
from bakeoff.study.spec import StudySpec
from tests.test_ablate import COMMAND, QUICK
from tests.test_worker import table

STUDY = ("ablate", *QUICK, "--seeds", "12")


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("local", Engine("local")),
        ("ray", Engine("ray")),
        ("ray,gpus=0.5,cpus=2", Engine("ray", None, {"gpus": "0.5", "cpus": "2"})),
        ("ray://head:10001", Engine("ray", "ray://head:10001")),
        ("10.0.0.1:6379,gpus=1", Engine("ray", "10.0.0.1:6379", {"gpus": "1"})),
        ("workers", Engine("workers")),
    ],
)
def test_engines(text: str, engine: Engine) -> None:
    assert Engine.parse(text) == engine


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rya", "unknown engine (--on) 'rya'; did you mean ray?"),
        ("ray,gpu=1", "unknown knob of --on ray 'gpu'; did you mean gpus?"),
        ("workers,jobs=2", "unknown knob of --on workers 'jobs'"),
    ],
)
def test_no_such_engine(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", "--on", text, "--store", str(tmp_path / "runs")]) == 2
    assert says in capsys.readouterr().err.replace("\n", " ")


def test_a_knob_is_a_number() -> None:
    assert Engine.parse("ray,gpus=0.25").number("gpus", 0) == 0.25
    with pytest.raises(RequestError, match="gpus of --on ray is a number, not 'all'"):
        Engine.parse("ray,gpus=all").number("gpus", 0)


@pytest.fixture(scope="module")
def cluster() -> Iterator["object"]:
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def until(ready: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_node_and_the_command_are_lost_and_the_table_is_the_same(
    cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_LEASE_SECONDS", "3")
    whole = [*COMMAND, *STUDY, "--store", str(tmp_path / "whole"), "--jobs", "2", "--json", "--quiet"]
    expected = subprocess.run(whole, capture_output=True, text=True, timeout=300, check=True).stdout

    runs, (lost, _) = tmp_path / "runs", [cluster.add_node(num_cpus=1) for _ in range(2)]
    on = [*COMMAND, *STUDY, "--store", str(runs), "--on", cluster.address, "--json", "--quiet"]

    def done() -> int:
        return len(list(runs.glob("*/weights.safetensors")))

    with subprocess.Popen(on, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        until(lambda: done() >= 3)
        cluster.remove_node(lost, allow_graceful=False)
        until(lambda: done() >= 8)
        command.kill()
        command.communicate()
    assert done() < 30
    made = subprocess.run(on, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stderr
    assert table(made.stdout) == table(expected)
    store = open_store(runs)
    spec = StudySpec.load(store, "digits")
    assert sorted(store.ids()) == sorted(row.runs[0] for row in spec.rows)
    assert not list(runs.rglob("lease-*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_workers_cannot_make_is_told(cluster, tmp_path: Path) -> None:
    """The data of the command's machine aren't on the nodes."""
    cluster.add_node(num_cpus=1)
    script = f"""
import json
from bakeoff.launch.base import Unable, make
from bakeoff.launch.messages import Setup
from bakeoff.launch.queue import Queue
from bakeoff.launch.ray import RayLauncher
from bakeoff.runs.store import open_store
from tests.test_worker import batch_of, quick
workers = RayLauncher(Setup(store="{tmp_path}", data=".", device="cpu"), address="{cluster.address}", cpus=1, gpus=0)
queue = Queue(open_store("{tmp_path}"), "study")
made, told = [ended.status for ended, _ in make(workers, queue, batch_of(quick()))], ""
try:
    list(make(workers, queue, batch_of(quick(settings=["lr.per_256=0.3"]), data_fingerprint="0" * 16)))
except Unable as error:
    told = str(error)
workers.stop()
print(json.dumps([made, told]))
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False)
    assert found.returncode == 0, found.stderr
    statuses, told = json.loads(found.stdout)
    assert statuses == ["done", "done"]
    assert "would be" in told or "aren't those" in told
