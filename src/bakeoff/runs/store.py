"""Results, one folder per trained run, written so that a reader or a kill at any moment finds nothing half done.

    RUN_ID/run.json              what was run and how it ended; immutable once the status is done or diverged
    RUN_ID/weights.safetensors   the weights (`model.*`) and their moving average (`average.*`)
    RUN_ID/views/VIEW.json       one evaluation of those weights, with correctness per example
    RUN_ID/checkpoint.safetensors  the state of a run that isn't finished
    splits/FINGERPRINT.json      which images are in which split

A run is identified by what decides its weights: training part of the plan, seed, data, engine version and revisions.
What is only read from the weights, the average instead of the last weights or another inference size, is a view.

A store may say its format, in store.json: {"format": 1} (absent: 1). One of a later format is refused, and so is a run
in the shape of another version: in one line, and never read as if it were empty. A field of a record may be added with
a default; whatever else changes raises FORMAT.
"""

import hashlib
import json
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from pydantic import ValidationError
from pydantic_core import from_json

from bakeoff.errors import BakeoffError, RequestError, explain_validation, unknown
from bakeoff.plan import EvalView, Plan
from bakeoff.runs import versions
from bakeoff.runs.versions import ENGINE_VERSION

FORMAT = 1  # of a store; raised by whatever an older version would misread
Status = Literal["done", "diverged", "crashed", "interrupted"]


@dataclass(frozen=True)
class View:
    """One evaluation of a run: a split, with or without weight averaging, at an inference size.

    seconds: that it took. hits: k -> correctness of every example at Acc@k, in the split's order, as the store keeps
    it: see `packed_hits`.
    """

    split: str
    ema: bool
    resize_px: int
    crop_px: int
    acc: dict[str, float]  # "acc1", "acc5", ... in percent
    cross_entropy: float
    ece: float
    n: int
    per_class: tuple[float | None, ...]
    seconds: float = field(default=0.0, compare=False)
    hits: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """File name in the run's folder."""
        return view_name(self.split, self.ema, self)

    def metrics(self) -> dict[str, Any]:
        """What is reported of it."""
        return {**self.acc, "cross_entropy": self.cross_entropy, "ece": self.ece, "n": self.n}

    def as_json(self) -> dict[str, Any]:
        """The view as plain data, accuracies at the top level."""
        data: dict[str, Any] = asdict(self)
        accs: dict[str, Any] = data.pop("acc")
        del data["hits"], data["seconds"]
        return data | accs

    def packed_hits(self, k: int = 1) -> npt.NDArray[np.uint8]:
        """(ceil(n / 8),) correctness at Acc@k, packed as `np.packbits` does."""
        return np.frombuffer(zlib.decompress(b64decode(self.hits[str(k)])), np.uint8)


@dataclass(frozen=True)
class Losses:
    """Training loss: its mean over the steps since the entry before, at each `step`.

    Two tuples, since a pair for each entry would take longer to make than all else that is read of a run.
    """

    step: tuple[int, ...] = ()
    loss: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True)
class RunRecord:
    """One run: what was asked, what came out. Times in seconds, accuracies in percent."""

    run_id: str
    status: Status
    reason: str  # why a run that isn't done isn't
    task: str
    recipe: list[dict[str, Any]]
    plan: dict[str, Any]
    plan_digest: str
    seed: int
    data_fingerprint: str
    engine_version: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    examples_seen: int = 0
    steps: int = 0
    seconds: float = 0.0
    data_wait_seconds: float = 0.0
    images_per_second: float = 0.0
    device: str = ""
    threads: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    losses: Losses = Losses()
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)  # split -> what the plan evaluates
    views: tuple[View, ...] = ()  # everything that was evaluated
    revisions: dict[str, int] = field(default_factory=dict)  # of the engine's parts that the run used, above 1

    @property
    def ended(self) -> bool:
        """Whether the run has come to an end that is never changed."""
        return self.status in ("done", "diverged")

    def as_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return {**asdict(self), "views": [view.as_json() for view in self.views]}

    def for_plan(self, plan: Plan, recipe: list[dict[str, Any]]) -> Self:
        """The same run as the answer to a plan that shares its training part: its metrics are the plan's views."""
        asked = plan.model_dump(mode="json")
        return replace(self, recipe=recipe, plan=asked, plan_digest=plan.digest, metrics=_metrics(asked, self.views))


_KNOWN = {each.name for each in fields(RunRecord)} - {"metrics", "views"}
_REQUIRED = {each.name for each in fields(RunRecord) if each.default is each.default_factory is MISSING} | {"losses"}
_KNOWN_OF_VIEW = {each.name for each in fields(View)}


def view_name(split: str, ema: bool, size: EvalView | View) -> str:
    """The name under which an evaluation is kept."""
    return f"{split}-{'ema' if ema else 'raw'}-{size.resize_px}-{size.crop_px}"


def run_id(
    plan: Plan,
    seed: int,
    fingerprint: str,
    engine_version: int = ENGINE_VERSION,
    revisions: Mapping[str, int] | None = None,
) -> str:
    """12 hexadecimal digits that identify a trained run.

    engine_version, revisions: of the engine that trains it, by default this one's (bakeoff.runs.versions).
    """
    used = versions.revisions(plan) if revisions is None else revisions
    parts = [plan.training_digest, seed, fingerprint, engine_version, *(f"{n}:{used[n]}" for n in sorted(used))]
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:12]


class Store:
    """A folder of runs. Raises RequestError for one in a later format than this version reads."""

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

    def find(self, prefix: str) -> str:
        """The run whose id starts with `prefix`. Raises RequestError if there is none or more than one."""
        ids = self.ids()
        found = [run for run in ids if run.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        if found:
            raise RequestError(f"run '{prefix}' is ambiguous in {self.root}: {', '.join(found)}")
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
        data["metrics"] = _metrics(data["plan"], data["views"])
        for name in ("classes", "mean", "std"):
            data[name] = tuple(data[name])
        data["losses"] = Losses(**{name: tuple(values) for name, values in data["losses"].items()})
        return RunRecord(**data)

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

    @contextmanager
    def locked(self, run: str) -> Iterator[None]:
        """Hold a run alone; a process that dies lets go. Raises BakeoffError if another process holds it."""
        self.folder(run).mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder(run) / "lock", timeout=2)
        try:
            with lock:
                yield
        except Timeout:
            raise BakeoffError(f"run {run} is being trained by another process; wait for it") from None


def open_store(root: Path | str | None = None) -> Store:
    """The store in a folder; None: in $BAKEOFF_STORE, else in runs/ here."""
    return Store(Path(root or os.environ.get("BAKEOFF_STORE") or "runs"))


def write_json(path: Path, data: Any) -> None:
    """Write JSON in one piece: a reader sees the old file or the new one."""
    write_text(path, json.dumps(data, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a file in one piece."""
    partial = path.with_suffix(f".partial-{os.getpid()}")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _load(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb", buffering=0) as file:
            data: dict[str, Any] = from_json(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return data


def _metrics(plan: dict[str, Any], views: Iterable[View]) -> dict[str, dict[str, Any]]:
    """Split -> what the plan evaluates."""
    asked = (plan["average"] is not None, plan["eval_view"]["resize_px"], plan["eval_view"]["crop_px"])
    found = {v.split: v.metrics() for v in views if (v.ema, v.resize_px, v.crop_px) == asked}
    return {split: found[split] for split in ("select", "report") if split in found}
