"""Whether what a store keeps is what was written: every file read, each fault a line."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from bakeoff.errors import RequestError
from bakeoff.files import is_partial
from bakeoff.runs.record import RunRecord, command_digest, command_run, run_id
from bakeoff.runs.store import Store
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import StudySpec


@dataclass(frozen=True)
class Checked:
    """What was looked at, and what is wrong with it: a line each, that begins with the file."""

    runs: int
    files: int
    faults: tuple[str, ...]


def check(store: Store) -> Checked:
    """Read every file of a store."""
    entries = store.storage.everything()
    folders: dict[str, list[str]] = {}
    for entry in entries:
        head, _, rest = entry.key.partition("/")
        folders.setdefault(head, []).append(rest)
    faults, runs = [], 0
    for folder, names in sorted(folders.items()):
        faults += [f"{store.url}/{folder}/{n}: not whole; its writer was killed" for n in names if is_partial(n)]
        if folder == "studies":
            faults += _studies(store, names)
        elif folder == "splits":
            faults += _splits(store, names)
        elif folder == "ledgers":
            faults += _ledgers(store)
        elif "run.json" in names:
            runs += 1
            faults += _run(store, folder)
        elif any(name and not name.startswith("lease-") for name in names):  # no file beside the runs
            faults.append(f"{store.folder(folder)}: no run.json, so that what is in it belongs to no run")
    return Checked(runs, len(entries), tuple(faults))


def _run(store: Store, run: str) -> Iterator[str]:
    """Faults of one run, of its evaluations and of its weights."""
    try:
        record = store.read(run, ())
        assert record is not None
        if record.command:
            meant, what = command_run(command_digest(record.command), record.seed), "command and seed"
        else:
            plan, what = store.plan(record), "plan, seed and data"
            meant = run_id(plan, record.seed, record.data_fingerprint, record.engine_version, record.revisions)
    except RequestError as error:
        yield str(error)
        return
    if not record.run_id == run == meant:
        yield f"{store.folder(run)}/run.json: its {what} make run {meant}, not this one"
    for name in store.views(run):
        try:
            view = store.view(run, name)
        except RequestError as error:
            yield str(error)
            continue
        if view is not None and view.name != name:
            yield f"{store.folder(run)}/views/{name}.json: it is the evaluation {view.name}"
    if record.status == "done":
        yield from _weights(store, record)


def _weights(store: Store, record: RunRecord) -> Iterator[str]:
    file = store.weights(record.run_id)
    data = file.read() if record.weights_digest else None  # without weights, results stand all the same
    if data is not None and hashlib.sha256(data).hexdigest() != record.weights_digest:
        yield f"{file}: other weights than the run's"


def _studies(store: Store, names: list[str]) -> Iterator[str]:
    for name in sorted(names):
        study, _, file = name.partition("/")
        try:
            if file == "study.json":
                StudySpec.load(store, study)
            elif file == "search.json":
                SearchSpec.load(store, study)
        except RequestError as error:
            yield str(error)


def _ledgers(store: Store) -> Iterator[str]:
    for name in store.ledgers():
        try:
            numbers = [data.get("number") for _, data in store.ledger(name)]
        except RequestError as error:
            yield str(error)
            continue
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{store.url}/ledgers/{name}: an entry is missing, so that its budget of error can't be trusted"


def _splits(store: Store, names: list[str]) -> Iterator[str]:
    for name in sorted(names):
        fingerprint = name.removesuffix(".json")
        try:
            kept = store.splits(fingerprint)
        except RequestError as error:
            yield str(error)
            continue
        if not is_partial(name) and kept.get("fingerprint") != fingerprint:
            yield f"{store.url}/splits/{name}: it is of other data, {kept.get('fingerprint')}"
