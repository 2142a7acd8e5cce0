"""A command run once with a seed, and what came of it kept in a store: once, whoever else asks for it."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bakeoff.commands import process, result
from bakeoff.commands.command import filled
from bakeoff.commands.depends import Invocation
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import Observer, unobserved
from bakeoff.files import printable, size
from bakeoff.runs.events import RunBegan, RunKept
from bakeoff.runs.lease import Leases
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.store import Store

SPLIT = "report"  # what a command's metric is kept as: it chooses nothing here
_WRONG = {2: "a wrong request", 64: "a wrong request", 78: "a wrong setting", 126: "no program", 127: "no such program"}
_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


class CommandFailed(BakeoffError):
    """A command came to a bad end, and may do better another time."""


class CommandRefused(RequestError):
    """A command came to a bad end, and would again."""


def run_command(
    invocation: Invocation,
    seed: int,
    store: Store,
    *,
    task: str = "",
    recipe: Sequence[Mapping[str, Any]] = (),
    threads: int = 1,
    device: str = "auto",
    hold: Callable[[str], AbstractContextManager[None]] | None = None,
    observer: Observer = unobserved,
) -> RunRecord:
    """Run a command once, or take its run from the store: nothing is made twice.

    task, recipe: what it is a run of, and the texts of its factors, for the record. threads: that it is told to take.
    device: as in `Workspace`: cpu, cuda:N, or auto, which shows it all GPUs that we see, or one to each of several
    workers. hold: how to hold the run alone
    while it is made (None: as soon as nobody else makes it).

    The record is `done`, with its value in `record.metrics["report"][metric.called]` and its examples in
    `store.hits(record.run_id, view.name)`; or `diverged`, where the metric is no finite number. What else comes of it
    is raised, and kept with the run as `crashed`, its reason and its log: CommandFailed for what may do better another
    time, CommandRefused or `result.NoResult`, both RequestErrors, for what would end the same way: a program that
    isn't there, no metric, exit status 2, a time limit. DataChanged where a file isn't what it was any more.
    KeyboardInterrupt leaves it `interrupted`; it begins anew then.
    """
    run = invocation.run_id(seed)
    with store.named_in_errors():
        store.prepare()
    with store.named_in_errors(), (hold or Leases(store.storage).wait)(run), store.named_in_errors():
        record = store.read(run)
        if record is not None and record.ended:
            return record
        invocation.check()
        start = _begun(invocation, seed, task, recipe, threads, device)
        store.write(start)
        observer(RunBegan(start))
        try:
            record = _made(invocation, start, store)
        except BakeoffError as error:
            store.write(replace(start, status="crashed", reason=str(error), finished=_now()))
            raise
        store.write(record)
        found = store.get(run)
    observer(RunKept(found))
    return found


def environment(invocation: Invocation, seed: int, out: str, threads: int, device: str) -> dict[str, str]:
    """The variables that a command sees: ours, then its own."""
    found = {**os.environ, **dict.fromkeys(_THREADS, str(threads)), "PYTHONUNBUFFERED": "1"}
    found["PATH"] = search_path(found)
    found.pop("BAKEOFF_SLOT", None)
    gpus, slot = _gpus(), os.environ.get("BAKEOFF_SLOT", "")
    if device == "cpu":
        found["CUDA_VISIBLE_DEVICES"] = ""
    elif device.startswith("cuda:"):
        index = device.removeprefix("cuda:")
        in_range = index.isdecimal() and int(index) < len(gpus)
        found["CUDA_VISIBLE_DEVICES"] = gpus[int(index)] if in_range else index
    elif slot.isdecimal() and len(gpus) > 1:  # each of several workers has its own, in turn
        found["CUDA_VISIBLE_DEVICES"] = gpus[int(slot) % len(gpus)]
    found |= {"BAKEOFF_SEED": str(seed), **invocation.command.env}
    return found | {"BAKEOFF_OUT": out}  # by which what it starts is found


def _begun(
    invocation: Invocation, seed: int, task: str, recipe: Sequence[Mapping[str, Any]], threads: int, device: str
) -> RunRecord:
    return RunRecord(
        run_id=invocation.run_id(seed),
        status="interrupted",  # until it ends otherwise
        reason="stopped before its end; the same command starts it anew",
        task=task,
        recipe=[dict(each) for each in recipe],
        plan={},
        plan_digest=invocation.digest,
        seed=seed,
        data_fingerprint="",
        engine_version=0,
        classes=(),
        mean=(),
        std=(),
        device=device,
        threads=threads,
        versions={"bakeoff": version("bakeoff"), "python": platform.python_version(), "host": platform.node()},
        started=_now(),
        command=dict(invocation.identity),
    )


def _made(invocation: Invocation, start: RunRecord, store: Store) -> RunRecord:
    command, run = invocation.command, start.run_id
    heard = [result.Listener(reading.metric) for reading in command.readings]

    def line(text: str) -> None:
        for each in heard:
            each(text)

    with _folder(run) as out:
        ended = process.run(
            [filled(word, start.seed, out) for word in invocation.words],
            folder=command.folder,
            env=environment(invocation, start.seed, out, start.threads, start.device),
            out=out,
            seconds=command.time,
            disk=command.disk,
            line=line,
        )
        store.add_log(run, ended.log)
        _check(ended, invocation, store.log_place(run))
        invocation.check()  # else what it was may have been another script
        values = []
        for reading, each in zip(command.readings, heard, strict=True):
            value = result.metric(reading.metric, start.seed, out, each, command.folder)
            if not result.finite(value):
                reason = f"{reading.metric.called} is {value}"
                return replace(start, status="diverged", reason=reason, seconds=ended.seconds, finished=_now())
            right = result.examples(reading.examples, reading.metric, start.seed, out, value, command.folder)
            values.append((reading, value, right))
    for reading, value, right in values:
        view = View.measured(SPLIT, reading.name, {reading.metric.called: value}, 0 if right is None else len(right))
        store.add_view(run, view, {} if right is None else {1: right})
    return replace(start, status="done", reason="", seconds=ended.seconds, finished=_now())


def _check(ended: process.Ended, invocation: Invocation, log: str) -> None:
    """Raise for a bad end, with one line that says which."""
    command, where = invocation.command, f" (log: {log})"
    said = printable(process.last_line(ended.log))
    said = f": {said}" if said else ""
    if ended.error:
        raise CommandRefused(f"'{invocation.words[0]}' can't be started: {ended.error.lower()}")
    if ended.over == "time":
        raise CommandRefused(f"it was ended after {command.time:g} s, its time limit (time){where}")
    if ended.over == "disk":
        assert command.disk is not None
        raise CommandRefused(f"it was ended: it wrote more than {size(command.disk)}, its limit (disk){where}")
    if ended.over == "full":
        raise CommandFailed(f"it was ended: the disk of its folder for results is full{where}")
    if ended.status < 0:
        hint = ", as it is for lack of memory" if ended.status == -9 else ""
        raise CommandFailed(f"it was killed by signal {-ended.status}{hint}{said}{where}")
    if ended.status in _WRONG:
        raise CommandRefused(f"it ended with status {ended.status}, {_WRONG[ended.status]}{said}{where}")
    if ended.status:
        raise CommandFailed(f"it ended with status {ended.status}{said}{where}")


@contextmanager
def _folder(run: str) -> Iterator[str]:
    """An empty folder of a run's own; what killed processes left of such folders of this run is removed."""
    root = Path(tempfile.gettempdir())
    for left in root.glob(f"bakeoff-{run}-*"):
        owner = left.name.split("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    out = tempfile.mkdtemp(prefix=f"bakeoff-{run}-{os.getpid()}-")
    try:
        yield out
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _gpus() -> list[str]:
    """The GPUs that we see, by what CUDA_VISIBLE_DEVICES calls them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name]
    there = Path("/proc/driver/nvidia/gpus")
    return [str(index) for index, _ in enumerate(there.iterdir())] if there.is_dir() else []


def search_path(env: Mapping[str, str]) -> str:
    """Where programs are looked for: as the user does, and last beside this Python, so that there is a `python`."""
    return os.pathsep.join(part for part in (env.get("PATH", os.defpath), str(Path(sys.executable).parent)) if part)


def program(words: Sequence[str], folder: str, env: Mapping[str, str]) -> None:
    """Raise RequestError where there is no such program as the first word of a command."""
    name = words[0]
    if os.sep in name:
        found = os.access(Path(folder, name), os.X_OK) and Path(folder, name).is_file()
    else:
        found = shutil.which(name, path=search_path(env)) is not None
    if not found:
        raise RequestError(f"there is no program '{printable(name)}' to run")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
