"""Pairs of runs of two commands: which seed, which command first, and what came of each."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bakeoff.commands.depends import Invocation
from bakeoff.commands.run import CommandFailed, run_command
from bakeoff.errors import BakeoffError, DataChanged, RequestError
from bakeoff.events import Observer, unobserved
from bakeoff.runs.store import Store
from bakeoff.stats.outcomes import Floats

MOST = 500  # pairs that a judgement has seeds for, and as many again that state what was kept
_TRIES = 2  # of a run that crashes
_BLOCKS = 2**31 // (2 * MOST)  # so that seeds fit into 31 bits, as most programs want it

Name = Literal["baseline", "candidate"]
NAMES: tuple[Name, Name] = ("baseline", "candidate")


@dataclass(frozen=True)
class Pair:
    """A run of each command with one seed. None: it failed."""

    seed: int
    candidate_first: bool
    baseline: float | None
    candidate: float | None

    @property
    def whole(self) -> bool:
        """Whether both came to a result."""
        return self.baseline is not None and self.candidate is not None


@dataclass(frozen=True)
class Pairs:
    """Where pairs come from.

    sides: the two commands. key: from which seeds and coins follow, so that nobody chooses them and going on is the
    same. threads, device: as of `run_command`. failed: runs that aren't tried again.
    """

    sides: dict[Name, Invocation]
    key: str
    store: Store
    threads: int = 1
    device: str = "auto"
    failed: Callable[[str], bool] = lambda run: False
    observer: Observer = unobserved

    def seed(self, index: int) -> int:
        """Of a pair; no other judgement has it, so that no run is one that was made in another order."""
        return int(self._hash("seeds"), 16) % _BLOCKS * 2 * MOST + index

    def candidate_first(self, index: int) -> bool:
        """A coin."""
        return int(self._hash(f"order {index}"), 16) % 2 == 1

    def make(self, index: int) -> Iterator[tuple[Name, str, float | None, str]]:
        """The two runs of a pair in their order: whose, its id, its value, and why there is none."""
        seed = self.seed(index)
        for name in reversed(NAMES) if self.candidate_first(index) else NAMES:
            side = self.sides[name]
            value, why = self._value(side, seed)
            yield name, side.run_id(seed), value, why

    def pair(self, index: int, values: dict[Name, float | None]) -> Pair:
        """The pair that they are the values of; one that wasn't run counts as failed."""
        first = self.candidate_first(index)
        return Pair(self.seed(index), first, values.get("baseline"), values.get("candidate"))

    def _value(self, side: Invocation, seed: int) -> tuple[float | None, str]:
        run = side.run_id(seed)
        if self.failed(run) and (record := self.store.read(run, ())) and record.status == "crashed":
            return None, record.reason
        why = ""
        for _ in range(_TRIES):
            try:
                made = run_command(
                    side, seed, self.store, threads=self.threads, device=self.device, observer=self.observer
                )
            except CommandFailed as error:
                why = str(error)
                continue
            except DataChanged:
                raise
            except RequestError as error:
                return None, str(error)
            if made.status != "done":
                return None, made.reason
            return float(made.metrics["report"][side.command.metric.called]), ""
        return None, why

    def _hash(self, purpose: str) -> str:
        return hashlib.sha256(f"{self.key} {purpose}".encode()).hexdigest()[:12]


def arrays(pairs: list[Pair], higher: bool) -> tuple[Floats, Floats, Floats]:
    """(n,) of the pairs that are whole: baseline and candidate, more is better, and 1 where the candidate ran first."""
    whole = [pair for pair in pairs if pair.whole]
    sign = 1.0 if higher else -1.0
    return (
        sign * np.array([pair.baseline for pair in whole], np.float64),
        sign * np.array([pair.candidate for pair in whole], np.float64),
        np.array([1.0 if pair.candidate_first else -1.0 for pair in whole]),
    )


class Clock:
    """A budget of time. seconds: None for any."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether it is spent."""
        return self._end is not None and time.monotonic() >= self._end


class BaselineFailed(BakeoffError):
    """The baseline itself doesn't run."""
