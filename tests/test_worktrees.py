"""`bakeoff judge` of two commits: checked out side by side, and gone afterwards."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bakeoff
from bakeoff.errors import RequestError
from bakeoff.judging.judge import Judgement
from bakeoff.judging.worktrees import Repository
from bakeoff.runs.store import Store
from bakeoff.study.check import check
from tests.test_judge import PYTHON

SCRIPT = """
import json, os, random, sys
print("run", file=open(os.environ["LOG"], "a"))
seed, accuracy = int(sys.argv[1]), 80
noise = random.Random(seed).gauss(0, 1) + random.Random(f"{seed} {accuracy}").gauss(0, 0.3)
print(json.dumps({"acc": accuracy + noise}, indent=1))
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits of a program in a folder, the second 4 better, and a file that is changed."""
    root = tmp_path / "repo"
    (root / "code").mkdir(parents=True)
    (root / "code" / "train.py").write_text(SCRIPT)

    def git(*words: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@y"]
        subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)

    git("init", "-b", "main")
    (root / ".gitignore").write_text("data\n")
    git("add", "-A")
    git("commit", "-m", "one")
    (root / "code" / "train.py").write_text(SCRIPT.replace("80", "84"))
    git("commit", "-am", "two")
    (root / "code" / "train.py").write_text("edited")
    hook = root / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    monkeypatch.chdir(root / "code")
    return root


def worktrees(root: Path) -> int:
    told = subprocess.run(["git", "-C", str(root), "worktree", "list"], check=True, capture_output=True, text=True)
    return len(told.stdout.splitlines())


def test_two_commits_side_by_side(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Really run, in processes."""
    log, command = tmp_path / "log", f"{PYTHON} train.py {{seed}}"
    monkeypatch.setenv("LOG", str(log))

    def judged() -> Judgement:
        return bakeoff.judge("main~1", "HEAD", command=command, metric="acc", store=tmp_path / "store")

    found = judged()
    assert found.verdict == "better"
    assert found.standing.gain == pytest.approx(4, abs=0.5)
    assert found.entry.baseline.startswith("main~1 (")
    assert "not judged, since it isn't committed: code/train.py" in found.notes
    assert worktrees(repository) == 1
    assert not (tmp_path / "hooked").exists()
    assert (repository / "code" / "train.py").read_text() == "edited"
    made = log.read_text()
    assert made.count("run") == 2 * len(found.pairs)
    assert judged().as_json() == found.as_json()  # in other folders, and nothing is made twice
    assert log.read_text() == made
    assert not check(Store(tmp_path / "store")).faults


def test_checkouts_go_whatever_happens(repository: Path, tmp_path: Path) -> None:
    place = Repository.of(repository / "code")
    (repository / "code" / "data").mkdir()
    with pytest.raises(KeyboardInterrupt), place.side_by_side(["main~1", "HEAD"], ["data"]) as found:  # noqa: PT012
        assert worktrees(repository) == 3
        folders = [Path(each.folder) for each in found]
        assert [folder.name for folder in folders] == ["code", "code"]
        assert "80" in (folders[0] / "train.py").read_text()
        assert "84" in (folders[1] / "train.py").read_text()
        assert (folders[1] / "data").resolve() == (repository / "code" / "data").resolve()
        raise KeyboardInterrupt
    assert worktrees(repository) == 1
    assert not any(folder.exists() for folder in folders)
    assert (repository / "code" / "data").is_dir()

    gone = subprocess.run([PYTHON, "-c", "import os; print(os.getpid())"], check=True, capture_output=True, text=True)
    left = Path(os.environ.get("TMPDIR", "/tmp")) / f"bakeoff-judge-{gone.stdout.strip()}-x" / "0-abc"
    subprocess.run(["git", "worktree", "add", "--detach", str(left)], check=True, capture_output=True)
    with place.side_by_side(["HEAD"]):
        assert worktrees(repository) == 2
        assert not left.parent.exists()


@pytest.mark.parametrize(
    ("baseline", "candidate", "more", "told"),
    [
        ("main", "HEAD", {}, "main and HEAD hold the same files"),
        ("main", "nope", {}, "there is no commit 'nope' in "),
        ("main", "--help", {}, "there is no commit '--help' in "),
        ("main~1", "main", {"links": ["nothing"]}, "--link 'nothing': there is nothing of that name"),
        ("main~1", "main", {"links": ["train.py"]}, "has that itself"),
    ],
)
def test_commits_that_can_not_be_judged(
    baseline: str, candidate: str, more: Any, told: str, repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=told):
        bakeoff.judge(baseline, candidate, command=f"{PYTHON} train.py {{seed}}", metric="acc", store=tmp_path, **more)
    assert worktrees(repository) == 1


def test_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match="is in no git repository"):
        bakeoff.judge("a", "b", command="x {seed}", metric="acc")
