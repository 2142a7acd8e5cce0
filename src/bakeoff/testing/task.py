"""Checks of a task."""

from pathlib import Path

from bakeoff import tasks
from bakeoff.data.dataset import Dataset, Files, Images, Resident
from bakeoff.recipe import compile_plan
from bakeoff.recipes import get as recipe_of
from bakeoff.task import Task
from bakeoff.tasks import Builder
from bakeoff.testing.small import require
from bakeoff.testing.technique import check_training


def check_task(task: str | Task | Builder, data: Path | None = None) -> None:
    """A task whose data is what it says, the same each time it is loaded, in splits that share no image, and trains.

    task: by name, from a file ("./data.py:mine"), a Task, or a function that makes one. data: the data folder; the
    current one when None. Raises AssertionError saying what is broken.
    """
    folder = data or Path()
    it = tasks.get(task, folder)
    found, again = it.load(folder), it.load(folder)
    name = f"task '{it.name}'"
    require(found.fingerprint == again.fingerprint, f"{name}: its fingerprint changes from one load to the next")
    require(len(found.fingerprint) == 16, f"{name}: a fingerprint has 16 digits, not '{found.fingerprint}'")
    require(len(found.classes) == it.classes, f"{name} says {it.classes} classes and its data has {len(found.classes)}")
    require(len(set(found.classes)) == it.classes, f"{name}: two classes have one name")
    require(len(found.mean) == len(found.std) == it.channels, f"{name}: mean and std should have {it.channels} values")
    require(all(std > 0 for std in found.std), f"{name}: a channel of the training images is constant (std 0)")
    for split in ("train", "select", "report"):
        require(split in found.splits, f"{name} lacks the split {split}")
    for split, images in found.splits.items():
        _check_split(f"{name}, split {split}", images, it)
    count = len(found.splits["train"])
    require(count == it.train_examples, f"{name} says {it.train_examples} training images and has {count}")
    _check_apart(name, found)
    for recipe in ("baseline", "torchvision-2021"):
        compile_plan(it, recipe_of(recipe))
    check_training(it.base_plan(), found, steps=3)


def _check_split(what: str, images: Images, task: Task) -> None:
    labels = images.labels
    require(len(labels) > 0, f"{what} is empty")
    require(int(labels.min()) >= 0 and int(labels.max()) < task.classes, f"{what} has labels that are no class")
    require(str(labels.dtype) == "torch.int64", f"{what}: labels should be int64, not {labels.dtype}")
    if isinstance(images, Resident):
        shape, kind = tuple(images.images.shape), images.images.dtype
        fits = str(kind) == "torch.uint8" and len(shape) == 4 and shape[:2] == (len(labels), task.channels)
        require(fits, f"{what}: images should be ({len(labels)}, {task.channels}, H, W) uint8, not {shape} {kind}")
    elif isinstance(images, Files):
        require(len(images.paths) == len(labels), f"{what}: {len(images.paths)} files for {len(labels)} labels")
        require(images.channels == task.channels, f"{what}: its files are read with {images.channels} channels")


def _check_apart(name: str, found: Dataset) -> None:
    seen: dict[str, str] = {}
    for split, images in found.splits.items():
        for each in images.names or ():
            require(each not in seen, f"{name}: {each} is in {seen.get(each)} and in {split}")
            seen[each] = split
