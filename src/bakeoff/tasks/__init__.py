"""Tasks by name: a data set with its splits, a model and a training length."""

from collections.abc import Callable
from pathlib import Path

from bakeoff.errors import RequestError, UnknownName, blamed, unknown
from bakeoff.registry import Registry
from bakeoff.task import Limits, Task
from bakeoff.tasks.cifar10 import CIFAR10
from bakeoff.tasks.digits import DIGITS
from bakeoff.tasks.folder import folder_task
from bakeoff.tasks.imagenet import IMAGENET, imagenet_folder
from bakeoff.tasks.mnist import FASHION_MNIST, MNIST, MNIST_5K

__all__ = ["NAMES", "REGISTRY", "Builder", "Limits", "Task", "get", "image_folder"]

Builder = Callable[[Path], Task]  # data folder -> a task

_BUILT_IN = {task.name: task for task in (DIGITS, MNIST, MNIST_5K, FASHION_MNIST, CIFAR10, IMAGENET)}
_FOLDER = "folder:"

NAMES = {name: task.about for name, task in _BUILT_IN.items()} | {
    "folder:PATH": "your own images, a folder for each class, in one set or in train/, val/ and test/"
}


def _accept(thing: object) -> Task | Builder | None:
    return thing if isinstance(thing, Task) or callable(thing) else None


REGISTRY: Registry[Task | Builder] = Registry(
    "task", tuple(_BUILT_IN), _BUILT_IN.__getitem__, _accept, "a Task, or a function from the data folder to one"
)


def get(task: str | Task | Builder, data: Path, skip_bad: bool = False) -> Task:
    """The task of a name, in a file ("./data.py:mine"), that an object is, or that a function makes.

    A task from outside is known by its own name from then on. data: the data folder; `folder:PATH` is looked for from
    the current folder and then from there. Only `folder:` tasks read images at this point. skip_bad: leave files of a
    `folder:` task out that can't be read.

    Raises RequestError for unknown names and for folders that can't be a data set.
    """
    if isinstance(task, str) and task.startswith(_FOLDER):
        return folder_task(image_folder(task, data), skip_bad)
    if isinstance(task, Task) and _BUILT_IN.get(task.name) is task:
        return task
    try:
        found = REGISTRY.find(task)
    except UnknownName:
        raise unknown("task", str(task), (*NAMES, *REGISTRY.names())) from None
    with blamed(f"task {found.name}"):
        made = found.target if isinstance(found.target, Task) else found.target(data)
    if not isinstance(made, Task):
        raise RequestError(f"task {found.name} should make a Task, not {type(made).__name__}")
    REGISTRY.keep(found, made.name)
    return made


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
