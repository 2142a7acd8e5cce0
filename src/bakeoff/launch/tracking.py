"""A tracker in a process of its own, so that one that fails or hangs neither slows a run nor breaks it.

What happens is put into a queue of bounded length, which takes microseconds; a thread writes it to the process. Where
the tracker doesn't keep up, what is too much is dropped and counted.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from bakeoff.files import printable
from bakeoff.runs.trackers import MESSAGE, Message, Tracking, tell

_WAITING = 2000  # messages that wait for a tracker at most: those of three minutes of training
PATIENCE = 60.0  # seconds that a tracker has at the end of everything, all together


class TrackerProcess:
    """One tracker's process, and what is on its way to it. failure: why it is told nothing more."""

    def __init__(self, tracking: Tracking) -> None:
        self.tracking, self.failure, self.told = tracking, "", False
        self._dropped = 0
        self._queue: queue.Queue[Message | None] = queue.Queue(_WAITING)
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bakeoff.launch.tracking", json.dumps([tracking.kind, tracking.where])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            start_new_session=True,  # Ctrl-C reaches us alone
        )
        assert self._process.stdin is not None
        self._stdin = self._process.stdin
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Say something, if there is room; never waits."""
        if self.failure:
            return
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._dropped += 1

    def end(self) -> None:
        """Nothing more will be said."""
        with suppress(queue.Full):
            self._queue.put_nowait(None)

    def wait(self, until: float) -> None:
        """Until everything is written, or the time is over."""
        self._thread.join(max(0.0, until - time.monotonic()))
        try:
            self._process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.failure = self.failure or f"it hangs: not done {PATIENCE:.0f} s after the end of all runs"
            os.killpg(self._process.pid, signal.SIGKILL)  # with what it started
            self._process.wait()
            self.end()
            self._thread.join(1.0)  # what it was writing has failed now
        if not self._thread.is_alive():
            with suppress(OSError):
                self._stdin.close()
        if self._process.returncode and not self.failure:
            self.failure = self._last_line()
        if self._dropped and not self.failure:
            self.failure = f"it was too slow: {self._dropped} messages were dropped"
        self._said.close()

    def _write(self) -> None:
        try:
            while (message := self._queue.get()) is not None:
                self._stdin.write(message.model_dump_json() + "\n")
                self._stdin.flush()
            self._stdin.close()
        except OSError:  # it is gone
            self._process.wait()
            self.failure = self.failure or self._last_line()

    def _last_line(self) -> str:
        self._said.seek(0)
        lines = [line.strip() for line in self._said.read().splitlines() if line.strip()]
        return printable(lines[-1]) if lines else f"its process ended with status {self._process.returncode}"


def _come_last() -> None:
    """The runs come first: on a core that does nothing else only.

    Where Linux shares its time among sessions (autogroup), niceness counts within a session alone, and a tracker has
    one of its own: then it is the session's that counts.
    """
    with suppress(OSError):
        os.nice(19)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def _serve(kind: str, where: str) -> None:
    """Tell a tracker what comes on standard input, until it ends. What fails is the last line of standard error."""
    _come_last()
    try:
        tracker = Tracking(kind, where).open()
        for line in sys.stdin:
            tell(MESSAGE.validate_json(line), tracker)
        tracker.close()
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        print(f"\n{type(error).__name__}: {first}", file=sys.stderr, flush=True)
        os._exit(1)  # whatever threads it has left


if __name__ == "__main__":
    _serve(*json.loads(sys.argv[1]))
