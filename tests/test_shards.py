"""Shards: the same task as the folder that they were made of, on a disk and in a bucket."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import bakeoff as bo
from bakeoff import tasks
from bakeoff.data import images, members, stream
from bakeoff.data.dataset import Dataset, Files
from bakeoff.data.folders import read_folders
from bakeoff.data.shards import INDEX, write_shards
from bakeoff.errors import BakeoffError, DataChanged, RequestError
from bakeoff.plan import ResizedCrop
from bakeoff.runs.store import open_store
from bakeoff.tasks.check import check
from tests.buckets import CREDENTIALS, Network, make_bucket, network, s3_server
from tests.test_folder import fill, get
from tests.test_stream import rows

NOWHERE = Path("/nowhere")


@pytest.fixture(autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    members._storage.cache_clear()
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    members._storage.cache_clear()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images too large to be kept in memory as they are, in parts, with names that want care."""
    root = fill(tmp_path / "photos", {"train/a b": 8, "train/é": 8, "val/a b": 4, "val/é": 4, "test/é": 2}, (101, 120))
    return fill(root, {"test/a b": 2}, (99, 130))


def streamed(dataset: Dataset, workers: int = 0) -> torch.Tensor:
    """A few random crops of the images to train on."""
    files = dataset.splits["train"]
    assert isinstance(files, Files)
    batches = [rows(16) % torch.tensor([3, len(files), 2])]
    return torch.cat(list(stream.train_crops(files, batches, ResizedCrop(), 24, "bilinear", 5, workers)))


def test_shards_are_the_task_that_their_folder_is(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakeoff.data.shards.SHARD_BYTES", 100_000)
    made = write_shards(photos, read_folders(photos), tmp_path / "shards")
    assert (made.images, made.new) == (28, True)
    assert made.shards > 2
    folder, shards = (get(root).load(NOWHERE) for root in (photos, tmp_path / "shards"))
    assert shards.fingerprint == folder.fingerprint
    assert (shards.classes, shards.mean, shards.std) == (folder.classes, folder.mean, folder.std)
    assert shards.splits.keys() == {"train", "select", "report", "test"}
    assert torch.equal(streamed(shards), streamed(folder))
    again = write_shards(photos, read_folders(photos), tmp_path / "shards")
    assert (again.images, again.shards, again.new) == (28, made.shards, False)


@pytest.mark.slow
def test_processes_that_decode_read_shards(photos: Path, tmp_path: Path) -> None:
    write_shards(photos, read_folders(photos), tmp_path / "shards")
    shards = get(tmp_path / "shards").load(NOWHERE)
    assert torch.equal(streamed(shards, workers=2), streamed(shards))


def test_shards_are_tar_files_that_unpack_into_the_folder(photos: Path, tmp_path: Path) -> None:
    write_shards(photos, read_folders(photos), tmp_path / "shards")
    for shard in (tmp_path / "shards").glob("*.tar"):
        with tarfile.open(shard) as archive:
            archive.extractall(tmp_path / "unpacked", filter="data")
    assert get(tmp_path / "unpacked").load(NOWHERE).fingerprint == get(photos).load(NOWHERE).fingerprint


def test_nothing_is_decoded_where_shards_say_what_was_seen(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shards(photos, read_folders(photos), tmp_path / "shards")
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "another machine"))
    monkeypatch.setattr(images, "decode", None)
    task = get(tmp_path / "shards")
    found = check(task, NOWHERE)
    assert (found.height, found.width) == ((99, 101, 101), (120, 120, 130))
    assert sum(map(sum, (by_class.values() for by_class in found.splits.values()))) == 28


def test_small_images_are_kept_in_memory(tmp_path: Path) -> None:
    root = fill(tmp_path / "small", {"a": 9, "b": 9})
    write_shards(root, read_folders(root), tmp_path / "shards")
    folder, shards = (get(place).load(NOWHERE) for place in (root, tmp_path / "shards"))
    assert not isinstance(shards.splits["train"], Files)
    assert shards.fingerprint == folder.fingerprint


def test_an_image_that_is_another_by_now_is_not_used(photos: Path, tmp_path: Path) -> None:
    write_shards(photos, read_folders(photos), tmp_path / "shards")
    dataset = get(tmp_path / "shards").load(NOWHERE)
    (shard,) = (tmp_path / "shards").glob("*.tar")
    content = bytearray(shard.read_bytes())
    content[2000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataChanged, match=r"shards/train/a b/000.png isn't what it was when it was put into images-0"):
        streamed(dataset)
    shard.write_bytes(content[:20000])
    with pytest.raises(DataChanged, match="isn't what it was"):
        streamed(dataset)
    shard.unlink()
    with pytest.raises(DataChanged, match=r"\.tar is gone"):
        streamed(dataset)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-30], lambda raw: b"", lambda raw: raw[:300] + b"x" + raw[301:]])
def test_a_damaged_index_is_one_line(damage, photos: Path, tmp_path: Path) -> None:
    write_shards(photos, read_folders(photos), tmp_path / "shards")
    index = tmp_path / "shards" / INDEX
    index.write_bytes(damage(index.read_bytes()))
    with pytest.raises(RequestError, match=f"{INDEX} is damaged; make the shards again"):
        get(tmp_path / "shards")


def test_wrong_requests(photos: Path, tmp_path: Path) -> None:
    write_shards(photos, read_folders(photos), tmp_path / "shards")
    other = fill(tmp_path / "other", {"a": 4, "b": 4})
    with pytest.raises(RequestError, match="shards of other images; name another place"):
        write_shards(other, read_folders(other), tmp_path / "shards")
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match="can't write to"):
        write_shards(other, read_folders(other), tmp_path / "file" / "in it")
    with pytest.raises(RequestError, match=r"--data s3://lab is a bucket, which holds image folders in shards"):
        tasks.get("mnist", "s3://lab")
    with pytest.raises(RequestError, match="s3://lab/photos is a bucket; a folder of this machine is wanted"):
        bo.write_shards("folder:s3://lab/photos", tmp_path / "copy")


def test_the_disk_that_images_of_buckets_take_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    shards = {"0.tar": 1000, "1.tar": 1000, "2.tar": 1000}
    for limit, count in (("0", 0), ("1 kB", 1), ("2.5 kB", 2), ("1 GB", 3)):
        monkeypatch.setenv(members.CACHE, limit)
        assert members.cached("s3://lab/photos", shards) == count
    place = members._place("s3://lab/photos")
    for name in ("0.tar", "gone.tar"):
        (place / name).write_bytes(bytes(8000))
    monkeypatch.setenv(members.CACHE, "9 kB")
    assert members.cached("s3://lab/photos", shards) == 3
    assert [file.name for file in place.iterdir()] == ["0.tar"]
    assert members.cached("s3://lab/others", shards) == 3  # which takes the place of those
    assert not place.exists()
    monkeypatch.setenv(members.CACHE, "a lot")
    with pytest.raises(
        RequestError, match=r"\$BAKEOFF_SHARDS_CACHE: 'a lot' is no size; it should read like 500MB or 2GB"
    ):
        members.cached("s3://lab/photos", shards)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    """A network that fails, to a server with a bucket `lab`."""
    with s3_server() as address, network(address, share=0.1) as proxy:
        make_bucket(address, "lab")
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.address}.items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.mark.slow
def test_a_bucket_gives_the_runs_that_the_folder_gives(
    bucket: Network, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bo.write_shards(f"folder:{photos}", "s3://lab/data/photos").new

    def trained(task: str, data: str | None = None) -> bytes:
        monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / f"cache-{len(list(tmp_path.iterdir()))}"))
        where = tmp_path / f"runs-{len(list(tmp_path.iterdir()))}"
        run = bo.train(task, model="cnn", px=24, length=0.1, data=data, workers=0, store=where)
        weights = open_store(where).weights(run.run_id).read()
        assert weights is not None
        return run.run_id.encode() + weights

    here = trained(f"folder:{photos}")
    assert trained("folder:s3://lab/data/photos") == here
    assert trained("folder:photos", data="s3://lab/data") == here
    assert len(bucket.happened) > 2, bucket.happened

    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "kept"))
    dataset = tasks.get("folder:s3://lab/data/photos", NOWHERE).load(NOWHERE)
    expected = streamed(get(photos).load(NOWHERE))
    assert torch.equal(streamed(dataset), expected)
    bucket.down = True
    assert torch.equal(streamed(dataset), expected)  # from this machine's disk
    shutil.rmtree(tmp_path / "kept" / "shards")
    monkeypatch.setattr("bakeoff.storage.bucket._PATIENCE", 0.5)
    with pytest.raises(BakeoffError, match=r"can't read s3://lab/data/photos/train/a b/000.png: "):
        streamed(dataset)
    bucket.down = False
    streamed(dataset)
    (kept,) = (tmp_path / "kept" / "shards").glob("*/*.tar")
    kept.write_bytes(bytes(kept.stat().st_size))  # damaged here: asked for again
    assert torch.equal(streamed(dataset), expected)
