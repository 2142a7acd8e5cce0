"""Places for files: whole or not there, made once, found by pattern."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bakeoff.errors import RequestError
from bakeoff.storage import LocalStorage, Storage, local_file

Make = Callable[[], Storage]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The same place, opened anew at each call, as another process would."""
    return lambda: LocalStorage(tmp_path / "place")


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
    with pytest.raises(OSError, match="Not a directory"):
        LocalStorage(tmp_path / "file").write("a", b"")
