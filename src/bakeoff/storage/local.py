"""A folder on a disk, or on a file system that machines share: plain files that people can read."""

import errno
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from bakeoff import files
from bakeoff.errors import RequestError
from bakeoff.storage.base import Entry, File

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}  # what file systems say that have no hard links: exFAT, some NAS
_TRIES = 10  # times that a file is made anew which another process removed before it was whole


class LocalStorage:
    """See `Storage`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def prepare(self) -> None:
        """See `Storage`."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink(missing_ok=True)  # a thread beside may have
        except OSError as error:
            raise RequestError(
                f"can't write to the store {self.url}: {error.strerror}; choose one with --store"
            ) from None

    def read(self, key: str) -> bytes | None:
        """See `Storage`."""
        try:
            with open(f"{self.url}/{key}", "rb", buffering=0) as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def read_range(self, key: str, start: int, size: int) -> bytes | None:
        """See `Storage`."""
        try:
            with open(f"{self.url}/{key}", "rb", buffering=0) as file:
                file.seek(start)
                return file.read(size)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def write(self, key: str, data: bytes) -> None:
        """See `Storage`."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, data)

    def create(self, key: str, data: bytes) -> bool:
        """See `Storage`; atomic on NFS as well, where a lock on a file may not be."""
        path = self.root / key
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):  # whoever came to hold this folder tidied it, or took it away
                return _create(path, data)
        return _create(path, data)

    def entry(self, key: str) -> Entry | None:
        """See `Storage`."""
        try:
            found = os.stat(f"{self.url}/{key}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Entry(key, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None

    def glob(self, pattern: str) -> list[Entry]:
        """See `Storage`."""
        start = len(self.root.parts)
        keys = ("/".join(path.parts[start:]) for path in self.root.glob(pattern) if not files.is_partial(path.name))
        return [entry for key in keys if (entry := self.entry(key))]

    def everything(self) -> list[Entry]:
        """See `Storage`."""
        found = (Path(folder, name) for folder, _, names in os.walk(self.root) for name in names)
        keys = (path.relative_to(self.root).as_posix() for path in found)
        return [entry for key in keys if (entry := self.entry(key))]

    def move(self, key: str, to: str) -> None:
        """See `Storage`."""
        os.replace(self.root / key, self.root / to)

    def delete(self, key: str) -> None:
        """See `Storage`."""
        (self.root / key).unlink(missing_ok=True)

    def delete_folder(self, key: str) -> None:
        """See `Storage`."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.root / key)

    def tidy(self, key: str) -> None:
        """See `Storage`."""
        files.tidy(self.root / key)


def local_file(path: Path) -> File:
    """A file on a disk."""
    return File(LocalStorage(path.parent), path.name)


def _create(path: Path, data: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.named(path), files.partial(path) as whole:
        whole.write_bytes(data)
        try:
            os.link(whole, path)
        except FileExistsError:
            return os.stat(whole).st_nlink == 2  # on NFS an answer may be lost, and its repetition finds our own
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _create_in_place(path, data)
    return True


def _create_in_place(path: Path, data: bytes) -> bool:
    """As good as it gets without hard links: made once, but a reader may find a beginning of it."""
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True
