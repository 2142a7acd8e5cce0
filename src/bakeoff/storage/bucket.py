"""A folder of a bucket: s3://, gs:// or az://, through obstore (`pip install bakeoff[bucket]`).

Whatever can be tried again is: servers that fail or are slow, connections that break, answers that are lost. What can't
come right by itself (no such bucket, no credentials) is told at once.
"""

import errno
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from bakeoff.errors import RequestError, shown
from bakeoff.storage.base import Entry

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, and AWS_ENDPOINT_URL where it isn't Amazon's",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to a file, or run gcloud auth application-default login",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}  # and what to do where a scheme finds no credentials
_FIRST, _PATIENCE = 5.0, 120.0  # seconds of trying again, before the first answer and after it
_LONGEST_PAUSE = 5.0  # seconds between two tries
_ANSWER = "30s"  # until which a request, or a part of 5 MB of a large one, is answered
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
_NO_CREDENTIALS = ("169.254.169.254", "Missing AccessKeyId", "Missing Secret", "MissingAccount", "token request")
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Unauthorized", "Forbidden")

T = TypeVar("T")


class BucketStorage:
    """See `Storage`. client: of obstore, for the folder that `url` names."""

    def __init__(self, url: str, client: "ObjectStore") -> None:
        self.url, self._client = url, client
        self._reached = self._prepared = False

    def prepare(self) -> None:
        """See `Storage`. Once: what may be written doesn't change from run to run."""
        if not self._prepared:
            self.write(".probe", b"")
            self.delete(".probe")
            self._prepared = True

    def read(self, key: str) -> bytes | None:
        """See `Storage`."""
        import obstore

        return self._try(key, lambda: bytes(obstore.get(self._client, key).bytes()))

    def read_range(self, key: str, start: int, size: int) -> bytes | None:
        """See `Storage`."""
        import obstore

        return self._try(key, lambda: bytes(obstore.get_range(self._client, key, start=start, length=size)))

    def write(self, key: str, data: bytes) -> None:
        """See `Storage`."""
        import obstore

        self._try(key, lambda: obstore.put(self._client, key, data))

    def create(self, key: str, data: bytes) -> bool:
        """See `Storage`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            self._try(key, lambda: obstore.put(self._client, key, data, mode="create", use_multipart=False))
        except AlreadyExistsError:
            return self.read(key) == data  # an answer that was lost was repeated, and found what we had made
        return True

    def entry(self, key: str) -> Entry | None:
        """See `Storage`."""
        import obstore

        found = self._try(key, lambda: obstore.head(self._client, key))
        return found and _entry(found)

    def glob(self, pattern: str) -> list[Entry]:
        """See `Storage`. Takes a second per 1,000 files below the folder before the first star."""
        import obstore

        folder, _, rest = pattern.rpartition("/") if pattern.count("*") == 1 else ("", "", "/")
        if "*" in folder or "/" in rest:
            folder = pattern[: pattern.index("*")].rpartition("/")[0]
            found = self._try(pattern, lambda: obstore.list(self._client, folder or None).collect())
        else:
            found = self._try(pattern, lambda: obstore.list_with_delimiter(self._client, folder or None)["objects"])
        wanted = re.compile("[^/]*".join(map(re.escape, pattern.split("*"))))
        return [_entry(each) for each in found or () if wanted.fullmatch(each["path"])]

    def everything(self) -> list[Entry]:
        """See `Storage`. Takes a second per 1,000 files."""
        import obstore

        return [_entry(each) for each in self._try("", lambda: obstore.list(self._client).collect()) or ()]

    def move(self, key: str, to: str) -> None:
        """See `Storage`; a copy on the server, and then none."""
        import obstore

        self._try(key, lambda: obstore.copy(self._client, key, to))
        self.delete(key)

    def delete(self, key: str) -> None:
        """See `Storage`."""
        import obstore

        self._try(key, lambda: obstore.delete(self._client, key))

    def delete_folder(self, key: str) -> None:
        """See `Storage`."""
        import obstore

        paths = [each["path"] for each in self._try(key, lambda: obstore.list(self._client, key).collect()) or ()]
        if paths:
            self._try(key, lambda: obstore.delete(self._client, paths))

    def tidy(self, key: str) -> None:
        """See `Storage`: what isn't whole isn't there."""

    def _try(self, key: str, ask: Callable[[], T]) -> T | None:
        """Ask until there is an answer, or patience ends; None for what isn't there."""
        from obstore.exceptions import AlreadyExistsError, BaseError, InvalidPathError

        pause, began = 0.1, time.monotonic()
        while True:
            try:
                answer = ask()
            except AlreadyExistsError:
                self._reached = True
                raise
            except InvalidPathError as error:
                raise RequestError(f"{self.url}: no bucket holds a file named {shown(key)} ({_short(error)})") from None
            except FileNotFoundError as error:
                if any(word in str(error) for word in _NO_BUCKET):
                    raise self._no_bucket() from None
                self._reached = True
                return None
            except (BaseError, OSError) as error:
                if (wrong := self._wrong(str(error))) is not None:
                    raise wrong from None
                if time.monotonic() - began + pause > (_PATIENCE if self._reached else _FIRST):
                    raise OSError(errno.EIO, _short(error), f"{self.url}/{key}") from None
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._reached = True
                return answer

    def _wrong(self, text: str) -> RequestError | None:
        """The error for what trying again doesn't change; None where it may."""
        scheme = self.url.partition("://")[0]
        if any(word in text for word in _NO_BUCKET):
            return self._no_bucket()
        if any(word in text for word in _NO_CREDENTIALS):
            return RequestError(f"no credentials for {self.url}: {SCHEMES.get(scheme, 'none were found')}")
        if any(word in text for word in _REFUSED):
            return RequestError(f"{self.url} refuses these credentials: {_short(text)}")
        return None

    def _no_bucket(self) -> RequestError:
        bucket = self.url.partition("://")[2].partition("/")[0]
        return RequestError(f"there is no bucket {bucket} ({self.url}): make it, or name another")


def open_bucket(url: str) -> BucketStorage:
    """A folder of a bucket: s3://BUCKET/FOLDER. Raises RequestError for what can't be one, or without obstore."""
    scheme, _, rest = url.rstrip("/").partition("://")
    if scheme not in SCHEMES or not rest.partition("/")[0]:
        known = ", ".join(f"{each}://BUCKET/FOLDER" for each in SCHEMES)
        raise RequestError(f"{shown(url)} is no place that can be read: a path, {known}")
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise RequestError(f"{url} needs obstore: pip install 'bakeoff[bucket]'") from None
    options: Any = {"timeout": _ANSWER, "connect_timeout": "5s", "allow_http": True}  # who names http:// means it
    retries: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=_FIRST)}
    try:
        return BucketStorage(url.rstrip("/"), from_url(url.rstrip("/"), client_options=options, retry_config=retries))
    except BaseError as error:
        missing = any(word in str(error) for word in _NO_CREDENTIALS)
        why = f"no credentials for {url}: {SCHEMES[scheme]}" if missing else f"{url}: {_short(error)}"
        raise RequestError(why) from None


def _entry(found: Any) -> Entry:
    return Entry(found["path"], found["size"], found["last_modified"].timestamp())


def _short(error: object) -> str:
    """What obstore says, for people: one line, without what only a debugger needs."""
    text = str(error)
    for pattern, said in (
        (r'message: "Connection refused"', "no server answers there (connection refused)"),
        (r"dns error", "no such host, or no network"),
        (r"kind: Timeout|timed out", "the server doesn't answer in time"),
        (r"status code: (5\d\d [A-Za-z ]+)", r"the server fails (\1)"),
        (r"error sending request|connection closed|IncompleteMessage|reset by peer", "the connection breaks"),
    ):
        if found := re.search(pattern, text):
            return found.expand(said).strip()
    return shown(text.partition("\n")[0], 200)
