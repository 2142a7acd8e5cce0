"""Tasks by name: a data set with its splits, a model and a training length."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bakeoff import reader
from bakeoff.data.sources.folder import folder_source
from bakeoff.data.sources.huggingface import OPTIONS as HUGGINGFACE_OPTIONS
from bakeoff.data.sources.huggingface import huggingface_source
from bakeoff.data.sources.table import options, table_source
from bakeoff.errors import RequestError, UnknownName, blamed, unknown
from bakeoff.registry import Registry
from bakeoff.storage import is_url
from bakeoff.task import Limits, Task
from bakeoff.tasks.cifar10 import CIFAR10
from bakeoff.tasks.digits import DIGITS
from bakeoff.tasks.imagenet import IMAGENET, imagenet_folder, in_bucket
from bakeoff.tasks.mnist import FASHION_MNIST, MNIST, MNIST_5K
from bakeoff.tasks.official import kept_in as kept_in_official

__all__ = ["NAMES", "REGISTRY", "Builder", "Limits", "Task", "get", "image_folder"]

Builder = Callable[[Path], Task]  # data folder -> a task

_BUILT_IN = {task.name: task for task in (DIGITS, MNIST, MNIST_5K, FASHION_MNIST, CIFAR10, IMAGENET)}
_FOLDER, _TABLE, _HUGGINGFACE = "folder:", "table:", "hf:"

NAMES = {name: task.about for name, task in _BUILT_IN.items()} | {
    "folder:PATH": "your own images, a folder for each class, in one set or in train/, val/ and test/; shards of them",
    "table:PATH": "your own images, listed in a CSV or Parquet file with columns image, label and maybe split",
    "hf:PATH": "a Hugging Face data set by its local path or its name (pip install 'bakeoff[huggingface]')",
}


def _accept(thing: object) -> Task | Builder | None:
    return thing if isinstance(thing, Task) or callable(thing) else None


REGISTRY: Registry[Task | Builder] = Registry(
    "task", tuple(_BUILT_IN), _BUILT_IN.__getitem__, _accept, "a Task, or a function from the data folder to one"
)


def get(task: str | Task | Builder, data: Path | str, skip_bad: bool = False) -> Task:
    """The task of a name, in a file ("./data.py:mine"), that an object is, or that a function makes.

    A task from outside is known by its own name from then on. data: the data folder; a PATH is looked for from the
    current folder and then from there. In a bucket (s3://BUCKET/FOLDER) it can hold image folders in shards. Only
    tasks of people's own data read images at this point. skip_bad: leave files of theirs out that can't be read.

    Raises RequestError for unknown names and for folders that can't be a data set.
    """
    name = task.name if isinstance(task, Task) else task
    if isinstance(data, str):
        return task if isinstance(task, Task) else _in_bucket(task, data, skip_bad)
    if isinstance(name, str) and (name.startswith((_FOLDER, _TABLE, _HUGGINGFACE)) or _BUILT_IN.get(name) is task):
        return task if isinstance(task, Task) else _own(name, data, skip_bad)
    try:
        found = REGISTRY.find(task)
    except UnknownName:
        raise unknown("task", str(task), dict.fromkeys((*NAMES, *REGISTRY.names()))) from None
    with blamed(f"task {found.name}"):
        made = found.target if isinstance(found.target, Task) else found.target(data)
    if not isinstance(made, Task):
        raise RequestError(f"task {found.name} should make a Task, not {type(made).__name__}")
    REGISTRY.keep(found, made.name)
    return made


def _own(name: str, data: Path, skip_bad: bool) -> Task:
    """A task of people's own data by what it is made of."""
    if name.startswith(_TABLE):
        path, columns = options(name.removeprefix(_TABLE), ("image", "label", "split"))
        if not path:
            raise RequestError("table: needs the path of a table, as in --task table:labels.csv")
        return Task.of(table_source(_below(reader.path(path, "table"), data), **columns, skip_bad=skip_bad))
    if name.startswith(_HUGGINGFACE):
        source, asked = options(name.removeprefix(_HUGGINGFACE), HUGGINGFACE_OPTIONS)
        if not source:
            raise RequestError("hf: needs a path or a name, as in --task hf:mnist")
        below = _below(reader.path(source, "data set"), data)
        return Task.of(huggingface_source(str(below) if below.exists() else source, **asked, skip_bad=skip_bad))
    place = name.removeprefix(_FOLDER)
    return Task.of(folder_source(place if is_url(place) else image_folder(name, data), skip_bad))


def _in_bucket(task: str | Builder, data: str, skip_bad: bool) -> Task:
    if task == IMAGENET.name:
        return in_bucket(data)
    if task == DIGITS.name:
        return DIGITS
    if not isinstance(task, str) or not task.startswith(_FOLDER):
        raise RequestError(f"--data {data} is a bucket, which holds image folders in shards: folder:PATH and imagenet")
    place = task.removeprefix(_FOLDER)
    if not is_url(place) and not reader.path(place, "folder").exists():
        place = f"{data.rstrip('/')}/{place}"
    return Task.of(folder_source(place, skip_bad))


def kept_in(data: Path) -> dict[str, Path | None]:
    """Built-in tasks whose images aren't part of a package -> the folder that holds them, None where none does."""
    official = {"mnist": "MNIST", "mnist-5k": "MNIST", "fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10"}
    found = {name: kept_in_official(source, data) for name, source in official.items()}
    with suppress(RequestError):
        found["imagenet"] = imagenet_folder(data)
    return {**dict.fromkeys((*official, IMAGENET.name)), **found}


def image_folder(name: str, data: Path) -> Path:
    """The folder that a task's image files are in. Raises RequestError for tasks that aren't made of image files."""
    if name == IMAGENET.name:
        return imagenet_folder(data)
    if not name.startswith(_FOLDER):
        raise RequestError(f"task '{name}' isn't a folder of image files; imagenet and folder:PATH are")
    if is_url(name.removeprefix(_FOLDER)):
        raise RequestError(f"{name.removeprefix(_FOLDER)} is a bucket; a folder of this machine is wanted")
    path = reader.path(name.removeprefix(_FOLDER), "folder")
    if path == Path():
        raise RequestError("folder: needs the path of a folder of images, as in --task folder:photos")
    return _below(path, data)


def _below(path: Path, data: Path) -> Path:
    """The path from the current folder, or from the data folder if only that is there."""
    return data / path if not path.exists() and (data / path).exists() else path
