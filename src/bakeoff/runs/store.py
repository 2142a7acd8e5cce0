"""Results, one folder per trained run, written so that a reader or a kill at any moment finds nothing half done.

    RUN_ID/run.json              what was run and how it ended; immutable once the status is done or diverged
    RUN_ID/weights.safetensors   the weights (`model.*`) and their moving average (`average.*`)
    RUN_ID/views/VIEW.json       one evaluation of those weights, with correctness per example
    RUN_ID/checkpoint.safetensors  the state of a run that isn't finished
    splits/FINGERPRINT.json      which images are in which split
    studies/NAME/study.json      a study: its runs and what they are to tell
    studies/NAME/search.json     what was asked of a derivation
    studies/NAME/recipe.yaml, report.*   what came out

Nothing outside this file knows where things are.
"""

import json
import os
import shutil
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from pydantic import ValidationError
from pydantic_core import from_json

from bakeoff import reader
from bakeoff.errors import BakeoffError, RequestError, explain_validation, some, unknown
from bakeoff.files import tidy, write_json
from bakeoff.plan import Plan
from bakeoff.runs.record import Losses, RunRecord, View, metrics_of

LAST = "last"  # instead of an id
FORMAT = 1  # of a store; raised by whatever an older version would misread
Document = Literal["study", "search"]  # what is kept of a study before its first run
_NOUNS: dict[Document, str] = {"study": "study", "search": "derivation"}
_KNOWN = {each.name for each in fields(RunRecord)} - {"metrics", "views"}
_REQUIRED = {each.name for each in fields(RunRecord) if each.default is each.default_factory is MISSING} | {"losses"}
_KNOWN_OF_VIEW = {each.name for each in fields(View)}


class Store:
    """A folder of runs and studies. Raises RequestError for one in a later format than this version reads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        found = (_load(f"{root}/store.json") or {}).get("format", FORMAT)
        if found != FORMAT:
            raise RequestError(
                f"the store {root} has format {found} and this bakeoff reads format {FORMAT}: update bakeoff, or "
                "choose another store (--store)"
            )

    def prepare(self) -> None:
        """Make the folder, and raise RequestError if nothing can be written there."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise RequestError(
                f"can't write to the store {self.root}: {error.strerror}; choose one with --store"
            ) from None

    def folder(self, run: str) -> Path:
        """Where a run keeps its files."""
        return self.root / run

    def weights(self, run: str) -> Path:
        """Where the weights of a run that is done are."""
        return self.folder(run) / "weights.safetensors"

    def checkpoint(self, run: str) -> Path:
        """Where the state of a run that isn't finished is."""
        return self.folder(run) / "checkpoint.safetensors"

    def find(self, prefix: str) -> str:
        """The run whose id starts with `prefix`; `last`: the one that came to its end last.

        Raises RequestError if there is none or more than one.
        """
        if not prefix:
            raise RequestError(f"no run is named: its id, the first characters of it, or {LAST}")
        ids = self.ids()
        found = ids[-1:] if prefix == LAST else [run for run in ids if run.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if found:
            raise RequestError(f"run '{prefix}' is ambiguous in {self.root}: {some(found)}")
        if not ids:
            raise RequestError(f"no runs in {self.root}; start with: bakeoff train --task digits")
        raise unknown(f"run in {self.root}", prefix, ids)

    def ids(self) -> list[str]:
        """All runs, oldest first."""
        files = sorted(self.root.glob("*/run.json"), key=lambda path: (path.stat().st_mtime, path))
        return [path.parent.name for path in files]

    def read(self, run: str, views: Iterable[str] | None = None) -> RunRecord | None:
        """What is known of a run, with those of the named views that are there; None if it was never started.

        views: None for all of them.
        """
        data = _load(f"{self.root}/{run}/run.json")
        if data is None:
            return None
        if not (_REQUIRED <= data.keys() <= _KNOWN and isinstance(data["losses"], dict)):
            raise self._foreign(run, data)
        if views is None:
            views = sorted(path.stem for path in (self.folder(run) / "views").glob("*.json"))
        data["views"] = tuple(view for name in views if (view := self.view(run, name)))
        data["metrics"] = metrics_of(data["plan"], data["views"])
        for name in ("classes", "mean", "std"):
            data[name] = tuple(data[name])
        data["losses"] = Losses(**{name: tuple(values) for name, values in data["losses"].items()})
        return RunRecord(**data)

    def get(self, run: str) -> RunRecord:
        """What is known of a run. Raises RequestError if it was never started."""
        record = self.read(run)
        if record is None:
            raise RequestError(f"no run {run} in {self.root}")
        return record

    def view(self, run: str, name: str) -> View | None:
        """One evaluation of a run; None if it wasn't made."""
        data = _load(f"{self.root}/{run}/views/{name}.json")
        if data is None:
            return None
        if not data.get("hits") or not data.keys() <= _KNOWN_OF_VIEW:
            raise self._foreign(run, self._run_json(run))
        data["per_class"] = tuple(data["per_class"])
        return View(**data)

    def plan(self, record: RunRecord) -> Plan:
        """The plan of a run. Raises RequestError for one that this version doesn't know how to read."""
        try:
            return Plan.model_validate(record.plan)
        except ValidationError as error:
            raise self._foreign(record.run_id, {"versions": record.versions}, explain_validation(error)) from None

    def _run_json(self, run: str) -> dict[str, Any]:
        return _load(f"{self.root}/{run}/run.json") or {}

    def _foreign(self, run: str, data: Mapping[str, Any], why: str = "") -> RequestError:
        """The error for a run in the shape of another version."""
        writer = data.get("versions", {}).get("bakeoff", "another version")
        return RequestError(
            f"run {run} in {self.root} was written by bakeoff {writer} in a form that this version doesn't read"
            f"{f' ({why})' if why else ''}: read it with that version, or choose another store (--store)"
        )

    def write(self, record: RunRecord) -> None:
        """Write a run's record; one that is done or diverged is never replaced."""
        known = self.read(record.run_id)
        if known and known.ended:
            raise BakeoffError(f"run {record.run_id} in {self.root} has ended and can't be changed")
        data = {k: v for k, v in asdict(record).items() if k not in ("metrics", "views")}
        write_json(self.folder(record.run_id) / "run.json", data)

    def add_view(self, run: str, view: View, hits: dict[int, npt.NDArray[np.bool_]]) -> None:
        """Keep an evaluation with its correctness per example."""
        folder = self.folder(run) / "views"
        folder.mkdir(exist_ok=True)
        packed = {str(k): b64encode(zlib.compress(np.packbits(hit).tobytes())).decode() for k, hit in hits.items()}
        write_json(folder / f"{view.name}.json", {**asdict(view), "hits": packed})

    def hits(self, run: str, view: str, k: int = 1) -> npt.NDArray[np.bool_]:
        """(N,) whether each example of a view was right at Acc@k, in the split's order."""
        found = self.view(run, view)
        if found is None:
            raise BakeoffError(f"run {run} in {self.root} has no evaluation {view}")
        return np.unpackbits(found.packed_hits(k), count=found.n).astype(bool)

    def remove(self, run: str) -> None:
        """Remove a run with all of its files. Raises BakeoffError if another process is training it."""
        with self.locked(run):
            self.discard(run)

    def discard(self, run: str) -> None:
        """Remove a run that the caller holds; its record first, so that nobody finds half of it."""
        (self.folder(run) / "run.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder(run))

    @contextmanager
    def locked(self, run: str) -> Iterator[None]:
        """Hold a run alone; a process that dies lets go, and what it hadn't written whole is removed.

        Raises BakeoffError if another process holds the run.
        """
        self.folder(run).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder(run) / "lock", timeout=2)
        try:
            with lock:
                tidy(self.folder(run))
                yield
        except Timeout:
            raise BakeoffError(f"run {run} is being trained by another process; wait for it") from None

    def save_splits(self, task: str, splits: dict[str, Any]) -> Path:
        """Keep which example is in which split, once.

        splits: of `data.splits.described`. Raises BakeoffError when other splits are kept of the same data.
        """
        path = self.root / "splits" / f"{splits['fingerprint']}.json"
        if path.exists():
            try:
                kept = json.loads(path.read_text())
            except ValueError:
                kept = {}
            different = [key for key, value in splits.items() if kept.get(key) != value]
            if different:
                raise BakeoffError(
                    f"{path} has other {different[0]} than the data that is read now; "
                    f"results of this store belong to those splits: use another --store, or move the file away"
                )
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, {"task": task, **splits})  # two processes at once write the same
        return path

    def class_counts(self, fingerprint: str, split: str) -> tuple[int, ...]:
        """How many images of each class a split of a data set has; none where that isn't kept."""
        kept = _load(f"{self.root}/splits/{fingerprint}.json") or {}
        return tuple(kept.get("splits", {}).get(split, {}).get("per_class", ()))

    def study_names(self, kind: Document = "study") -> list[str]:
        """All studies of which there is such a document, by name."""
        return sorted(path.parent.name for path in self.root.glob(f"studies/*/{kind}.json"))

    def read_study(self, name: str, kind: Document = "study") -> dict[str, Any]:
        """A document of a study. Raises RequestError where there is none."""
        data = _load(str(self.study_file(name, f"{kind}.json")))
        if data is None:
            raise unknown(f"{_NOUNS[kind]} in {self.root}", name, self.study_names(kind))
        return data

    def write_study(self, name: str, data: dict[str, Any], kind: Document = "study") -> None:
        """Keep a document of a study, in place of the one before."""
        path = self.study_file(name, f"{kind}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, data)

    def study_file(self, name: str, filename: str) -> Path:
        """Where a study keeps a file that came out of it, such as "report.html"; its folder may not be there yet."""
        return self.root / "studies" / name / filename


def open_store(root: Store | Path | str | None = None) -> Store:
    """The store in a folder; None: in $BAKEOFF_STORE, else in runs/ here. An open one stays as it is."""
    if isinstance(root, Store):
        return root
    named = reader.path(root, "--store") if root else reader.environment_path("BAKEOFF_STORE")
    return Store(named or Path("runs"))


def _load(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb", buffering=0) as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        try:
            data = from_json(text)
        except ValueError:
            data = json.loads(text)  # several times slower, and takes names that aren't UTF-8
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path} isn't whole, or isn't JSON ({error}): move it away") from None
    if not isinstance(data, dict):
        raise RequestError(f"{path} isn't what bakeoff writes: move it away")
    return data
