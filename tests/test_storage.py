"""Places for files: whole or not there, made once, found by pattern."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from bakeoff.errors import RequestError
from bakeoff.storage import LocalStorage, Storage, bucket, local_file, open_storage
from bakeoff.storage.bucket import BucketStorage
from tests.buckets import CREDENTIALS, free_port, make_bucket, network, s3_server

Make = Callable[[], Storage]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server."""
    with s3_server() as address:
        yield address


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """What tells where S3 is."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return lambda address: monkeypatch.setenv("AWS_ENDPOINT_URL", address)


@pytest.fixture(
    params=["disk", "memory", pytest.param("s3", marks=pytest.mark.slow), pytest.param("bad", marks=pytest.mark.slow)]
)
def make(request: pytest.FixtureRequest, tmp_path: Path, environment: Callable[[str], None]) -> Iterator[Make]:
    """The same place, opened anew at each call, as another process would; bad: behind a network that fails."""
    if request.param == "disk":
        yield lambda: LocalStorage(tmp_path / "place")
    elif request.param == "memory":
        memory = MemoryStore()
        yield lambda: BucketStorage("memory://here", memory)
    else:
        address = request.getfixturevalue("s3")
        name = f"b{abs(hash(request.node.name)):x}"
        make_bucket(address, name)
        with network(address, share=0.3 if request.param == "bad" else 0.0) as proxy:
            environment(proxy.address)
            yield lambda: open_storage(f"s3://{name}/some/folder/")
            assert (len(proxy.happened) > 1) == (request.param == "bad"), proxy.happened


def test_what_is_kept_is_read(make: Make) -> None:
    place = make()
    assert place.read("a/run.json") is None
    assert place.entry("a/run.json") is None
    place.write("a/run.json", b"one")
    place.write("a/run.json", b"two!")
    place.write("empty", b"")
    assert (make().read("a/run.json"), make().read("empty")) == (b"two!", b"")
    found = make().entry("a/run.json")
    assert found is not None
    assert (found.key, found.size) == ("a/run.json", 4)
    place.move("a/run.json", "a/aside")
    assert (place.read("a/run.json"), place.read("a/aside")) == (None, b"two!")
    place.move("a/aside", "a/run.json")
    for key in ("a/run.json", "a/run.json", "never/was"):
        place.delete(key)
        assert place.read(key) is None
    assert place.read("a") is None
    assert place.read("empty/below") is None


def test_files_are_found_by_pattern(make: Make) -> None:
    place = make()
    assert place.glob("*/run.json") == []
    for key in ("a/run.json", "b/run.json", "b/views/v.json", "b/views/w.json", "store.json", "c/other.json"):
        place.write(key, key.encode())
    for pattern, found in (
        ("*/run.json", ["a/run.json", "b/run.json"]),
        ("b/views/*.json", ["b/views/v.json", "b/views/w.json"]),
        ("*.json", ["store.json"]),
        ("b/*", ["b/run.json"]),  # and no folder
        ("absent/*", []),
    ):
        entries = {entry.key: entry for entry in place.glob(pattern)}
        assert sorted(key for key, entry in entries.items() if entry.size == len(key)) == found
        assert all(place.entry(key) == entry for key, entry in entries.items())
    place.delete_folder("b")
    place.delete_folder("b")
    assert place.glob("b/views/*") == []
    assert len(place.glob("*/run.json")) == 1


def test_of_many_at_once_one_creates(make: Make) -> None:
    places = [make() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for turn in range(5):
            key = f"leases/{turn}"
            told = list(pool.map(lambda place, key=key: place.create(key, b"%d" % places.index(place)), places))
            assert told.count(True) == 1
            assert make().read(key) == b"%d" % told.index(True)
    assert len(make().glob("leases/*")) == 5


def test_on_a_disk_they_are_plain_files(tmp_path: Path) -> None:
    place = LocalStorage(tmp_path)
    place.write("a/b.json", b"1")
    assert place.create("a/c.json", b"2")
    assert (tmp_path / "a/b.json").read_bytes() + (tmp_path / "a/c.json").read_bytes() == b"12"
    assert sorted(os.listdir(tmp_path / "a")) == ["b.json", "c.json"]
    assert str(local_file(tmp_path / "a/b.json")) == f"{tmp_path}/a/b.json"


def test_what_is_not_whole_is_not_found(tmp_path: Path) -> None:
    place = LocalStorage(tmp_path)
    place.write("a/b", b"1")
    (tmp_path / "a" / ".partial-1-0").touch()
    assert [entry.key for entry in place.glob("a/*")] == ["a/b"]
    place.tidy("a")
    assert os.listdir(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_without_hard_links_one_creates_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    place = LocalStorage(tmp_path)
    assert [place.create("a", text) for text in (b"1", b"2")] == [True, False]
    assert place.read("a") == b"1"


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"can't write to the store .*: Not a directory; choose one with --store"):
        LocalStorage(tmp_path / "file" / "runs").prepare()
    with pytest.raises(OSError, match="Not a directory|File exists"):
        LocalStorage(tmp_path / "file").write("a", b"")


@pytest.mark.slow
def test_what_cannot_come_right_is_told_at_once(
    s3: str, environment: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(s3)
    for method, arguments in (("read", ["a"]), ("write", ["a", b""]), ("prepare", []), ("glob", ["*/a"])):
        place = open_storage("s3://nowhere/runs")
        with pytest.raises(RequestError, match=r"^there is no bucket nowhere \(s3://nowhere/runs\): make it, or name"):
            getattr(place, method)(*arguments)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(RequestError, match=r"^no credentials for s3://nowhere/runs: set AWS_ACCESS_KEY_ID"):
        open_storage("s3://nowhere/runs").read("a")


@pytest.mark.slow
def test_a_server_that_is_gone_is_waited_for_and_told(
    s3: str, environment: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(bucket, "_FIRST", 0.5)
    with pytest.raises(OSError, match=r"no server answers there \(connection refused\)"):
        open_storage("s3://there/runs").read("a")
    make_bucket(s3, "there")
    with network(s3, share=0.0) as proxy:
        environment(proxy.address)
        place = open_storage("s3://there/runs")
        place.write("a", b"1")
        proxy.down = True
        back = threading.Timer(2.0, setattr, (proxy, "down", False))
        back.start()
        assert place.read("a") == b"1"  # longer than it waits for a first answer
        monkeypatch.setattr(bucket, "_PATIENCE", 0.5)
        proxy.down = True
        with pytest.raises(OSError, match="the connection breaks"):
            place.write("a", b"2")


@pytest.mark.slow
def test_large_files_go_whole_through_a_bad_network(s3: str, environment: Callable[[str], None]) -> None:
    make_bucket(s3, "large")
    data = os.urandom(23_000_000)
    with network(s3, share=0.5) as proxy:
        environment(proxy.address)
        place = open_storage("s3://large")
        for turn in range(3):
            place.write("weights", data[turn:])
            assert place.read("weights") == data[turn:]
        assert len(proxy.happened) > 3


@pytest.mark.parametrize("url", ["s3://", "ftp://a/b", "s3:///x", "file:///tmp/x", "://", "S3://x/y"])
def test_what_is_no_place_is_said(url: str) -> None:
    with pytest.raises(RequestError, match=r"is no place that can be read: a path, s3://BUCKET/FOLDER"):
        open_storage(url)
