"""Who makes a run: leases that are claimed, renewed, lost and taken over, without any lock."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bakeoff.engine.interrupt import interruptible
from bakeoff.errors import BakeoffError, DataChanged, RequestError
from bakeoff.runs.lease import CRASHES, LOSSES, Failed, Held, Lease, LeaseLost, Leases
from bakeoff.storage import LocalStorage

HOLDER = """
import sys, time
from pathlib import Path
from bakeoff.runs.lease import Leases
from bakeoff.storage import LocalStorage
with Leases(LocalStorage(Path(sys.argv[1]))).claim("run"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_LEASE_SECONDS", "1")


def chain(storage: LocalStorage) -> list[Lease]:
    entries = sorted(storage.glob("run/lease-*.json"))
    return [Lease.model_validate_json(storage.read(entry.key) or b"") for entry in entries]


def elsewhere(storage: LocalStorage, number: int = 1, **fields) -> None:
    """A lease of another machine."""
    lease = Lease(**{"host": "node", "pid": 1, "began": 0.0, "seconds": 1.0, **fields})
    storage.write(f"run/lease-{number:04}.json", lease.model_dump_json().encode())


def test_a_run_is_held_by_one_and_leaves_nothing(storage: LocalStorage) -> None:
    with Leases(storage).claim("run"):
        assert [(lease.pid, lease.ending) for lease in chain(storage)] == [(os.getpid(), "")]
        with (
            pytest.raises(Held, match=f"run run is being trained by process {os.getpid()} on "),
            Leases(storage).claim("run"),
        ):
            pass
    assert chain(storage) == []
    with Leases(storage).claim("run"):
        pass


def test_of_many_at_once_one_claims(storage: LocalStorage) -> None:
    claimed, ready = [], threading.Barrier(8)

    def go() -> None:
        ready.wait()
        try:
            with Leases(storage).claim("run"):
                claimed.append(1)
                time.sleep(0.3)
        except Held:
            pass

    threads = [threading.Thread(target=go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1


def test_a_claim_survives_that_the_folder_is_tidied(storage: LocalStorage) -> None:
    ended = threading.Event()

    def tidy() -> None:
        while not ended.is_set():
            storage.tidy("run")

    other = threading.Thread(target=tidy)
    other.start()
    try:
        made = [storage.create(f"run/{number}.json", b"{}") for number in range(200)]
    finally:
        ended.set()
        other.join()
    assert made == [True] * 200


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (KeyboardInterrupt(), "stopped"),
        (DataChanged("x is gone"), "stopped"),
        (BakeoffError("no room"), "crashed"),
        (ZeroDivisionError(), "crashed"),
        (RequestError("no such network"), "refused"),
    ],
)
def test_a_lease_says_how_it_was_given_up(storage: LocalStorage, error: BaseException, ending: str) -> None:
    with pytest.raises(type(error)), Leases(storage).claim("run"):
        raise error
    (lease,) = chain(storage)
    assert (lease.ending, lease.crashes, lease.reason) == (
        ending,
        ending == "crashed",
        str(error) or type(error).__name__,
    )


def test_a_run_may_crash_three_times(storage: LocalStorage) -> None:
    leases = Leases(storage)
    for count in range(CRASHES):
        assert leases.failure("run") == ""
        with pytest.raises(BakeoffError), leases.claim("run"):
            raise BakeoffError(f"reason {count}")
    assert leases.failure("run") == "reason 2"
    with pytest.raises(Failed, match="reason 2"), leases.claim("run"):
        pass
    leases.forgive("run")
    with leases.claim("run"):
        pass


def test_a_wrong_request_is_never_tried_again_but_by_a_person(storage: LocalStorage) -> None:
    leases = Leases(storage)
    with pytest.raises(RequestError), leases.claim("run"):
        raise RequestError("no such network")
    with pytest.raises(Failed, match="no such network"), leases.claim("run"):
        pass
    with pytest.raises(RequestError), leases.wait("run"):
        raise RequestError("no such network")
    assert not (storage.root / "run").exists()


def test_stopping_and_crashing_are_counted_apart(storage: LocalStorage) -> None:
    leases = Leases(storage)
    for _ in range(2 * LOSSES):
        with pytest.raises(KeyboardInterrupt), leases.claim("run"):
            raise KeyboardInterrupt
    assert leases.failure("run") == ""


def test_a_process_that_is_lost_again_and_again_is_the_runs_own_fault(storage: LocalStorage) -> None:
    leases = Leases(storage)
    gone = {"host": _here(storage), "pid": 2**22, "seconds": 60.0}
    for number in range(1, LOSSES):
        elsewhere(storage, number, losses=number - 1, **gone)
    (storage.root / "run" / "checkpoint.safetensors").touch()  # it got further
    with pytest.raises(KeyboardInterrupt), leases.claim("run"):
        raise KeyboardInterrupt
    assert chain(storage)[-1].losses == 0
    progress = chain(storage)[-1].progress
    elsewhere(storage, LOSSES + 1, losses=LOSSES - 1, progress=progress, **gone)
    with pytest.raises(Failed, match=f"lost {LOSSES} times before it got any further"), leases.claim("run"):
        pass
    assert "lack of memory" in leases.failure("run")


def _here(storage: LocalStorage) -> str:
    with Leases(storage).claim("other"):
        return Lease.model_validate_json(storage.read("other/lease-0001.json") or b"").host


@pytest.mark.slow
def test_a_killed_process_is_replaced_at_once_and_a_stopped_one_in_time(storage: LocalStorage, short: None) -> None:
    def held() -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", HOLDER, str(storage.root)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    leases = Leases(storage)
    with held() as process:
        with pytest.raises(Held), leases.claim("run"):
            pass
        process.kill()
        process.wait()
        with pytest.raises(KeyboardInterrupt), leases.claim("run"):
            raise KeyboardInterrupt
    with held() as process:
        time.sleep(1.5)
        with pytest.raises(Held), leases.claim("run"):  # it renewed its lease
            pass
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with leases.wait("run"):
            assert 0.5 < time.monotonic() - began < 5
        process.kill()


@pytest.mark.slow
def test_a_lease_that_is_not_renewed_elsewhere_is_taken_over(storage: LocalStorage) -> None:
    elsewhere(storage)
    leases = Leases(storage)
    with pytest.raises(Held, match="process 1 on node"), leases.claim("run"):
        pass
    time.sleep(0.6)
    elsewhere(storage, count=1)
    with pytest.raises(Held), leases.claim("run"):
        pass
    time.sleep(0.6)
    with pytest.raises(Held), leases.claim("run"):
        pass
    time.sleep(0.6)
    with leases.claim("run"):
        assert len(chain(storage)) == 2


def test_a_holder_that_lost_its_run_stops(storage: LocalStorage, short: None) -> None:
    def train() -> None:
        with Leases(storage).claim("run"), interruptible() as asked:
            elsewhere(storage, 2)
            assert asked.wait(5)
            raise KeyboardInterrupt  # as the loop does

    with pytest.raises(LeaseLost, match="taken over"):
        train()
    assert [lease.host for lease in chain(storage)][1:] == ["node"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"host": "a later version"}'])
def test_a_lease_that_cannot_be_read_is_one(storage: LocalStorage, content: bytes) -> None:
    storage.write("run/lease-0001.json", content)
    with pytest.raises(Held, match="another process"), Leases(storage).claim("run"):
        pass
