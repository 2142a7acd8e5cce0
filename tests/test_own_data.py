"""Tasks from people's own data: arrays, tables, Hugging Face data sets."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bakeoff import tasks
from bakeoff.data.dataset import Resident
from bakeoff.data.fingerprint import fingerprint
from bakeoff.data.saved import load, save
from bakeoff.data.splits import stratified
from bakeoff.errors import RequestError
from bakeoff.runs.runner import run_plan
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Limits, Task
from examples import data
from tests.helpers import DATA, needs

NOWHERE = Path("/nowhere")
Y = np.arange(60) % 3


def pictures(n: int = 60, shape: tuple[int, ...] = (8, 8), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def fingerprint_of(task: Task) -> str:
    return task.load(NOWHERE).fingerprint


def by_class() -> str:
    """Of the same images in the order in which files are listed."""
    order = np.argsort(Y, kind="stable")
    return fingerprint_of(Task.from_arrays(pictures()[order], Y[order]))


# --- Arrays -----------------------------------------------------------------------------------------------------------


def test_arrays_are_split_once_class_by_class_and_keep_their_pixels() -> None:
    x = pictures()
    task = Task.from_arrays(x, Y)
    dataset = task.load(NOWHERE)
    assert {name: images.labels.bincount().tolist() for name, images in dataset.splits.items()} == {
        "train": [14] * 3, "select": [3] * 3, "report": [3] * 3,
    }  # fmt: skip
    assert dataset.classes == ("0", "1", "2")
    for images in dataset.splits.values():
        assert isinstance(images, Resident)
        rows = [int(name.removeprefix("all/")) for name in images.names]
        assert torch.equal(images.images[:, 0], torch.from_numpy(x[rows]))
        assert images.labels.tolist() == Y[rows].tolist()
    x[:] = 0
    assert fingerprint(dataset.classes, dataset.splits) == dataset.fingerprint, "later changes change nothing"
    assert (task.px, task.channels, task.classes, task.train_examples) == (8, 1, 3, 42)
    assert task.base_plan().model.name == "cnn"


def test_all_forms_of_the_same_images_are_one_data_set() -> None:
    x = pictures(shape=(8, 10, 3))
    forms = (
        x,
        x.transpose(0, 3, 1, 2),
        torch.from_numpy(x),
        x.astype(np.int64),
        x.astype(np.float32) / 255,
        x.tolist(),
    )
    found = {fingerprint_of(Task.from_arrays(form, Y)) for form in forms}
    found.add(fingerprint_of(Task.from_arrays(x.astype(np.float64), Y, white=255)))
    assert len(found) == 1
    task = Task.from_arrays(x, Y)
    assert (task.px, task.channels) == (8, 3)
    assert fingerprint_of(Task.from_arrays(x, torch.from_numpy(Y))) in found
    assert fingerprint_of(Task.from_arrays(x, Y.astype(np.uint8))) in found
    assert fingerprint_of(Task.from_arrays(x, [str(label) for label in Y])) in found
    changed = x.copy()
    changed[7, 0, 0, 0] ^= 1
    assert fingerprint_of(Task.from_arrays(changed, Y)) not in found


def test_labels_may_be_names_or_count_names() -> None:
    names = np.array(["cat", "dog", "ox"])
    named = Task.from_arrays(pictures(), names[Y])
    assert named.load(NOWHERE).classes == ("cat", "dog", "ox")
    assert fingerprint_of(Task.from_arrays(pictures(), Y, classes=["cat", "dog", "ox"])) == fingerprint_of(named)
    numbers = Task.from_arrays(pictures(), Y * 10)
    assert numbers.load(NOWHERE).classes == ("0", "10", "20")
    turned = Task.from_arrays(pictures(), names[Y], classes=["ox", "dog", "cat"]).load(NOWHERE)
    assert turned.splits["train"].labels.tolist() == [2 - label for label in named.load(NOWHERE).splits["train"].labels]


def test_validation_and_test_stay_what_they_are() -> None:
    validation, test = (pictures(seed=1), Y), (pictures(6, seed=2), Y[:6])
    dataset = Task.from_arrays(pictures(), Y, validation=validation, test=test).load(NOWHERE)
    assert {name: len(images) for name, images in dataset.splits.items()} == {
        "train": 60, "select": 30, "report": 30, "test": 6,
    }  # fmt: skip
    select, _ = stratified(Y, (0.5, 0.5), seed=0)
    assert dataset.splits["select"].names == tuple(f"val/{row}" for row in select)
    tested = Task.from_arrays(pictures(), Y, test=test).load(NOWHERE)
    assert {name: len(images) for name, images in tested.splits.items()} == {
        "train": 42, "select": 9, "report": 9, "test": 6,
    }  # fmt: skip


def test_defaults_are_a_folder_s_and_each_can_be_set() -> None:
    task = Task.from_arrays(pictures(), Y, name="mine", epochs=3, model="mlp", limits=Limits(flip=False))
    assert (task.name, task.epochs, task.model) == ("mine", 3, "mlp")
    assert task.base_plan().op("flip") is None
    assert Task.from_arrays(pictures(), Y).epochs == 400 * 32 / 42 // 1 + 1
    assert len(repr(task)) < 1000, "without the data"
    half = (torch.from_numpy(pictures()) > 127).to(torch.bfloat16)
    assert fingerprint_of(Task.from_arrays(half, Y)) == fingerprint_of(Task.from_arrays(pictures() > 127, Y))
    large = Task.from_arrays(pictures(shape=(100, 120)), Y)
    assert (large.px, large.resize_px, large.read_px, large.model) == (32, 32, 32, "cnn")
    assert large.own is not None
    assert large.own.source.sizes == (32, 48, 64, 100)


@pytest.mark.parametrize(
    ("x", "y", "more", "message"),
    [
        (pictures(shape=(8, 8, 4)), Y, {}, r"the images have the shape \(60, 8, 8, 4\); wanted is .* C = 1 or 3"),
        (pictures(shape=(8,)), Y, {}, r"the images have the shape \(60, 8\)"),
        (pictures(shape=(3, 8, 3)), Y, {}, "channels first or last; say channels="),
        (pictures(), Y[:-1], {}, "the labels are 59, and there are 60 images"),
        (pictures(), np.eye(3)[Y], {}, r"the labels have the shape \(60, 3\); wanted is one number or name"),
        (pictures(), Y / 1.0, {}, "the labels are of type float64"),
        (pictures(), Y * 0, {}, "arrays has one class only, '0'"),
        (pictures(), np.arange(60), {}, "as many classes as images"),
        (pictures()[:4], [0, 0, 1, 1], {}, "too few images to split: no class has 3, one for each of train, select"),
        (pictures(), ["a", "b", ""] * 20, {}, "the labels are empty in row 2"),
        (pictures(), np.array(["a", None, "b"] * 20, object), {}, "the labels hold None in row 1"),
        (pictures(), Y, {"classes": ["a", "b"]}, "the labels are 2 in row 2, and there are 2 classes"),
        (pictures(), np.array(["a", "b", "c"])[Y], {"classes": ["a", "b"]}, "the labels are 'c' in row 2"),
        (pictures() / 1.0, Y, {}, "go from 0 to 255 where 0 is black and 1 white; .* white=255"),
        (pictures() / 255 - 0.5, Y, {}, "before they were normalised"),
        (pictures() // 255, Y, {}, "integers from 0 to 1; say what is white"),
        (np.where(np.arange(60)[:, None, None] == 7, np.nan, pictures() / 255), Y, {}, "no numbers .* first in row 7"),
        (pictures(0), [], {}, "the images are none"),
        (np.full((60, 8, 8), "a"), Y, {}, "the images are of type <U1"),
        ([[[1]], [[1, 2]]], [0, 1], {}, "not of one size"),
        (pictures(), Y, {"test": (pictures(shape=(9, 9)), Y)}, r"the test images are of .* \(1, 9, 9\), those"),
        (pictures(), Y, {"test": pictures()}, "the test set is a pair of images and labels"),
        (pictures(), Y, {"white": 0}, "white=0 is not above 0"),
        (pictures(), Y, {"channels": "middle"}, "unknown place of the channels 'middle'"),
        (pictures(), Y, {"test": (pictures(), Y + 1)}, "the test labels are 3 in row 2"),
    ],
)  # fmt: skip
def test_what_doesn_t_fit_is_one_line(x, y, more, message: str) -> None:
    with pytest.raises(RequestError, match=message) as failure:
        Task.from_arrays(x, y, **more)
    assert "\n" not in str(failure.value)


def test_a_data_set_in_memory_comes_back_bit_for_bit(tmp_path: Path) -> None:
    tested = (pictures(3, (8, 8, 3)), list("äbc"))
    dataset = Task.from_arrays(pictures(shape=(8, 8, 3)), ["ä", "b", "c"] * 20, test=tested).load(NOWHERE)
    save(dataset, tmp_path / "data.safetensors")
    again = load(tmp_path / "data.safetensors")
    assert fingerprint(again.classes, again.splits) == dataset.fingerprint == again.fingerprint
    assert (again.classes, again.mean, again.std, list(again.splits)) == (
        dataset.classes, dataset.mean, dataset.std, list(dataset.splits),
    )  # fmt: skip
    for name, images in dataset.splits.items():
        assert isinstance(images, Resident)
        assert isinstance(back := again.splits[name], Resident)
        assert torch.equal(back.images, images.images)
        assert torch.equal(back.labels, images.labels)
        assert back.names == images.names


@needs("mnist", "MNIST")
def test_mnist_s_arrays_are_a_task() -> None:
    train = tasks.get("mnist-5k", DATA).load(DATA).splits["train"]
    assert isinstance(train, Resident)
    task = Task.from_arrays(train.images, train.labels, limits=Limits(flip=False))
    assert (task.px, task.channels, task.train_examples, task.batch_size) == (28, 1, 3500, 64)
    assert task.load(NOWHERE).classes == tuple("0123456789")


# --- Tables -----------------------------------------------------------------------------------------------------------


def write_images(folder: Path, n: int = 60, shape: tuple[int, ...] = (8, 8)) -> list[str]:
    folder.mkdir(parents=True)
    for row, image in enumerate(pictures(n, shape)):
        Image.fromarray(image).save(folder / f"{row:02}.png")
    return [f"{folder.name}/{row:02}.png" for row in range(n)]


def write_csv(path: Path, *rows: str, head: str = "image,label") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", "utf-8")
    return path


def listed(folder: Path, names: list[str], **more: str) -> Path:
    return write_csv(folder / "labels.csv", *(f"{name},{Y[row]}" for row, name in enumerate(names)), **more)


def test_a_table_is_the_same_data_set_as_the_arrays(tmp_path: Path) -> None:
    table = listed(tmp_path, write_images(tmp_path / "images"))
    task = tasks.get(f"table:{table}", NOWHERE)
    assert task.name == f"table:{table}"
    assert fingerprint_of(task) == by_class()
    assert fingerprint_of(Task.from_table(table)) == fingerprint_of(task)
    assert tasks.get("table:labels.csv", tmp_path).name == task.name, "looked for in the data folder too"
    assert Task.from_table(table, epochs=2, limits=Limits(flip=False)).epochs == 2


def test_order_of_rows_delimiter_and_absolute_paths_change_nothing(tmp_path: Path) -> None:
    names = write_images(tmp_path / "images")
    expected = fingerprint_of(Task.from_table(listed(tmp_path, names)))
    rows = [f"{Y[row]};{tmp_path / name}" for row, name in enumerate(names)][::-1]
    other = write_csv(tmp_path / "other.csv", *rows, head="\ufeffClass;FileName")
    assert fingerprint_of(Task.from_table(other)) == expected
    named = write_csv(tmp_path / "named.tsv", *(f"{n}\t{Y[i]}\tx" for i, n in enumerate(names)), head="a\tb\tlabel")
    task = Task.from_table(named, image="a", label="b")
    assert task.name == f"table:{named}?image=a&label=b"
    assert fingerprint_of(task) == fingerprint_of(tasks.get(task.name, NOWHERE)) == expected


def test_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    names = write_images(tmp_path / "images")
    table = write_csv(tmp_path / "t.csv", *(f"{name},{8 + Y[row]}" for row, name in enumerate(names)))
    assert Task.from_table(table).load(NOWHERE).classes == ("8", "9", "10")


def test_a_column_of_splits_is_kept(tmp_path: Path) -> None:
    parts = ["Train"] * 30 + ["validation"] * 18 + ["TEST"] * 12
    rows = [f"{name},{Y[row]},{parts[row]}" for row, name in enumerate(write_images(tmp_path / "images"))]
    dataset = Task.from_table(write_csv(tmp_path / "t.csv", *rows, head="file,class,split")).load(NOWHERE)
    assert {name: len(images) for name, images in dataset.splits.items()} == {
        "train": 30, "select": 9, "report": 9, "test": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        (["images/99.png,1"], "image,label", r"1 file of 61 in .* first images/99.png \(row 62\): it does not exist"),
        (["images/00.png,1"], "image,label", "has images/00.png twice, in rows 2 and 62"),
        (["images/../images/00.png,1"], "image,label", "twice, in rows 2 and 62"),
        ([",1"], "image,label", "has no image in row 62"),
        (["images/x.png,"], "image,label", "has no label in row 62"),
        (["images/x.png"], "image,label", "has 1 values in row 62 and 2 columns"),
        ([], "photo,label", "no column 'path' or the like for the image; its columns are photo, label; say"),
        ([], "image,what", "no column 'label' or the like for the label"),
        ([], "image,file", "has image and file; say which is the image"),
        ([], "image,split", "no column 'label'"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(rows: list[str], head: str, message: str, tmp_path: Path) -> None:
    table = listed(tmp_path, write_images(tmp_path / "images"), head=head)
    with open(table, "a") as file:
        file.writelines(f"{row}\n" for row in rows)
    with pytest.raises(RequestError, match=message) as failure:
        Task.from_table(table)
    assert "\n" not in str(failure.value)


def test_bad_images_can_be_left_out(tmp_path: Path) -> None:
    table = listed(tmp_path, [*write_images(tmp_path / "images", 59), "images/none.png"])
    (tmp_path / "images" / "07.png").write_text("no image")
    with pytest.raises(RequestError, match=r"2 files of 60 .* first images/07.png \(row 9\): it is not an image"):
        Task.from_table(table)
    dataset = Task.from_table(table, skip_bad=True).load(NOWHERE)
    assert dict(dataset.skipped) == {"images/07.png": "it is not an image", "images/none.png": "it does not exist"}


def test_tables_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "latin.csv").write_bytes("image,label\nä.png,1\n".encode("latin-1"))
    for name, message in (
        ("", "table: needs the path"),
        ("missing.csv", "can't read the table .*No such file"),
        ("empty.csv", "is empty; its first row names the columns"),
        ("latin.csv", "not text in UTF-8"),
        (str(write_csv(tmp_path / "no.csv")), "has no rows"),
        ("no.csv?picture=a", "unknown option 'picture'"),
        ("no.csv?image", r"'\?image' is not understood"),
        ("no.csv?image=x", "unknown column of .* 'x'"),
        (str(write_csv(tmp_path / "s.csv", "a,b,c", head="image,label,split")), "the split 'c' in row 2"),
        (str(write_csv(tmp_path / "v.csv", "a,b,val", head="image,label,split")), "no images to train on: .* val"),
    ):
        with pytest.raises(RequestError, match=message) as failure:
            tasks.get(f"table:{name}", tmp_path)
        assert "\n" not in str(failure.value)


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    names = write_images(tmp_path / "images")
    parquet.write_table(pyarrow.table({"image": names, "label": Y}), tmp_path / "t.parquet")
    assert fingerprint_of(Task.from_table(tmp_path / "t.parquet")) == fingerprint_of(
        Task.from_table(listed(tmp_path, names))
    )
    parquet.write_table(pyarrow.table({"image": names, "label": [None, *Y[1:]]}), tmp_path / "t.parquet")
    with pytest.raises(RequestError, match="has no label in row 1"):
        Task.from_table(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_text("no")
    with pytest.raises(RequestError, match="can't read the table"):
        Task.from_table(tmp_path / "t.parquet")


# --- Hugging Face -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # the library, with nothing outside of the test's folder
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf" / "datasets")
    return datasets


def made(hub, labels, *, n: int = 60, **columns):
    images = [Image.fromarray(image) for image in pictures(n)]
    features = {"image": hub.Image(), "label": hub.ClassLabel(names=["0", "1", "2"])}
    if isinstance(labels[0], str):
        features["label"] = hub.Value("string")
    return hub.Dataset.from_dict({"image": images, "label": labels, **columns}, features=hub.Features(features))


def test_a_data_set_from_disk_is_the_same_as_the_arrays(hub, tmp_path: Path) -> None:
    made(hub, Y.tolist()).save_to_disk(tmp_path / "saved")
    task = Task.from_huggingface(tmp_path / "saved", epochs=3)
    assert (task.name, task.epochs) == (f"hf:{tmp_path / 'saved'}", 3)
    assert fingerprint_of(task) == by_class()
    assert fingerprint_of(tasks.get("hf:saved", tmp_path)) == fingerprint_of(task)
    made(hub, [f"{label}" for label in Y]).to_parquet(tmp_path / "folder" / "train.parquet")
    assert fingerprint_of(tasks.get("hf:folder", tmp_path)) == fingerprint_of(task)


def test_its_splits_are_kept(hub, tmp_path: Path) -> None:
    parts = {"train": made(hub, Y.tolist()), "validation": made(hub, Y.tolist()), "test": made(hub, [-1] * 6, n=6)}
    hub.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    dataset = tasks.get("hf:saved", tmp_path).load(NOWHERE)
    assert {name: len(images) for name, images in dataset.splits.items()} == {"train": 60, "select": 30, "report": 30}
    hub.DatasetDict({"train": parts["train"], "other": parts["test"]}).save_to_disk(tmp_path / "odd")
    with pytest.raises(RequestError, match="has the splits train, other; wanted: train"):
        tasks.get("hf:odd", tmp_path)


def test_what_can_t_be_had_or_understood_is_one_line(hub, tmp_path: Path) -> None:
    hub.Dataset.from_dict({"text": ["a"], "label": [0]}).save_to_disk(tmp_path / "text")
    made(hub, [0, -1, 1] * 20).save_to_disk(tmp_path / "unlabelled")
    for name, message in (
        ("", "hf: needs a path or a name"),
        ("text", "has no column of images; its columns are text, label"),
        ("text?image=text", "has no images in 'text'"),
        ("unlabelled", "has no label in row 1 of all"),
        ("unlabelled?label=image", "has no labels in 'image'"),
        ("unlabelled?split=x", "unknown option 'split'"),
        ("nobody/nothing", "can't load the Hugging Face data set nobody/nothing: "),
    ):
        with pytest.raises(RequestError, match=message) as failure:
            tasks.get(f"hf:{name}", tmp_path)
        assert "\n" not in str(failure.value)


def test_without_the_library_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RequestError, match=r"pip install 'bakeoff\[huggingface\]'"):
        tasks.get("hf:anything", tmp_path)
    (tmp_path / "t.parquet").touch()
    with pytest.raises(RequestError, match=r"pip install 'bakeoff\[parquet\]'"):
        Task.from_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nowhere"])
def test_a_name_without_a_network_fails_at_once(hub, endpoint: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    for settings in (hub.config, pytest.importorskip("huggingface_hub").constants):
        monkeypatch.setattr(settings, "HF_HUB_OFFLINE", False)  # as if the variable hadn't been set when it was read
    with pytest.raises(RequestError, match=f"nobody/nothing: it is neither here nor is {endpoint} to be reached"):
        tasks.get("hf:nobody/nothing", tmp_path)


# --- The example ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_example_is_a_task_that_trains(tmp_path: Path) -> None:
    task = data.mine(tmp_path)
    dataset = task.load(tmp_path)
    assert (task.name, dataset.classes, task.channels, task.px) == ("parity", ("even", "odd"), 1, 8)
    images = dataset.splits["train"]
    assert isinstance(images, Resident)
    assert (int(images.images.min()), int(images.images.max())) == (0, 255)
    plan = task.base_plan().model_copy(update={"examples_seen": 3 * task.train_examples})
    record = run_plan(task.name, plan, [], 0, dataset, Workspace.open(store=tmp_path, device="cpu"))
    assert record.metrics["report"]["acc1"] > 60
