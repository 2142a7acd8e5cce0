"""Files of one folder, as bytes under keys: whole or not there, found by pattern, made once where that is asked.

Whoever keeps something in a place that may be a folder or a bucket goes through `Storage`.
"""

from pathlib import Path

from bakeoff.storage.base import Entry, File, Storage
from bakeoff.storage.local import LocalStorage, local_file
from bakeoff.storage.packed import PackedStorage

__all__ = ["Entry", "File", "LocalStorage", "PackedStorage", "Storage", "is_url", "local_file", "open_storage"]


def is_url(place: Path | str) -> bool:
    """Whether a place isn't on a disk: s3://, gs:// or az:// and what is in it."""
    return isinstance(place, str) and "://" in place


def open_storage(place: Path | str) -> Storage:
    """A folder on a disk, or of a bucket. Raises RequestError for what can't be one."""
    if isinstance(place, str) and is_url(place):
        from bakeoff.storage.bucket import open_bucket

        return open_bucket(place)
    return LocalStorage(Path(place))
