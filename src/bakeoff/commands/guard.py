"""A process between us and a command, so that the command ends when we do, with all that it started.

Run by itself, without site packages: `python -I -S guard.py WORD...`. It starts the command in a session of its own and
waits for it, or for the end of its own standard input, which comes when we end, however that is, or wish it to end.
Then whatever the command started is ended, what left the session too, as far as /proc shows it by the environment that
it has. How the command ended is a line of JSON on the file descriptor $BAKEOFF_GUARD.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

GRACE = 5.0  # seconds between SIGTERM and SIGKILL


def main() -> None:
    """Run a command, wait, clear up, say how it ended."""
    told = int(os.environ.pop("BAKEOFF_GUARD"))
    mark = f"BAKEOFF_OUT={os.environ['BAKEOFF_OUT']}".encode()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # who started us decides
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_as_usual)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        os.write(told, json.dumps({"error": reason}).encode())
        os._exit(0)
    for stream in (1, 2):  # the command's alone, so that their end is seen
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    threading.Thread(target=_end_with_us, args=(child, mark), daemon=True).start()
    status = child.wait()
    _clear_up(child.pid, mark)
    os.write(told, json.dumps({"status": status}).encode())
    os._exit(0)


def _as_usual() -> None:
    """Let the command have the signals that we ignore."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _end_with_us(child: "subprocess.Popen[bytes]", mark: bytes) -> None:
    while os.read(0, 1024):
        pass
    _signal(child.pid, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while child.returncode is None and time.monotonic() < until:
        time.sleep(0.02)
    _clear_up(child.pid, mark)


def _clear_up(group: int, mark: bytes) -> None:
    """End what is left of a session, and what carries the mark elsewhere."""
    for _ in range(10):  # one of them may be starting another
        there = _marked(mark)
        alive = _signal(group, signal.SIGKILL)
        for pid in there:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        if not there and not alive:
            break
        time.sleep(0.02)


def _marked(mark: bytes) -> list[int]:
    found = []
    try:
        names = os.listdir("/proc")
    except OSError:  # no Linux: the session has to do
        return []
    for name in names:
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    environ = file.read()
                with open(f"/proc/{name}/stat", "rb") as file:
                    dead = file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
            except (OSError, IndexError):
                continue
            if not dead and mark in environ.split(b"\0"):
                found.append(int(name))
    return found


def _signal(group: int, number: int) -> bool:
    """Whether there was anybody in the session's group."""
    try:
        os.killpg(group, number)
    except OSError:
        return False
    return True


main()
