"""Tasks by name: a data set with its splits, a model and a training length."""

from pathlib import Path

from bakeoff.errors import RequestError, unknown
from bakeoff.task import Limits, Task
from bakeoff.tasks.cifar10 import CIFAR10
from bakeoff.tasks.digits import DIGITS
from bakeoff.tasks.folder import folder_task
from bakeoff.tasks.imagenet import IMAGENET, imagenet_folder
from bakeoff.tasks.mnist import FASHION_MNIST, MNIST, MNIST_5K

__all__ = ["NAMES", "Limits", "Task", "get", "image_folder"]

_BUILT_IN = {task.name: task for task in (DIGITS, MNIST, MNIST_5K, FASHION_MNIST, CIFAR10, IMAGENET)}
_FOLDER = "folder:"

NAMES = {name: task.about for name, task in _BUILT_IN.items()} | {
    "folder:PATH": "your own images, a folder for each class, in one set or in train/, val/ and test/"
}


def get(name: str, data: Path, skip_bad: bool = False) -> Task:
    """The task of that name.

    data: the data folder; `folder:PATH` is looked for from the current folder and then from there. Only `folder:`
    tasks read images at this point. skip_bad: leave files of a `folder:` task out that can't be read.

    Raises RequestError for unknown names and for folders that can't be a data set.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    if not name.startswith(_FOLDER):
        raise unknown("task", name, NAMES)
    return folder_task(image_folder(name, data), skip_bad)


def image_folder(name: str, data: Path) -> Path:
    """The folder that a task's image files are in. Raises RequestError for tasks that aren't made of image files."""
    if name == IMAGENET.name:
        return imagenet_folder(data)
    if not name.startswith(_FOLDER):
        raise RequestError(f"task '{name}' isn't made of image files; imagenet and folder:PATH are")
    path = Path(name.removeprefix(_FOLDER)).expanduser()
    if path == Path():
        raise RequestError("folder: needs the path of a folder of images, as in --task folder:photos")
    return data / path if not path.is_dir() and (data / path).is_dir() else path
