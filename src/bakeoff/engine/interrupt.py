"""Interrupts: what SIGINT, SIGTERM and SIGHUP do, to a command, at any moment: here alone that is decided.

A training loop ends its step and keeps its state (`interruptible`). Everywhere else KeyboardInterrupt is raised at
once, which is safe since every file is written whole; but while something is imported the process is left at once,
since code that isn't Python's may take an exception for a failure, or abort. A command (`program`) whose main thread
doesn't get to that, as in a step that takes minutes, is ended after a time of grace by a thread that waits for signals
itself.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 20.0  # seconds; Kubernetes and Slurm kill after 30
_AGAIN = 3.0  # seconds until it is tried again, where something swallowed it

_going_on: list[threading.Event] = []


class Program:
    """The signals of a process that is a command. asked: whether one came."""

    def __init__(self, last_words: Callable[[], None]) -> None:
        self.asked = False
        self.grace = GRACE
        self.last_words = last_words
        self.pid, self.over = os.getpid(), threading.Event()

    def handle(self, number: int, frame: FrameType | None) -> None:
        """In the main thread, between two instructions of Python."""
        if self.over.is_set():
            return
        if os.getpid() != self.pid:  # a process that was forked: not the command
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        first, self.asked = not self.asked, True
        if _going_on and (first or number == signal.SIGALRM):
            ask()
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            return
        if _importing(frame):
            self.last_words()
            leave(130)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        raise KeyboardInterrupt

    def watch(self, pipe: int) -> None:
        """In a thread: wait for a signal, then for the time of grace, and end the process if it is still there."""
        while not self.over.is_set():
            if not set(os.read(pipe, 1)) & set(SIGNALS):
                continue
            if not self.over.wait(self.grace):
                with suppress(Exception):
                    self.last_words()
                os._exit(130)


_program: Program | None = None


@contextmanager
def program(last_words: Callable[[], None]) -> Iterator[Program]:
    """Catch signals for a command, in the main thread. last_words: said where it has to be ended by force.

    Signals that are ignored stay so, as under nohup.
    """
    global _program
    found = Program(last_words)
    if _program is not None or threading.current_thread() is not threading.main_thread():
        yield found
        return
    caught = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, found.handle) for number in (*caught, signal.SIGALRM)}
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    fd_before = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    unraisable = sys.unraisablehook
    sys.unraisablehook = lambda what: None if found.asked and what.exc_type is KeyboardInterrupt else unraisable(what)
    threading.Thread(target=found.watch, args=(ours,), daemon=True).start()
    _program = found
    try:
        yield found
    finally:
        _program = None
        found.over.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(fd_before)
        os.write(theirs, b"\0")  # the thread ends
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = unraisable


def ignore() -> None:
    """Let a process that has done its work end with the status that it has."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def leave(status: int) -> None:
    """End this process, and wait for nothing: neither for threads that others' signals left at work, nor for Python.

    Which else ends itself by SIGINT, whatever the status, where a KeyboardInterrupt left code in a string, as torch's.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, RuntimeError):
            stream.flush()  # RuntimeError: in the middle of a line
    os._exit(status)


def set_grace(seconds: float) -> None:
    """How long a command may take to end after a signal."""
    if _program is not None:
        _program.grace = seconds


def ask() -> bool:
    """Ask what is going on in this process to stop between two steps, as a signal does. Returns whether anything is."""
    for event in tuple(_going_on):
        event.set()
    return bool(_going_on)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that `ask` and signals set, for a loop to look at; a second signal interrupts at once.

    Outside a command SIGINT and SIGTERM are caught for its time, in the main thread.
    """
    asked = threading.Event()
    _going_on.append(asked)
    try:
        with _caught(asked):
            yield asked
    finally:
        _going_on.remove(asked)


@contextmanager
def _caught(asked: threading.Event) -> Iterator[None]:
    if _program is not None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
