"""What every benchmark returns: a ratio with its spread and the promise that it is held against."""

import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bakeoff", "torch", "torchvision", "numpy")


@dataclass(frozen=True)
class Ratio:
    """One line of the table.

    ratio: median of `ratios`, one per repeat. promise: the bound that we state in public; None where we promise
    nothing. reached: False where a side did not do the job, whatever its time.
    """

    name: str
    over: str  # what is divided by what
    ratios: Sequence[float]
    bound: Literal["at least", "at most"]
    promise: float | None = None
    reached: bool = True
    detail: dict[str, Any] = field(default_factory=dict)  # raw measurements, for the file

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def kept(self) -> bool:
        """Whether the promise holds on this machine."""
        if not self.reached or self.promise is None:
            return self.reached
        return self.ratio >= self.promise if self.bound == "at least" else self.ratio <= self.promise


def alternate(a: Callable[[], float], b: Callable[[], float], repeats: int) -> list[tuple[float, float]]:
    """What `a` and `b` return, called in turns so that a machine that slows down slows both; one warm-up of each."""
    a(), b()
    return [(a(), b()) if turn % 2 == 0 else (b(), a())[::-1] for turn in range(repeats)]


def machine() -> dict[str, Any]:
    """The hardware and software that a number belongs to; nothing that tells whose machine it is."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str:
    """Short hash of what is measured, marked where it was changed since; a copy without its history has none."""

    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    try:
        dirty = git("status", "--porcelain", "--", "src", "bench", "pyproject.toml")
        return git("rev-parse", "--short", "HEAD") + ("+changes" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
