"""A fingerprint sees what is in the files, and files that haven't changed are read once."""

import os
from pathlib import Path

import numpy as np
import pytest

from bakeoff.data import images
from bakeoff.data.contents import read_contents
from tests.test_folder import fill, get


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("BAKEOFF_CACHE", str(folder))
    return folder


def fingerprint(root: Path) -> str:
    return get(root).load(root).fingerprint


def flip_a_bit(path: Path) -> None:
    """Another image of the same size in bytes, as old as the one before."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("size", [(8, 8), (8, 100)])
def test_other_images_of_the_same_number_of_bytes_have_another_fingerprint(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    fill(tmp_path, {"a": 5, "b": 5}, size, suffix=".ppm")
    before = fingerprint(tmp_path)
    flip_a_bit(tmp_path / "a" / "000.ppm")
    assert fingerprint(tmp_path) != before


def test_images_that_change_places_have_another_fingerprint(tmp_path: Path) -> None:
    fill(tmp_path, {"a": 5, "b": 5}, (8, 100), suffix=".ppm")
    before = fingerprint(tmp_path)
    (tmp_path / "a" / "000.ppm").rename(tmp_path / "other")
    (tmp_path / "a" / "001.ppm").rename(tmp_path / "a" / "000.ppm")
    (tmp_path / "other").rename(tmp_path / "a" / "001.ppm")
    assert fingerprint(tmp_path) != before


def test_what_hasnt_changed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, {"a": 5, "b": 5})
    names = [f"{label}/{number:03}.png" for label in "ab" for number in range(5)]
    first = read_contents(tmp_path, names)
    opened: list[str] = []
    content = images.content

    def noted(path: Path) -> bytearray:
        opened.append(path.name)
        return content(path)

    monkeypatch.setattr(images, "content", noted)
    assert np.array_equal(read_contents(tmp_path, names[::-1]).hashes, first.hashes[::-1])
    assert opened == []
    flip_a_bit(tmp_path / "b" / "003.png")
    (tmp_path / "a" / "004.png").unlink()
    second = read_contents(tmp_path, names)
    assert opened == ["004.png", "003.png"]
    assert (second.hashes != first.hashes).any(1).nonzero()[0].tolist() == [4, 8]
    assert read_contents(tmp_path, names[:2], again=True).hashes.tolist() == first.hashes[:2].tolist()
    assert opened[2:] == ["000.png", "001.png"]
    read_contents(tmp_path, names[5:])  # what wasn't asked for now is still known
    assert len(opened) == 4


def test_a_copy_elsewhere_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (fill(tmp_path / where, {"a": 5, "b": 5}) for where in ("here", "there"))
    before = fingerprint(here)
    monkeypatch.setattr(images, "read", None)  # any decoding would fail
    assert fingerprint(there) == before


def test_a_damaged_cache_is_made_again(tmp_path: Path, cache: Path) -> None:
    fill(tmp_path, {"a": 5, "b": 5})
    before = fingerprint(tmp_path)
    for damage in (b"", b"damaged", b"PK\x03\x04"):
        for path in cache.glob("*/*.npz"):
            path.write_bytes(damage)
        assert fingerprint(tmp_path) == before
