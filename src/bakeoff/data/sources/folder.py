"""Any folder of images, one folder per class: split already (train/, val/, test/), or split here."""

from functools import partial
from pathlib import Path

from bakeoff.data.folders import read_folders
from bakeoff.data.sources import Source
from bakeoff.data.sources.listed import Listed, files_source


def folder_source(path: Path, skip_bad: bool = False) -> Source:
    """The task that a folder of images makes: classes, size and channels are read from it.

    path: holds a folder per class, or `train` and maybe `val` (`valid`, `validation`) and `test`, which do. With
    `val`, its halves are `select` and `report`; without, they are 15 % of the training images each.

    Raises RequestError when the folder can't be a data set (see `read_folders`), has too few images of a class to
    split, or has files that can't be read, unless `skip_bad`.
    """
    name = f"folder:{path.absolute()}"  # found again from any current folder
    return files_source(name, partial(_listed, path), skip_bad)


def _listed(path: Path) -> Listed:
    return Listed(path, path, read_folders(path))
