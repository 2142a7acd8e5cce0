"""Any folder of images, one folder per class: split already (train/, val/, test/), or split here."""

from functools import partial
from pathlib import Path

from bakeoff.data.folders import read_folders
from bakeoff.data.shards import INDEX, read_index
from bakeoff.data.sources import Source
from bakeoff.data.sources.listed import Listed, files_source
from bakeoff.storage import is_url


def folder_source(path: Path | str, skip_bad: bool = False) -> Source:
    """The task that a folder of images makes: classes, size and channels are read from it.

    path: holds a folder per class, or `train` and maybe `val` (`valid`, `validation`) and `test`, which do. With
    `val`, its halves are `select` and `report`; without, they are 15 % of the training images each. Or what
    `shards.write_shards` made of such a folder, here or in a bucket (s3://BUCKET/FOLDER): the same task, but for its
    name.

    Raises RequestError when the folder can't be a data set (see `read_folders`), has too few images of a class to
    split, or has files that can't be read, unless `skip_bad`.
    """
    where = path if is_url(path) else str(Path(path).absolute())  # found again from any current folder
    return files_source(f"folder:{where}", partial(_listed, path), skip_bad)


def _listed(path: Path | str) -> Listed:
    if is_url(path) or (Path(path) / INDEX).exists():
        index = read_index(path)
        return Listed(path, index, index.found)
    return Listed(path, Path(path), read_folders(Path(path)))
