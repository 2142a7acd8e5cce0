"""Stopping between two steps: an interrupt in the middle of one would leave a state that no run ever has."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_going_on: list[threading.Event] = []


def ask() -> None:
    """Ask what is going on in this process to stop between two steps, as a signal does; for other threads."""
    for event in tuple(_going_on):
        event.set()


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that `ask`, SIGINT and SIGTERM set, for the loop to look at; a second signal interrupts at once.

    Outside the main thread signals can't be caught.
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
    if threading.current_thread() is not threading.main_thread():
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
