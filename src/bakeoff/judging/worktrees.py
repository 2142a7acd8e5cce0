"""Commits of a git repository side by side, each in a folder of its own, which is removed afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bakeoff.errors import BakeoffError, RequestError, shown
from bakeoff.files import printable

_PREFIX = "bakeoff-judge-"
_TREE = "BAKEOFF_TREE"  # variable that a command of a commit sees, so that what the commit holds is part of its runs


@dataclass(frozen=True)
class Checkout:
    """A commit in a folder. folder: where a command runs in it: as deep as we are in the repository."""

    revision: str
    commit: str
    tree: str
    folder: str

    @property
    def env(self) -> dict[str, str]:
        """Variables for its command."""
        return {_TREE: self.tree}


@dataclass(frozen=True)
class Repository:
    """The repository that a folder is in. below: where that is in it."""

    root: Path
    below: Path

    @classmethod
    def of(cls, folder: Path) -> "Repository":
        """Raises RequestError where there is none, or no git."""
        if shutil.which("git") is None:
            raise RequestError("judging commits needs git, and there is no program of that name")
        root = _git(folder, "rev-parse", "--show-toplevel", wrong=f"{folder} is in no git repository")
        return cls(Path(root), folder.resolve().relative_to(Path(root).resolve()))

    def tree(self, revision: str) -> tuple[str, str]:
        """Commit and tree of a revision. Raises RequestError for one that isn't there."""
        wrong = f"there is no commit {shown(revision)} in {self.root}"
        if revision.startswith("-"):
            raise RequestError(wrong)
        commit = _git(self.root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", wrong=wrong)
        return commit, _git(self.root, "rev-parse", f"{commit}^{{tree}}", wrong=wrong)

    def uncommitted(self) -> list[str]:
        """Files that differ from the last commit, those that git ignores left out."""
        told = _git(self.root, "status", "--porcelain", "-z", wrong=f"{self.root} can't be looked at")
        return [printable(line[3:]) for line in told.split("\0") if len(line) > 3 and line[2] == " "]

    @contextmanager
    def side_by_side(self, revisions: Sequence[str], links: Sequence[str] = ()) -> Iterator[list[Checkout]]:
        """The commits, each in a folder. links: what isn't in git and is linked into both, such as "data"."""
        found = [(revision, *self.tree(revision)) for revision in revisions]
        for link in links:
            if not (self.root / self.below / link).exists():
                raise RequestError(f"--link {shown(link)}: there is nothing of that name in {self.root / self.below}")
        self._tidy()
        base = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        made: list[Path] = []
        try:
            checkouts = []
            for number, (revision, commit, tree) in enumerate(found):
                place = base / f"{number}-{commit[:12]}"
                made.append(place)
                _git(
                    self.root, "worktree", "add", "--detach", "--quiet", str(place), commit,
                    wrong=f"commit {commit[:12]} can't be checked out beside the others", error=BakeoffError,
                )  # fmt: skip
                folder = place / self.below
                if not folder.is_dir():
                    raise RequestError(f"there is no folder {self.below} in {shown(revision)}")
                for link in links:
                    _link(self.root / self.below / link, folder / link, revision)
                checkouts.append(Checkout(revision, commit, tree, str(folder)))
            yield checkouts
        finally:
            for place in made:
                self._remove(place)
            shutil.rmtree(base, ignore_errors=True)

    def _remove(self, place: Path) -> None:
        subprocess.run(
            ["git", "-C", str(self.root), "worktree", "remove", "--force", str(place)], capture_output=True, check=False
        )
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run(["git", "-C", str(self.root), "worktree", "prune"], capture_output=True, check=False)

    def _tidy(self) -> None:
        """Remove what a process that was killed left."""
        told = _git(self.root, "worktree", "list", "--porcelain", wrong=f"{self.root} can't be looked at")
        for line in told.splitlines():
            place = Path(line.removeprefix("worktree "))
            owner = place.parent.name.removeprefix(_PREFIX).partition("-")[0]
            ours = line.startswith("worktree ") and place.parent.name.startswith(_PREFIX) and owner.isdecimal()
            if ours and not psutil.pid_exists(int(owner)):
                self._remove(place)
                shutil.rmtree(place.parent, ignore_errors=True)


def _link(there: Path, here: Path, revision: str) -> None:
    if here.exists() or here.is_symlink():
        raise RequestError(f"--link {here.name}: {shown(revision)} has that itself")
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(there.resolve())


def _git(folder: Path, *words: str, wrong: str, error: type[BakeoffError] = RequestError) -> str:
    """What git says. wrong: of an error, before git's own line."""
    try:
        quiet = ["-c", f"core.hooksPath={os.devnull}"]  # a checkout of ours runs nobody's hooks
        done = subprocess.run(["git", *quiet, "-C", str(folder), *words], capture_output=True, check=False)
    except OSError as problem:
        raise error(f"{wrong}: {problem.strerror}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise error(f"{wrong}{f': {said[-1]}' if said else ''}")
    return done.stdout.decode("utf-8", "surrogateescape").strip("\n")
