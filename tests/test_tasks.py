"""Built-in tasks, splits and fingerprints."""

import json
import shutil
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bakeoff import tasks
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.data.fingerprint import assemble, fingerprint, mean_std, moments
from bakeoff.data.folders import read_folders
from bakeoff.data.shards import write_shards
from bakeoff.data.splits import balanced, described, fewest, stratified
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.plan import ResizedCrop
from bakeoff.runs.store import Store
from bakeoff.tasks.check import check
from tests.helpers import DATA, needs, small_data


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in tasks.NAMES if ":" not in name])
def test_built_in_tasks_need_no_data_to_be_named(name: str) -> None:
    task = tasks.get(name, Path("/nowhere"))
    assert task.name == name
    assert task.about == tasks.NAMES[name]
    assert task.base_plan().examples_seen == task.epochs * task.train_examples


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean mnist"):
        tasks.get("mnst", Path())


def test_imagenet_is_the_posts_baseline() -> None:
    plan = tasks.get("imagenet", Path()).base_plan()
    assert (plan.model.name, plan.batch_size, plan.train_px, plan.eval_view.resize_px) == ("resnet50", 256, 224, 256)
    assert (plan.peak_lr, plan.decay.weight_decay, plan.examples_seen) == (0.1, 1e-4, 90 * 1_281_167)
    assert plan.op("crop") == ResizedCrop()


@pytest.mark.parametrize("name", ["digits", "mnist", "mnist-5k"])
def test_digits_are_not_mirrored_nor_turned_far(name: str) -> None:  # trap 15
    task = tasks.get(name, Path())
    assert not task.limits.flip
    assert task.limits.max_rotation <= 30
    assert task.base_plan().op("flip") is None


# --- Data -------------------------------------------------------------------------------------------------------------


def test_digits_are_read_in_full_range_and_split_once() -> None:
    task = tasks.get("digits", Path())
    dataset, again = task.load(Path("/nowhere")), task.load(Path("/nowhere"))
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 200, "select": 798, "report": 799}
    assert len({name for split in dataset.splits.values() for name in split.names}) == 1797
    train = dataset.splits["train"]
    assert isinstance(train, Resident)
    assert train.images.shape == (200, 1, 8, 8)
    assert (int(train.images.min()), int(train.images.max())) == (0, 255)
    assert len(train) == task.train_examples
    assert dataset.fingerprint == again.fingerprint


@needs("mnist")
@pytest.mark.parametrize(("name", "sizes"), [("mnist", (50_000, 5_000, 5_000)), ("mnist-5k", (5_000, 10_000, 30_000))])
def test_mnist_is_split_from_the_official_training_images(name: str, sizes: tuple[int, ...]) -> None:
    dataset = tasks.get(name, DATA).load(DATA)
    assert {key: len(split) for key, split in dataset.splits.items()} == dict(
        zip(("train", "select", "report", "test"), (*sizes, 10_000), strict=True)
    )
    names = [row for split in dataset.splits.values() for row in split.names]
    assert len(set(names)) == len(names)
    assert all(
        row.startswith("test/") == (key == "test") for key, split in dataset.splits.items() for row in split.names
    )
    assert dataset.classes == tuple("0123456789")
    assert dataset.mean == pytest.approx((0.1307,), abs=0.002)  # the constants everyone uses
    assert dataset.std == pytest.approx((0.3081,), abs=0.002)
    if name == "mnist-5k":
        assert dataset.splits["train"].labels.bincount().tolist() == [500] * 10


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["mnist", "mnist-5k", "fashion-mnist", "cifar10", "imagenet"])
def test_missing_data_are_one_line_that_says_where_they_go(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RequestError) as failure:
        tasks.get(name, tmp_path).load(tmp_path)
    assert str(tmp_path) in str(failure.value)
    assert "\n" not in str(failure.value)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("offline")
@needs("mnist")
def test_damaged_data_are_not_used(tmp_path: Path) -> None:
    raw = tmp_path / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (DATA / "mnist" / "MNIST" / "raw").iterdir():
        (raw / file.name).write_bytes(file.read_bytes()[: 100_000 if "images" in file.name else None])
    with pytest.raises(RequestError, match="MNIST is not complete"):
        tasks.get("mnist", tmp_path).load(tmp_path)


def test_imagenet_wants_its_thousand_classes(tmp_path: Path) -> None:
    for part in ("train", "val"):
        for name in "ab":
            (tmp_path / "imagenet" / part / name).mkdir(parents=True)
            (tmp_path / "imagenet" / part / name / "1.JPEG").write_bytes(b"")
    with pytest.raises(RequestError, match=r"2 class folders.*--task folder:"):
        tasks.get("imagenet", tmp_path).load(tmp_path)


def test_imagenet_splits_its_validation_set_in_halves_and_reads_no_pixels(tmp_path: Path) -> None:
    for part, count in (("train", 1), ("val", 2)):
        for label in range(1000):
            folder = tmp_path / part / f"n{label:08}"
            folder.mkdir(parents=True)
            for image in range(count):
                (folder / f"{image}.JPEG").write_bytes(b"x" * (label + 1))
    dataset = tasks.get("imagenet", tmp_path).load(tmp_path)
    shards = tmp_path / "elsewhere" / "imagenet"
    write_shards(tmp_path, read_folders(tmp_path), shards, look=False)
    assert tasks.get("imagenet", shards.parent).load(shards.parent).fingerprint == dataset.fingerprint
    shutil.rmtree(shards)
    for name in ("train", "select", "report"):
        assert dataset.splits[name].labels.tolist() == list(range(1000))
    (tmp_path / "train" / "n00000000" / "0.JPEG").write_bytes(b"another")
    assert tasks.get("imagenet", tmp_path).load(tmp_path).fingerprint != dataset.fingerprint


def test_check_counts_what_two_splits_share() -> None:
    dataset = small_data()
    train, report = dataset.splits["train"], dataset.splits["report"]
    assert isinstance(train, Resident)
    assert isinstance(report, Resident)
    shared = Resident(torch.cat([report.images[2:], train.images[:2]]), report.labels)
    twice = replace(dataset, splits={**dataset.splits, "report": shared})
    task = replace(tasks.get("digits", Path()), load=lambda data: twice)
    found = check(task, Path())
    assert found.duplicates == {"train & report": 2}
    assert found.duplicate == ("image 0", "image 23")
    assert found.splits["train"] == {"a": 10, "b": 10, "c": 10}
    assert (found.height, found.storage, found.bad) == ((8, 8, 8), "memory", {})
    json.dumps(found.as_json())


# --- Splits -----------------------------------------------------------------------------------------------------------

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(lambda labels: np.array(labels, np.int64))


@given(LABELS, st.lists(st.integers(0, 80), min_size=1, max_size=4), st.integers(0, 3))
def test_counts_are_exact_and_classes_in_proportion(labels: np.ndarray, parts: list[int], seed: int) -> None:
    if sum(parts) > len(labels):
        with pytest.raises(RequestError, match="don't fit"):
            stratified(labels, parts, seed)
        return
    dealt = stratified(labels, parts, seed)
    assert [len(part) for part in dealt] == parts
    rows = np.concatenate(dealt)
    assert len(set(rows.tolist())) == len(rows)
    for index, part in enumerate(dealt):
        share = np.bincount(labels) * parts[index] / len(labels)
        assert (np.abs(np.bincount(labels[part], minlength=len(share)) - share) < 1 + index).all()
    assert all(np.array_equal(a, b) for a, b in zip(dealt, stratified(labels, parts, seed), strict=True))


@given(LABELS, st.lists(st.integers(0, 10), min_size=2, max_size=4))
def test_shares_divide_every_class_alike(labels: np.ndarray, weights: list[int]) -> None:
    shares = [weight / max(1, sum(weights)) for weight in weights]
    dealt = stratified(labels, shares, seed=0)
    for label, size in enumerate(np.bincount(labels)):
        counts = [int((labels[part] == label).sum()) for part in dealt]
        assert all(abs(count - share * size) < 1 for count, share in zip(counts, shares, strict=True))
        assert not sum(weights) or sum(counts) == size


def test_another_seed_deals_other_examples() -> None:
    labels = np.zeros(100, np.int64)
    assert not np.array_equal(stratified(labels, (50,), 0)[0], stratified(labels, (50,), 1)[0])


def test_the_fewest_that_can_be_split_is_the_fewest() -> None:
    shares = (0.7, 0.15, 0.15)
    least = fewest(shares)
    sizes = {n: [len(part) for part in stratified(np.zeros(n, np.int64), shares, 0)] for n in range(1, 40)}
    assert all((min(parts) > 0) == (n >= least) for n, parts in sizes.items())


def test_balanced_takes_as_many_of_every_class() -> None:
    labels = np.repeat([0, 1, 2], [5, 9, 7])
    assert np.bincount(labels[balanced(labels, 5, seed=0)]).tolist() == [5, 5, 5]
    with pytest.raises(RequestError, match="class 0 has 5"):
        balanced(labels, 6, seed=0)


def test_splits_are_written_once_and_verified(tmp_path: Path) -> None:
    dataset = tasks.get("digits", tmp_path).load(tmp_path)
    store, splits = Store(tmp_path), described(dataset)
    store.save_splits("digits", splits)
    path = tmp_path / "splits" / f"{dataset.fingerprint}.json"
    written = path.read_bytes()
    store.save_splits("digits", splits)
    assert path.read_bytes() == written
    assert list(path.parent.iterdir()) == [path]
    content = json.loads(written)
    assert content["splits"]["train"]["count"] == 200
    content["splits"]["train"]["sha256"] = "0"
    path.write_text(json.dumps(content))
    with pytest.raises(BakeoffError, match="other splits"):
        store.save_splits("digits", splits)


# --- Fingerprint and statistics ---------------------------------------------------------------------------------------


def changed(dataset: Dataset, what: str) -> Dataset:
    train = dataset.splits["train"]
    assert isinstance(train, Resident)
    images, labels = train.images.clone(), train.labels.clone()
    if what == "pixel":
        images[3, 0, 1, 1] ^= 1
    elif what == "label":
        labels[3] = (labels[3] + 1) % 3
    elif what == "shape":
        images = images.reshape(len(images), 1, 4, 16)
    elif what == "splits":
        return replace(dataset, splits={**dataset.splits, "select": train, "train": dataset.splits["select"]})
    elif what == "classes":
        return replace(dataset, classes=("a", "b", "z"))
    return replace(dataset, splits={**dataset.splits, "train": Resident(images, labels)})


@pytest.mark.parametrize("what", ["nothing", "pixel", "label", "shape", "splits", "classes"])
def test_the_fingerprint_is_of_all_that_a_result_depends_on(what: str) -> None:
    dataset = small_data()
    other = changed(dataset, what)
    same = fingerprint(dataset.classes, dataset.splits) == fingerprint(other.classes, other.splits)
    assert same == (what == "nothing")


@given(st.integers(1, 9), st.sampled_from([1, 3]), st.integers(1, 40), st.integers(0, 99))
def test_mean_and_std_are_numpys(n: int, channels: int, side: int, seed: int) -> None:
    images = torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, channels, side, 3), np.uint8))
    mean, std = mean_std(moments(images))
    pixels = images.numpy() / 255
    assert mean == pytest.approx(pixels.mean(axis=(0, 2, 3)))
    assert std == pytest.approx(pixels.std(axis=(0, 2, 3)))


def test_moments_add_up_over_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.arange(2 * 3 * 9 * 9).to(torch.uint8).view(2, 3, 9, 9)
    whole = moments(images)
    monkeypatch.setattr("bakeoff.data.fingerprint._VALUES", 10)
    assert np.array_equal(moments(images), whole)


def test_flat_images_are_not_divided_by_zero() -> None:
    black = Resident(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1]))
    assert assemble("ab", {"train": black}).std == (1.0,)
