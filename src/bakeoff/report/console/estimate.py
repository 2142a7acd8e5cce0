"""What something would take, in lines."""

from collections.abc import Callable

from rich.console import Console

from bakeoff.files import size
from bakeoff.report import words
from bakeoff.report.console.text import say
from bakeoff.study.estimate import Amount, Estimate


def show(console: Console, found: Estimate) -> None:
    """An estimate: each number, its range, and where it comes from."""
    many = words.counted(found.runs, "run")
    say(console, f"{found.what} on {found.task}: {many} on {found.devices} x {found.hardware}")
    _say(console, "device time", found.device_seconds, words.duration)
    _say(console, "wall time", found.seconds, words.duration)
    _say(console, "memory a device", found.bytes, size)
    _say(console, "images a second and device", found.images_per_second, _number)
    if found.cores.value:
        _say(console, "cores a device that keep up with it", found.cores, _number)
    if found.price:
        _say(console, "price", found.price, _number)


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _say(console: Console, name: str, amount: Amount, told: Callable[[float], str]) -> None:
    say(console, f"{name}: {told(amount.value)} ({told(amount.low)} to {told(amount.high)}; {amount.basis})")
