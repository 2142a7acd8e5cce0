"""What every place for files can do."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A file that is there. size: bytes. modified: seconds since 1970 by the clock of what keeps it."""

    key: str
    size: int
    modified: float


class Storage(Protocol):
    """Files of one folder. A key is the path below it, with slashes: "RUN/run.json".

    Anyone may write at any moment: a reader finds the old file whole, or the new one. Methods raise OSError where the
    work fails, with `strerror` and `filename` for people; nothing is raised for a file that isn't there.
    """

    @property
    def url(self) -> str:
        """Where it is, as people write it: a path, or s3://BUCKET/FOLDER."""

    def prepare(self) -> None:
        """Make the folder where there is none. Raises RequestError if nothing can be written there."""

    def read(self, key: str) -> bytes | None:
        """All of a file; None where there is none."""

    def read_range(self, key: str, start: int, size: int) -> bytes | None:
        """`size` bytes of a file from `start` on, fewer where it ends; None where there is none."""

    def write(self, key: str, data: bytes) -> None:
        """Keep a file whole, in place of the one before; folders on the way are made."""

    def create(self, key: str, data: bytes) -> bool:
        """Keep a file whole, unless there is one: then False. Of several at once, exactly one is told True.

        data: tells its writer from others, since an answer may be lost: then what is there is looked at.
        """

    def entry(self, key: str) -> Entry | None:
        """Size and date of a file; None where there is none."""

    def glob(self, pattern: str) -> list[Entry]:
        """Files by a pattern, in no order: "*/run.json", "leases/*"; a star is anything within one name."""

    def everything(self) -> list[Entry]:
        """All files, those too that aren't whole; in no order."""

    def move(self, key: str, to: str) -> None:
        """Give a file another key, in place of what has that."""

    def delete(self, key: str) -> None:
        """Remove a file, if it is there."""

    def delete_folder(self, key: str) -> None:
        """Remove a folder with all that is in it, if it is there."""

    def tidy(self, key: str) -> None:
        """Remove what killed writers left of files in a folder that nobody else writes to now."""


@dataclass(frozen=True)
class File:
    """One file of a storage, there or not: what is handed to whoever needs no more than it, such as a checkpoint."""

    storage: Storage
    key: str

    def __str__(self) -> str:
        return f"{self.storage.url}/{self.key}"

    def read(self) -> bytes | None:
        """See `Storage.read`."""
        return self.storage.read(self.key)

    def write(self, data: bytes) -> None:
        """See `Storage.write`."""
        self.storage.write(self.key, data)

    def entry(self) -> Entry | None:
        """See `Storage.entry`."""
        return self.storage.entry(self.key)

    def move(self, to: str) -> "File":
        """See `Storage.move`. Returns the file that it is then."""
        self.storage.move(self.key, to)
        return File(self.storage, to)

    def delete(self) -> None:
        """See `Storage.delete`."""
        self.storage.delete(self.key)
