"""Who makes a run: leases in its folder, of which the last one counts. No locks, so that it holds on any storage.

    RUN_ID/lease-0001.json, lease-0002.json, ...

A run is claimed by making the next file, which of several at once only one can (`Storage.create`). Its holder writes it
again and again with a count that grows. Whoever sees the same file for as long as it says, by their own clock, claims
the next one, and so does at once whoever sees on the holder's own machine that its process is gone; a holder that finds
a later lease than its own has lost the run, and stops. Two that train one run for a while do no harm: they make the
same, and what has ended is written once.

A lease says how it ended, unless the run came to its end: then all of them are removed. Why a run was given up decides
whether it is tried again: one that was stopped, or whose process was lost, always, as long as it gets any further; one
that crashed, `CRASHES` times; one that was a wrong request, never.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal

import psutil
from pydantic import ValidationError

from bakeoff import reader
from bakeoff.encoding import Value
from bakeoff.engine import interrupt
from bakeoff.errors import BakeoffError, DataChanged, RequestError, StoreFailed
from bakeoff.events import Doing, tell
from bakeoff.storage import Storage

CRASHES = 3  # times that a run may crash
LOSSES = 10  # times in a row that its process may be lost before it gets any further: then it is the run's own fault
_SECONDS = 30.0  # that a lease holds without being renewed
_BEATS = 6  # renewals in that time
_PAUSE = 0.5  # seconds between two looks at a run that somebody else makes
_CLOCKS = 2.0  # seconds by which two readings of when a process began may differ

Ending = Literal["", "stopped", "crashed", "refused"]


class Held(BakeoffError):
    """Somebody else makes the run."""


class Failed(BakeoffError):
    """The run is not to be tried again."""


class LeaseLost(BakeoffError):
    """Somebody else makes the run by now, since this process seemed to be gone."""


class Lease(Value):
    """A file of the chain.

    host, pid, began: the process that holds it; a pid means something on its host only. seconds: without a new `count`
    after which it is lost. crashes, losses: of the run so far; losses are those in a row that got no further than
    `progress`, the date of the newest file that it had. ending, reason: how it was given up, where it was.
    """

    host: str
    pid: int
    began: float
    seconds: float
    count: int = 0
    crashes: int = 0
    losses: int = 0
    progress: float = 0.0
    ending: Ending = ""
    reason: str = ""


class Leases:
    """The leases of a storage's runs as one process sees them; it remembers since when it sees one unchanged."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._seen: dict[str, tuple[int, bytes | None, float]] = {}

    @contextmanager
    def claim(self, run: str) -> Iterator[None]:
        """Hold a run alone.

        Raises Held where somebody else does, Failed where it isn't to be tried again, LeaseLost where it was taken over
        meanwhile.
        """
        with self._holding(run, self._claimed(run)):
            yield

    @contextmanager
    def wait(self, run: str) -> Iterator[None]:
        """Hold a run alone, as soon as nobody else does, and however often it failed; a wrong request leaves no trace.

        Raises LeaseLost where it was taken over meanwhile.
        """
        told = False
        while True:
            self.forgive(run)
            try:
                mine = self._claimed(run)
                break
            except Held as held:
                if not told:
                    tell(Doing(f"waiting: {held}"))
                told = True
                time.sleep(_PAUSE)
        try:
            with self._holding(run, mine):
                yield
        except RequestError:
            if self._storage.entry(f"{run}/run.json") is None:
                self._storage.delete_folder(run)
            self._clear(run)
            raise

    def failure(self, run: str) -> str:
        """Why a run isn't to be tried again; nothing where it may be."""
        lease = self._last(run)[1]
        return lease.reason if lease and _is_spent(lease) else ""

    def held(self, run: str) -> bool:
        """Whether somebody makes a run now, as far as can be told: of another machine's process, it takes a while."""
        number, lease, raw = self._last(run)
        return (
            lease is not None and not lease.ending and not _gone(lease) and not self._unchanged(run, number, raw, lease)
        )

    def forgive(self, run: str) -> None:
        """Let a run that isn't to be tried again be tried again: the reason may be gone."""
        if self.failure(run):
            self._clear(run)

    def crashed(self, run: str, reason: str) -> None:
        """Say of a run that this machine's process for it died, and that this wasn't anybody's wish."""
        number, lease, _ = self._last(run)
        if lease and not lease.ending and _gone(lease):
            self._end(run, number, lease, "crashed", reason)

    def _claimed(self, run: str) -> tuple[int, Lease]:
        number, last, raw = self._last(run)
        if last and _is_spent(last):
            raise Failed(last.reason)
        if number and not (last and (last.ending or _gone(last))) and not self._unchanged(run, number, raw, last):
            by = f"process {last.pid} on {last.host.partition(' ')[0]}" if last else "another process"
            raise Held(f"run {run} is being trained by {by}")
        progress = self._progress(run)
        lost = last is not None and not last.ending and last.progress == progress
        mine = Lease(
            host=_host(),
            pid=os.getpid(),
            began=psutil.Process().create_time(),
            seconds=max(1.0, reader.environment_seconds(reader.LEASES, _SECONDS)),
            crashes=last.crashes if last else 0,
            losses=last.losses + 1 if last and lost else 0,
            progress=progress,
        )
        if mine.losses >= LOSSES:
            why = f"its process was lost {LOSSES} times before it got any further, as it is for lack of memory"
            mine = mine.model_copy(update={"ending": "crashed", "crashes": CRASHES, "reason": why})
        if not self._storage.create(_key(run, number + 1), _bytes(mine)):
            raise Held(f"run {run} is being trained by another process")
        if mine.ending:
            raise Failed(mine.reason)
        self._storage.tidy(run)
        return number + 1, mine

    @contextmanager
    def _holding(self, run: str, claimed: tuple[int, Lease]) -> Iterator[None]:
        number, lease = claimed
        heart = _Heart(self, run, number, lease)
        heart.start()
        try:
            yield
        except BaseException as error:
            heart.stop()
            if heart.lost:
                raise LeaseLost(f"run {run} was taken over by another process, since this one stood still") from error
            ending: Ending = "crashed" if isinstance(error, Exception) else "stopped"
            if isinstance(error, RequestError):
                ending = "refused"
            elif isinstance(error, DataChanged | StoreFailed):  # no fault of the run
                ending = "stopped"
            self._end(run, number, heart.lease, ending, str(error) or type(error).__name__)
            raise
        heart.stop()
        self._clear(run)

    def _end(self, run: str, number: int, lease: Lease, ending: Ending, reason: str) -> None:
        crashes = lease.crashes + (ending == "crashed")
        ended = lease.model_copy(update={"ending": ending, "crashes": crashes, "reason": reason})
        try:
            self._storage.write(_key(run, number), _bytes(ended))
        except OSError:  # a full disk: without the lease, whoever comes next needn't wait until it is lost
            with suppress(OSError):
                self._storage.delete(_key(run, number))

    def _last(self, run: str) -> tuple[int, Lease | None, bytes | None]:
        """Number and content of a run's last lease; 0 where there is none, and no content that can't be read."""
        number = max((_number(entry.key) for entry in self._storage.glob(f"{run}/lease-*.json")), default=0)
        raw = self._storage.read(_key(run, number)) if number else None
        try:
            return number, Lease.model_validate_json(raw) if raw else None, raw
        except ValidationError:
            return number, None, raw

    def _unchanged(self, run: str, number: int, raw: bytes | None, lease: Lease | None) -> bool:
        """Whether this process has seen a lease unchanged for as long as it holds."""
        now, seen = time.monotonic(), self._seen.get(run)
        if seen is None or seen[:2] != (number, raw):
            self._seen[run] = (number, raw, now)
            return False
        return now - seen[2] >= (lease.seconds if lease else _SECONDS)

    def _progress(self, run: str) -> float:
        left = (*self._storage.glob(f"{run}/*.safetensors"), *self._storage.glob(f"{run}/views/*.json"))
        return max((entry.modified for entry in left), default=0.0)

    def _clear(self, run: str) -> None:
        self._seen.pop(run, None)
        for entry in self._storage.glob(f"{run}/lease-*.json"):
            self._storage.delete(entry.key)


class _Heart(threading.Thread):
    """Renews a lease until it is stopped, or finds that it is lost and asks what is going on to stop."""

    def __init__(self, leases: Leases, run: str, number: int, lease: Lease) -> None:
        super().__init__(daemon=True)
        self.lease, self.lost = lease, False
        self._leases, self._run_id, self._number = leases, run, number
        self._stopped = threading.Event()

    def run(self) -> None:
        """See Thread."""
        while not self._stopped.wait(self.lease.seconds / _BEATS):
            try:
                if self._leases._last(self._run_id)[0] != self._number:
                    self.lost = True
                    interrupt.ask()
                    return
                self.lease = self.lease.model_copy(update={"count": self.lease.count + 1})
                self._leases._storage.write(_key(self._run_id, self._number), _bytes(self.lease))
            except OSError:
                continue  # a storage that can't be reached for a moment; who else could see that it wasn't renewed?

    def stop(self) -> None:
        """Leave the lease as it is from here on."""
        self._stopped.set()
        self.join()


@cache
def _host() -> str:
    """This machine, as far as its process ids mean something: containers of one machine have their own."""
    try:
        space = os.readlink("/proc/self/ns/pid")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux
        space = boot = ""
    return f"{socket.gethostname()} {boot} {space}".strip()


def _gone(lease: Lease) -> bool:
    """Whether the process that holds a lease is known to be gone."""
    if lease.host != _host():
        return False
    try:
        process = psutil.Process(lease.pid)
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - lease.began) > _CLOCKS
    except psutil.NoSuchProcess:
        return True


def _is_spent(lease: Lease) -> bool:
    return lease.ending == "refused" or lease.crashes >= CRASHES


def _key(run: str, number: int) -> str:
    return f"{run}/lease-{number:04}.json"


def _number(key: str) -> int:
    digits = key.rpartition("-")[2].removesuffix(".json")
    return int(digits) if digits.isdecimal() else 0


def _bytes(lease: Lease) -> bytes:
    return lease.model_dump_json().encode()
