"""Runs of a study that were made again, and what follows for its numbers."""

from dataclasses import asdict, dataclass
from typing import Any

from bakeoff.stats.reproduction import Agreement


@dataclass(frozen=True)
class Repeated:
    """A run that was made again.

    run: its id. techniques, seed: of it. status: how the repetition ended. kept, now: Acc@1 on the report images in
    percent, as its plan evaluates. same: whether every evaluation of it on these images is equal to the last bit: the
    outcome of every image, and the cross-entropy. elsewhere: what was other about the machine and the versions.
    """

    run: str
    techniques: tuple[str, ...]
    seed: int
    status: str
    kept: float
    now: float
    same: bool
    elsewhere: tuple[str, ...]


@dataclass(frozen=True)
class Verification:
    """What came of it.

    study: its name. total: runs that could have been made again. repeated: those that were. noise: run-to-run sd of
    the study in points. agreement: of those that aren't the same. most_others: how many of all runs may be others, at
    95 %, where all that were made again are the same.
    """

    study: str
    total: int
    repeated: tuple[Repeated, ...]
    noise: float
    agreement: Agreement | None
    most_others: int | None

    @property
    def stands(self) -> bool | None:
        """Whether the numbers stand; None where runs are others, and the study knows no noise to judge that by."""
        if any(each.status != "done" for each in self.repeated):
            return False
        return True if self.agreement is None else self.agreement.within

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `bakeoff verify --json` prints it."""
        return {**asdict(self), "stands": self.stands}
