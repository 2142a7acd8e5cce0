"""Results, one folder per trained run, written so that a reader or a kill at any moment finds nothing half done.

    RUN_ID/run.json              what was run and how it ended; immutable once the status is done or diverged
    RUN_ID/weights.safetensors   the weights (`model.*`) and their moving average (`average.*`)
    RUN_ID/views/VIEW.json       one evaluation of those weights, with correctness per example
    RUN_ID/checkpoint.safetensors  the state of a run that isn't finished; checkpoint-before: the one before it
    RUN_ID/log.txt               what a command said, its middle left out where that is long
    RUN_ID/lease-N.json          who makes it, until it is made: see bakeoff.runs.lease
    RUN_ID/answers/VIEW.json     what the run said to each example of it, and how sure it was; may be missing
    splits/FINGERPRINT.json      which images are in which split
    studies/NAME/study.json      a study: its runs and what they are to tell
    studies/NAME/search.json     what was asked of a derivation
    studies/NAME/work-ID.json    runs that are to be made, for workers to find: see bakeoff.launch.queue
    studies/NAME/recipe.yaml, report.*   what came out
    ledgers/NAME/N.json          what was proposed, and how it was judged: see bakeoff.judging.ledger

Nothing outside this file knows where things are.
"""

import json
import os
import tempfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from pydantic_core import from_json

from bakeoff import reader
from bakeoff.errors import BakeoffError, RequestError, StoreFailed, explain_validation, some, unknown
from bakeoff.files import json_bytes
from bakeoff.plan import Plan
from bakeoff.runs import stored
from bakeoff.runs.lease import Leases
from bakeoff.runs.record import RunRecord, View
from bakeoff.storage import Entry, File, LocalStorage, PackedStorage, Storage, is_url, open_storage

LAST = "last"  # instead of an id
FORMAT = 1  # of a store; raised by whatever an older version would misread
PACKED = 2  # of one that was packed: see bakeoff.storage.packed
Answers = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]  # (N,) predicted class, (N,) its probability
Document = Literal["study", "search"]  # what is kept of a study before its first run
_NOUNS: dict[Document, str] = {"study": "study", "search": "derivation"}


class Store:
    """Runs and studies in a folder. Raises RequestError for one in a later format than this version reads.

    folder_here: the folder, where it is on a disk.
    """

    def __init__(self, storage: Storage | Path) -> None:
        self.storage: Storage = LocalStorage(storage) if isinstance(storage, Path) else storage
        self.url = self.storage.url
        self.folder_here = self.storage.root if isinstance(self.storage, LocalStorage) else None
        about = self._load("store.json") or {}
        found = about.get("format", FORMAT)
        if found == PACKED and isinstance(about.get("packed"), list):
            self.storage = PackedStorage(self.storage, about["packed"])
        elif found != FORMAT:
            raise RequestError(
                f"the store {self.url} has format {found} and this bakeoff reads formats {FORMAT} and {PACKED}: update "
                "bakeoff, or choose another store (--store)"
            )

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """What the system refuses of the store's files, as on a full disk, becomes StoreFailed: which one, and why."""
        try:
            yield
        except OSError as error:
            if not str(error.filename or "").startswith(self.url):
                raise
            why = (error.strerror or str(error)).lower()
            raise StoreFailed(
                f"{error.filename}: {why}; when that is mended, the same command goes on with what is kept"
            ) from error

    def prepare(self) -> None:
        """Make the folder, and raise RequestError if nothing can be written there."""
        self.storage.prepare()

    def folder(self, run: str) -> str:
        """Where a run keeps its files, for people."""
        return f"{self.url}/{run}"

    def weights(self, run: str) -> File:
        """The weights of a run that is done."""
        return File(self.storage, f"{run}/weights.safetensors")

    def checkpoint(self, run: str) -> File:
        """The state of a run that isn't finished."""
        return File(self.storage, f"{run}/checkpoint.safetensors")

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
            raise RequestError(f"run '{prefix}' is ambiguous in {self.url}: {some(found)}")
        if not ids:
            raise RequestError(f"no runs in {self.url}; start with: bakeoff train --task digits")
        raise unknown(f"run in {self.url}", prefix, ids)

    def ids(self) -> list[str]:
        """All runs, oldest first."""
        files = sorted(self.storage.glob("*/run.json"), key=lambda entry: (entry.modified, entry.key))
        return [entry.key.partition("/")[0] for entry in files]

    def read(self, run: str, views: Iterable[str] | None = None) -> RunRecord | None:
        """What is known of a run, with those of the named views that are there; None if it was never started.

        views: None for all of them.
        """
        data = self._load(f"{run}/run.json")
        if data is None:
            return None
        if views is None:
            views = self.views(run)
        kept = tuple(view for name in views if (view := self.view(run, name)))
        try:
            return stored.record(data, kept)
        except stored.ForeignError:
            raise self._foreign(run, data) from None
        except ValueError as error:
            raise self._broken(f"{run}/run.json", error) from None

    def get(self, run: str) -> RunRecord:
        """What is known of a run. Raises RequestError if it was never started."""
        record = self.read(run)
        if record is None:
            raise RequestError(f"no run {run} in {self.url}")
        return record

    def views(self, run: str) -> list[str]:
        """Names of the evaluations that were made of a run."""
        return sorted(_name(entry) for entry in self.storage.glob(f"{run}/views/*.json"))

    def view(self, run: str, name: str) -> View | None:
        """One evaluation of a run; None if it wasn't made."""
        data = self._load(f"{run}/views/{name}.json")
        if data is None:
            return None
        try:
            return stored.view(data)
        except stored.ForeignError:
            raise self._foreign(run, self._run_json(run)) from None
        except ValueError as error:
            raise self._broken(f"{run}/views/{name}.json", error) from None

    def plan(self, record: RunRecord) -> Plan:
        """The plan of a run. Raises RequestError for one that this version doesn't know how to read, or a command's."""
        if record.command:
            raise RequestError(f"run {record.run_id} is of a command, which alone knows its network and its data")
        try:
            return Plan.model_validate(record.plan)
        except ValidationError as error:
            raise self._foreign(record.run_id, {"versions": record.versions}, explain_validation(error)) from None

    def _broken(self, key: str, why: object) -> RequestError:
        """The error for a file that no version of bakeoff has written so."""
        return RequestError(
            f"{self.url}/{key} isn't as it was written ({why}): move it away; bakeoff store check names all such files"
        )

    def _run_json(self, run: str) -> dict[str, Any]:
        return self._load(f"{run}/run.json") or {}

    def _foreign(self, run: str, data: Mapping[str, Any], why: str = "") -> RequestError:
        """The error for a run in the shape of another version."""
        versions = data.get("versions")
        writer = versions.get("bakeoff", "another version") if isinstance(versions, dict) else "another version"
        return RequestError(
            f"run {run} in {self.url} was written by bakeoff {writer} in a form that this version doesn't read"
            f"{f' ({why})' if why else ''}: read it with that version, or choose another store (--store)"
        )

    def write(self, record: RunRecord) -> None:
        """Write a run's record; one that is done or diverged is there already and stays as it is."""
        known = self.read(record.run_id, ())
        if known and known.ended:
            return
        left_out = {"metrics", "views"} if record.command else {"metrics", "views", "command"}
        data = {k: v for k, v in asdict(record).items() if k not in left_out}
        self._save(f"{record.run_id}/run.json", data)

    def add_view(self, run: str, view: View, hits: dict[int, npt.NDArray[np.bool_]]) -> None:
        """Keep an evaluation with its correctness per example."""
        packed = {str(k): b64encode(zlib.compress(np.packbits(hit).tobytes())).decode() for k, hit in hits.items()}
        data = {**asdict(view), "hits": packed}
        if view.reading is None:
            del data["reading"]
        else:
            data = {name: data[name] for name in ("split", "reading", "acc", "n", "hits")}
        self._save(f"{run}/views/{view.name}.json", data)

    def add_log(self, run: str, log: bytes) -> None:
        """Keep what a command said, in place of what it said when it was tried before."""
        self.storage.write(f"{run}/log.txt", log)

    def log(self, run: str) -> bytes | None:
        """What a command said; None where it wasn't run to an end."""
        return self.storage.read(f"{run}/log.txt")

    def log_place(self, run: str) -> str:
        """Where that is, for people."""
        return f"{self.url}/{run}/log.txt"

    def add_answers(self, run: str, view: str, answers: Answers) -> None:
        """Keep what a run said to every example of a view: the most likely class, and its probability."""
        predicted, confidence = answers
        kinds = {
            "predicted": predicted.astype("<i4"),
            "confidence": np.rint(np.nan_to_num(confidence) * 65535).astype("<u2"),
        }
        packed = {name: b64encode(zlib.compress(values.tobytes())).decode() for name, values in kinds.items()}
        self._save(f"{run}/answers/{view}.json", {"n": len(predicted), **packed})

    def answers(self, run: str, view: str) -> Answers | None:
        """(N,) the most likely class of each example of a view, and (N,) its probability to 1/65,535.

        None where they weren't kept, as evaluations before they were don't have them, or aren't whole.
        """
        data = self._load(f"{run}/answers/{view}.json")
        try:
            if data is None:
                return None
            predicted, confidence = (
                np.frombuffer(zlib.decompress(b64decode(data[name])), kind)
                for name, kind in (("predicted", "<i4"), ("confidence", "<u2"))
            )
            if not len(predicted) == len(confidence) == data["n"]:
                return None
        except (KeyError, TypeError, ValueError, zlib.error):
            return None
        return predicted.astype(np.int64), (confidence / np.float32(65535)).astype(np.float32)

    def hits(self, run: str, view: str, k: int = 1) -> npt.NDArray[np.bool_]:
        """(N,) whether each example of a view was right at Acc@k, in the split's order."""
        found = self.view(run, view)
        if found is None:
            raise BakeoffError(f"run {run} in {self.url} has no evaluation {view}")
        return np.unpackbits(found.packed_hits(k), count=found.n).astype(bool)

    def remove(self, run: str) -> None:
        """Remove a run with all of its files. Raises BakeoffError if another process is training it."""
        leases = Leases(self.storage)
        leases.forgive(run)
        with leases.claim(run):
            self.discard(run)

    def discard(self, run: str) -> None:
        """Remove a run that the caller holds; its record first, so that nobody finds half of it."""
        self.storage.delete(f"{run}/run.json")
        self.storage.delete_folder(run)

    def save_splits(self, task: str, splits: dict[str, Any]) -> None:
        """Keep which example is in which split, once.

        splits: of `data.splits.described`. Raises BakeoffError when other splits are kept of the same data.
        """
        key = f"splits/{splits['fingerprint']}.json"
        kept = self._load(key)
        if kept is None:
            self._save(key, {"task": task, **splits})  # two processes at once write the same
            return
        different = [name for name, value in splits.items() if kept.get(name) != value]
        if different:
            raise BakeoffError(
                f"{self.url}/{key} has other {different[0]} than the data that is read now; "
                f"results of this store belong to those splits: use another --store, or move the file away"
            )

    def splits(self, fingerprint: str) -> dict[str, Any]:
        """Which example is in which split, as `save_splits` kept it; nothing where it didn't."""
        return self._load(f"splits/{fingerprint}.json") or {}

    def class_counts(self, fingerprint: str, split: str) -> tuple[int, ...]:
        """How many images of each class a split of a data set has; none where that isn't kept."""
        kept = self.splits(fingerprint)
        return tuple(kept.get("splits", {}).get(split, {}).get("per_class", ()))

    def study_names(self, kind: Document = "study") -> list[str]:
        """All studies of which there is such a document, by name."""
        return sorted(entry.key.split("/")[1] for entry in self.storage.glob(f"studies/*/{kind}.json"))

    def read_study(self, name: str, kind: Document = "study") -> dict[str, Any]:
        """A document of a study. Raises RequestError where there is none."""
        data = self._load(f"studies/{name}/{kind}.json")
        if data is None:
            raise unknown(f"{_NOUNS[kind]} in {self.url}", name, self.study_names(kind))
        return data

    def write_study(self, name: str, data: dict[str, Any], kind: Document = "study") -> None:
        """Keep a document of a study, in place of the one before."""
        self._save(f"studies/{name}/{kind}.json", data)

    def work(self, study: str) -> list[str]:
        """Names of what a study wants made."""
        found = (_name(entry) for entry in self.storage.glob(f"studies/{study}/work-*.json"))
        return sorted(name.removeprefix("work-") for name in found)

    def studies_with_work(self) -> list[str]:
        """Studies that want something made, by name."""
        return sorted({entry.key.split("/")[1] for entry in self.storage.glob("studies/*/work-*.json")})

    def read_work(self, study: str, name: str) -> dict[str, Any] | None:
        """A document of what a study wants made; None where it was made meanwhile."""
        return self._load(f"studies/{study}/work-{name}.json")

    def add_work(self, study: str, name: str, data: dict[str, Any]) -> None:
        """Keep what a study wants made; who wants the same writes the same."""
        self._save(f"studies/{study}/work-{name}.json", data)

    def remove_work(self, study: str, name: str) -> None:
        """Remove what was made."""
        self.storage.delete(f"studies/{study}/work-{name}.json")

    def ledgers(self) -> list[str]:
        """Names of all ledgers."""
        return sorted({entry.key.split("/")[1] for entry in self.storage.glob("ledgers/*/*.json")})

    def ledger(self, name: str) -> list[tuple[str, dict[str, Any]]]:
        """What a ledger has, in the order in which it was entered, each with its key."""
        keys = sorted(entry.key for entry in self.storage.glob(f"ledgers/{name}/*.json"))
        return [(key, data) for key in keys if (data := self._load(key)) is not None]

    def add_to_ledger(self, name: str, number: int, data: dict[str, Any]) -> bool:
        """Enter something under a number; False where that is taken."""
        return self.storage.create(f"ledgers/{name}/{number:06}.json", json_bytes(data))

    def write_to_ledger(self, name: str, number: int, data: dict[str, Any]) -> None:
        """Keep what became of it."""
        self._save(f"ledgers/{name}/{number:06}.json", data)

    def study_file(self, name: str, filename: str) -> Path | str:
        """Where a study keeps a file that came out of it, such as "report.html": a path, or a URL in a bucket."""
        place = f"{self.url}/studies/{name}/{filename}"
        return Path(place) if self.folder_here else place

    @contextmanager
    def writing(self, name: str, filename: str) -> Iterator[Path]:
        """A path to write a file of a study to, with what belongs beside it; then it is kept, in a bucket too."""
        if self.folder_here:
            path = self.folder_here / "studies" / name / filename
            path.parent.mkdir(parents=True, exist_ok=True)
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="bakeoff-") as folder:
            yield Path(folder) / filename
            for path in sorted(Path(folder).iterdir()):
                self.storage.write(f"studies/{name}/{path.name}", path.read_bytes())

    def _load(self, key: str) -> dict[str, Any] | None:
        text = self.storage.read(key)
        if text is None:
            return None
        try:
            try:
                data = from_json(text)
            except ValueError:
                data = json.loads(text)  # several times slower, and takes names that aren't UTF-8
        except (ValueError, RecursionError) as error:
            raise self._broken(key, f"it isn't whole, or isn't JSON: {error}") from None
        if not isinstance(data, dict):
            raise self._broken(key, "it isn't JSON of an object")
        return data

    def _save(self, key: str, data: Any) -> None:
        self.storage.write(key, json_bytes(data))


def open_store(root: Store | Path | str | None = None) -> Store:
    """The store in a folder or at a URL; None: in $BAKEOFF_STORE, else in runs/ here. An open one stays as it is."""
    if isinstance(root, Store):
        return root
    given = root or os.environ.get("BAKEOFF_STORE") or Path("runs")
    if isinstance(given, str) and is_url(given):
        return Store(open_storage(given))
    return Store(reader.path(given, "--store" if root else "$BAKEOFF_STORE"))


def _name(entry: Entry) -> str:
    """The name of a file without its ending."""
    return entry.key.rpartition("/")[2].removesuffix(".json")
