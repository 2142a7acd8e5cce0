"""Load, check and prepare data."""

from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff import reader
from bakeoff.api.asked import shown
from bakeoff.events import Observer, observed, unobserved
from bakeoff.runs.workspace import Workspace
from bakeoff.storage import is_url

if TYPE_CHECKING:
    from bakeoff.data.dataset import Dataset
    from bakeoff.data.prepare import Prepared
    from bakeoff.data.shards import Written
    from bakeoff.recipes.request import AnyTask
    from bakeoff.tasks.check import Report as DataReport


def load_data(task: "AnyTask" = "digits", *, skip_bad: bool = False, data: Path | str | None = None) -> "Dataset":
    """A task's images and labels in their splits. data: the folder of data sets."""
    from bakeoff import tasks

    where = Workspace.open(data=data)
    return tasks.get(task, where.data, skip_bad=skip_bad).load(where.folder)


@shown
@observed
def check_data(
    task: "AnyTask" = "digits",
    *,
    skip_bad: bool = False,
    data: Path | str | None = None,
    observer: Observer = unobserved,
) -> "DataReport":
    """What is in a task's data: classes, sizes, splits, duplicates, files that can't be read."""
    from bakeoff import tasks
    from bakeoff.tasks import check

    where = Workspace.open(data=data)
    return check.check(tasks.get(task, where.data, skip_bad=skip_bad), where.folder)


@shown
@observed
def prepare_data(
    task: str,
    *,
    px: int = 256,
    output: Path | str | None = None,
    format: str | None = None,
    skip_bad: bool = False,
    data: Path | str | None = None,
    observer: Observer = unobserved,
) -> "Prepared":
    """Copy a task's image files at a smaller size, once, so that they are read faster.

    task: "folder:PATH" or imagenet. px: shorter side of the copies, at most. output: where to (None: in the user's
    cache folder). format: ppm (exact and fastest) or jpeg (less room); None: ppm where that takes no more than the
    images do, else jpeg.
    """
    from bakeoff import tasks
    from bakeoff.data import prepare
    from bakeoff.plan import MOST_PX

    root = tasks.image_folder(task, Workspace.open(data=data).folder)
    to = reader.path(output, "--output") if output else None
    reader.whole(px, "--px", 1, MOST_PX)
    return prepare.prepare(root, to, px, format, skip_bad)


@shown
@observed
def write_shards(
    task: str, output: Path | str, *, data: Path | str | None = None, observer: Observer = unobserved
) -> "Written":
    """Put a task's image files into a few tar files with an index, which can be read in a bucket as on a disk.

    task: "folder:PATH" or imagenet. output: a folder on a disk or of a bucket (s3://BUCKET/FOLDER); "folder:OUTPUT" is
    the same task then, with the same runs.
    """
    from bakeoff import tasks
    from bakeoff.data import shards
    from bakeoff.data.folders import read_folders

    root = tasks.image_folder(task, Workspace.open(data=data).folder)
    to = output if is_url(output) else reader.path(output, "--output").absolute()
    return shards.write_shards(root, read_folders(root), to, look=task != "imagenet")
