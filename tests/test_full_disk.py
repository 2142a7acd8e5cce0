"""Disks that fill up: a file system of a megabyte, mounted for the test, where that may be done."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakeoff.cli import main
from bakeoff.files import write_text
from bakeoff.runs.store import Store
from tests.studies import write_study
from tests.test_worker import STUDY

TRAIN = ("train", "--task", "digits", "--model", "cnn", "--length", "0.02", "--device", "cpu", "--json")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = sys.platform == "linux" and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(disk: Path, free: int) -> Path:
    """Leave so many bytes; the file that takes the others."""
    about, path = os.statvfs(disk), disk / "fill"
    path.write_bytes(bytes(max(0, about.f_bavail * about.f_frsize - free)))
    return path


def test_the_old_file_stays_and_the_error_names_it(disk: Path) -> None:
    path = disk / "recipe.yaml"
    path.write_text("old")
    fill(disk, 0)
    with pytest.raises(OSError, match="No space left on device: '.*recipe.yaml'"):
        write_text(path, "new" * 10_000)
    assert path.read_text() == "old"
    assert sorted(each.name for each in disk.iterdir()) == ["fill", "recipe.yaml"]


@pytest.mark.parametrize(("free", "file"), [(0, "splits/"), (8_192, "run.json"), (100_000, "weights.safetensors")])
def test_training_names_what_is_full_and_goes_on(
    disk: Path, free: int, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run needs 600 kB for a checkpoint, and 300 for its weights."""
    full = fill(disk, free)
    assert main([*TRAIN, "--store", str(disk / "runs")]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"bakeoff: {disk}/runs/" in line
    assert file in line
    assert "no space left on device; when that is mended, the same command goes on" in line
    full.unlink()
    assert main([*TRAIN, "--store", str(disk / "runs")]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


def test_a_run_outlives_a_checkpoint_that_cannot_be_kept(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(disk, 400_000)
    assert main([*TRAIN, "--store", str(disk / "runs")]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["status"] == "done"
    (warned,) = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert "checkpoint.safetensors can't be written at step 8: no space left on device; training goes on" in warned
    assert not list(disk.glob("runs/*/checkpoint*"))


def test_a_store_that_cannot_be_written_can_be_read(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--store", str(disk / "runs"))
    write_study(Store(disk / "runs"), training=("mixup", "cutmix"), runs=16, corners=0)
    assert main([*TRAIN, *where]) == 0
    run = json.loads(capsys.readouterr().out)["run_id"]
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    there = sorted(disk.rglob("*"))
    for refused in (["train", "--task", "digits", "--device", "cpu"], ["report"], ["runs", "rm", run, "--yes"]):
        assert main([*refused, *where]) in (1, 2)
        assert "read-only file system" in capsys.readouterr().err.splitlines()[-1].lower()
    page = str(disk.parent / "page.html")
    for read in (
        ["report", "--output", page],
        ["watch", "--once", "--output", page],
        ["runs", "list"],
        ["runs", "show", run],
    ):
        assert main([*read, *where]) == 0, read
    assert run in capsys.readouterr().out
    assert sorted(disk.rglob("*")) == there


@pytest.mark.slow
def test_a_study_stops_where_nothing_can_be_kept_and_goes_on(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No run counts as crashed for it."""
    command = [*STUDY, "--store", str(disk / "runs"), "--device", "cpu", "--jobs", "1", "--quiet"]
    full = fill(disk, 300_000)
    assert main(command) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith(f"bakeoff: {disk}/runs/")
    assert "no space left on device" in line
    made = [path for path in disk.glob("runs/*/run.json") if json.loads(path.read_text())["status"] == "done"]
    assert made
    assert not any(json.loads(path.read_text()).get("crashes") for path in disk.glob("runs/*/lease-*.json"))
    began = {path: path.stat().st_mtime_ns for path in made}
    full.unlink()
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in made} == began
