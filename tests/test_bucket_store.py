"""A study whose store is a bucket, on a network that fails: the table that a folder gives."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakeoff.runs.store import open_store
from tests.buckets import CREDENTIALS, make_bucket, network, s3_server

pytestmark = pytest.mark.slow
STUDY = (
    *("ablate", "--task", "digits", "--model", "softmax", "--recipe", "baseline", "--with", "label_smoothing,mixup"),
    *("--length", "0.02", "--runs", "8", "--threads", "1", "--quiet", "--json", "--store"),
)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with a bucket `lab`."""
    with s3_server() as address:
        make_bucket(address, "lab")
        yield address


def bakeoff(*arguments: str, address: str = "", timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    environment = {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": address}
    command = [sys.executable, "-m", "bakeoff", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)


def table(text: str) -> dict[str, object]:
    """What a study found, without what it took."""
    found = json.loads(text)
    return {name: found[name] for name in ("study", "runs", "baseline", "recipe", "total_gain")} | {
        "effects": [{n: v for n, v in each.items() if n != "cost_ratio"} for each in found["effects"]]
    }


def test_a_study_in_a_bucket_behind_a_bad_network_is_resumed_and_says_what_a_folder_says(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = bakeoff(*STUDY, str(tmp_path / "runs"))
    assert here.returncode == 0, here.stderr
    with network(s3, share=0.1) as proxy:
        url = "s3://lab/runs"
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.address}.items():
            monkeypatch.setenv(name, value)
        first = subprocess.Popen([sys.executable, "-m", "bakeoff", *STUDY, url], stdout=subprocess.DEVNULL)
        theirs = open_store(url)
        while not theirs.ids():
            time.sleep(0.5)
        assert first.poll() is None
        first.kill()  # in the middle
        first.wait()
        there = bakeoff(*STUDY, url, address=proxy.address)
        assert there.returncode == 0, there.stderr
        assert table(there.stdout) == table(here.stdout)
        again = bakeoff(*STUDY, url, address=proxy.address)  # and now from the store alone
        assert table(again.stdout) == table(here.stdout)
        assert len(proxy.happened) == 6, proxy.happened
        ours = open_store(tmp_path / "runs")
        assert set(ours.ids()) == set(theirs.ids())
        for run in ours.ids():
            assert ours.weights(run).read() == theirs.weights(run).read()
        study = ours.study_names()[0]
        kept = theirs.storage.read(f"studies/{study}/report.html")
        assert kept is not None
        assert len(kept) > 10_000


def test_commands_on_one_run_work_on_a_bucket(s3: str) -> None:
    store = ("--store", "s3://lab/one", "--quiet", "--json")
    made = bakeoff("train", "--task", "digits", "--model", "softmax", "--length", "0.02", *store, address=s3)
    assert made.returncode == 0, made.stderr
    run = json.loads(made.stdout)["run_id"]
    for command in (["evaluate", run, "--split", "test"], ["runs", "show", run], ["runs", "list"]):
        assert bakeoff(*command, *store, address=s3).returncode in (0, 2), command
    shown = bakeoff("runs", "show", run, "--store", "s3://lab/one", address=s3)
    assert f"s3://lab/one/{run}" in shown.stdout
    assert bakeoff("runs", "rm", run, "--yes", *store, address=s3).returncode == 0
    assert json.loads(bakeoff("runs", "list", *store, address=s3).stdout) == []


def test_what_is_wrong_with_a_bucket_is_one_line(s3: str) -> None:
    train = ("train", "--task", "digits", "--model", "softmax", "--length", "0.02", "--store")
    for url, status, said in (
        ("s3://nowhere/runs", 2, "there is no bucket nowhere (s3://nowhere/runs): make it, or name another"),
        ("ftp://x/y", 2, "'ftp://x/y' is no place that can be read: a path, s3://BUCKET/FOLDER"),
    ):
        failed = bakeoff(*train, url, address=s3)
        assert (failed.returncode, said in failed.stderr) == (status, True), failed.stderr
        assert failed.stderr.count("\n") == 1
    gone = bakeoff(*train, "s3://lab/runs", address="http://127.0.0.1:9")
    assert gone.returncode == 1
    assert gone.stderr.strip().endswith("no server answers there (connection refused): s3://lab/runs/store.json "
                                        "(--debug shows where)")  # fmt: skip
