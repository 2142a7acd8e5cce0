"""A command's process: with a time limit, a bounded log, and an end of all that it started."""

import json
import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bakeoff.engine.interrupt import interruptible

LOG = 256 * 1024  # bytes of a log that are kept of its beginning, and as many of its end
_LINE = 64 * 1024  # bytes of a line that are looked at
_LOOK = 0.1  # seconds between two looks at whether it is to go on
_REST = 1.0  # seconds that are read on after its end, where something that can't be found still writes
_MEASURE = 2.0  # seconds between two looks at what its folder takes
_FREE = 64 * 2**20  # bytes that a command leaves on the disk: what others need to end well
_GUARD = Path(__file__).with_name("guard.py")


Over = Literal["", "time", "disk", "full"]


@dataclass(frozen=True)
class Ended:
    """How a process came to its end.

    status: exit status, or minus the signal that ended it. error: why it couldn't be started. over: which limit it went
    over. log: what it wrote, its middle left out where it was too much.
    """

    status: int
    error: str
    over: Over
    log: bytes
    seconds: float


class _Log:
    """The beginning and the end of what was written."""

    def __init__(self) -> None:
        self._head, self._tail, self._dropped = bytearray(), bytearray(), 0

    def add(self, data: bytes) -> None:
        room = max(0, LOG - len(self._head))
        self._head += data[:room]
        self._tail += data[room:]
        if (surplus := len(self._tail) - LOG) > LOG:  # now and then, since it moves all of it
            del self._tail[:surplus]
            self._dropped += surplus

    @property
    def bytes(self) -> bytes:
        if (surplus := len(self._tail) - LOG) > 0:
            del self._tail[:surplus]
            self._dropped += surplus
        cut = f"\n... {self._dropped:,} bytes left out ...\n".encode() if self._dropped else b""
        return bytes(self._head) + cut + bytes(self._tail)


class _Lines:
    """Lines of what comes in pieces, told one by one."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line, self._rest, self._skip = line, b"", False

    def add(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for each in whole:
            self._tell(each)
        if len(self._rest) > _LINE:  # nobody's metric; forget it, so that memory is bounded
            self._rest, self._skip = b"", True

    def end(self) -> None:
        if self._rest:
            self._tell(self._rest)

    def _tell(self, line: bytes) -> None:
        if not self._skip and line:
            self._line(line.decode("utf-8", "replace"))
        self._skip = False


def run(
    words: Sequence[str],
    *,
    folder: str,
    env: Mapping[str, str],
    out: str,
    seconds: float,
    disk: float | None,
    line: Callable[[str], None],
) -> Ended:
    """Run a command to its end, or to that of what it may take.

    env: its environment, which holds BAKEOFF_OUT. out: its folder for results. seconds, disk: that it may take. line:
    told every line of standard output. Raises KeyboardInterrupt on an interrupt, when it is ended.
    """
    began, log = time.monotonic(), _Log()
    over: Over = ""
    lines = _Lines(line)
    told, tell = os.pipe()
    with interruptible() as asked:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**env, "BAKEOFF_GUARD": str(tell)},
            pass_fds=(tell,),
            start_new_session=True,  # signals of a terminal reach us alone
        )
        os.close(tell)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        measured = began
        said = b""
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ, lines)
            ready.register(process.stderr, selectors.EVENT_READ, None)
            ready.register(told, selectors.EVENT_READ, "told")
            open_, ended = 3, 0.0
            while open_ and not (ended and (not ready.select(0) or time.monotonic() > ended + _REST)):
                for key, _ in ready.select(_LOOK):
                    data = os.read(key.fd, 65536)
                    if not data:
                        ready.unregister(key.fileobj)
                        open_ -= 1
                        if key.data == "told":
                            ended = time.monotonic()
                    elif key.data == "told":
                        said += data
                    else:
                        log.add(data)
                        if key.data is not None:
                            key.data.add(data)
                now = time.monotonic()
                if not over and now - began > seconds:
                    over = "time"
                elif not over and now - measured > _MEASURE:
                    over, measured = _too_much(out, disk), now
                if (over or asked.is_set()) and not process.stdin.closed:
                    with suppress(OSError):
                        process.stdin.close()
        lines.end()
        if not process.stdin.closed:
            with suppress(OSError):
                process.stdin.close()
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()
        os.close(told)
        if asked.is_set():
            raise KeyboardInterrupt
    answer: dict[str, Any] = json.loads(said) if said else {"error": "the process that watched over it was killed"}
    return Ended(
        status=answer.get("status", 0),
        error=answer.get("error", ""),
        over=over,
        log=log.bytes,
        seconds=time.monotonic() - began,
    )


def _too_much(out: str, disk: float | None) -> Literal["", "disk", "full"]:
    with suppress(OSError):
        if shutil.disk_usage(out).free < _FREE:
            return "full"
    if disk is None:
        return ""
    taken = 0
    for at, _, names in os.walk(out):
        for name in names:
            with suppress(OSError):
                taken += os.lstat(os.path.join(at, name)).st_size
    return "disk" if taken > disk else ""


def last_line(log: bytes) -> str:
    """The last line of a log that says something, for one line of an error."""
    lines = [line.strip() for line in log.decode("utf-8", "replace").splitlines() if re.search(r"\w", line)]
    return lines[-1][:300] if lines else ""
