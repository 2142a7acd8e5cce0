"""Tasks from people's own data: arrays, tables, Hugging Face data sets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bakeoff import tasks
from bakeoff.data.dataset import Resident
from bakeoff.data.fingerprint import fingerprint
from bakeoff.data.saved import load, save
from bakeoff.data.splits import stratified
from bakeoff.errors import RequestError
from bakeoff.task import Limits, Task
from tests.helpers import DATA, needs

NOWHERE = Path("/nowhere")
Y = np.arange(60) % 3


def pictures(n: int = 60, shape: tuple[int, ...] = (8, 8), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def fingerprint_of(task: Task) -> str:
    return task.load(NOWHERE).fingerprint


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
    forms = {
        "channels last": x,
        "channels first": x.transpose(0, 3, 1, 2),
        "tensor": torch.from_numpy(x),
        "integers": x.astype(np.int64),
        "floats": x.astype(np.float32) / 255,
        "floats to 255": (x.astype(np.float64), {"white": 255}),
        "list": x.tolist(),
    }
    found = set()
    for form in forms.values():
        array, more = form if isinstance(form, tuple) else (form, {})
        found.add(fingerprint_of(Task.from_arrays(array, Y, **more)))
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
    parts = {"validation": (pictures(seed=1), Y), "test": (pictures(6, seed=2), Y[:6])}
    dataset = Task.from_arrays(pictures(), Y, **parts).load(NOWHERE)
    assert {name: len(images) for name, images in dataset.splits.items()} == {
        "train": 60, "select": 30, "report": 30, "test": 6,
    }  # fmt: skip
    select, _ = stratified(Y, (0.5, 0.5), seed=0)
    assert dataset.splits["select"].names == tuple(f"val/{row}" for row in select)
    tested = Task.from_arrays(pictures(), Y, test=parts["test"]).load(NOWHERE)
    assert {name: len(images) for name, images in tested.splits.items()} == {
        "train": 42, "select": 9, "report": 9, "test": 6,
    }  # fmt: skip


def test_defaults_are_a_folder_s_and_each_can_be_set() -> None:
    task = Task.from_arrays(pictures(), Y, name="mine", epochs=3, model="mlp", limits=Limits(flip=False))
    assert (task.name, task.epochs, task.model) == ("mine", 3, "mlp")
    assert task.base_plan().op("flip") is None
    assert Task.from_arrays(pictures(), Y).epochs == 400 * 32 / 42 // 1 + 1
    large = Task.from_arrays(pictures(shape=(100, 120)), Y)
    assert (large.px, large.resize_px, large.model) == (224, 256, "resnet18")


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
        (pictures(), [0] * 55 + [1] * 5, {}, "1 class with too few images to split, first '1' with 5; .* the least"),
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
        (pictures(), Y, {"test": (pictures(shape=(9, 9)), Y)}, r"the test images are of .* \(1, 9, 9\), those to train"),
        (pictures(), Y, {"test": (pictures(), Y + 1)}, "the test labels are 3 in row 2"),
    ],
)  # fmt: skip
def test_what_doesn_t_fit_is_one_line(x, y, more, message: str) -> None:
    with pytest.raises(RequestError, match=message) as failure:
        Task.from_arrays(x, y, **more)
    assert "\n" not in str(failure.value)


def test_a_data_set_in_memory_comes_back_bit_for_bit(tmp_path: Path) -> None:
    dataset = Task.from_arrays(
        pictures(shape=(8, 8, 3)), ["ä", "b", "c"] * 20, test=(pictures(3, (8, 8, 3)), list("äbc"))
    ).load(NOWHERE)
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
    assert (task.px, task.channels, task.train_examples, task.batch_size) == (28, 1, 3500, 128)
    assert task.load(NOWHERE).classes == tuple("0123456789")
