"""What was proposed to a ledger and how it ended, in its store: the budget of error that proposals share.

    ledgers/NAME/000001.json, 000002.json, ...

A proposal takes the next number by making that file, which of several at once only one can, and with it a share of
what is left (`stats.spending`). One that is kept gives its share back, whatever the baseline is from then on: the
budget is for ever keeping something that is no better, and isn't one baseline's. Nothing is taken twice: a proposal
that is made again goes on with its share and its seeds.
"""

import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import ValidationError

from bakeoff.encoding import Value
from bakeoff.errors import RequestError, explain_validation, shown
from bakeoff.runs.store import Store
from bakeoff.stats import paired, spending

Verdict = paired.Verdict | Literal["failed"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Stated(Value):
    """What a kept proposal gains by runs that had no part in keeping it: pairs, and an interval of 95 %."""

    metric: str
    pairs: int
    gain: float
    low: float
    high: float


class Entry(Value):
    """A proposal.

    id: of the two commands and the metric. share: of the error. pairs, gain, proved: when it was last looked at; the
    gain is more than `proved` at the error that the share is. verdict: None until it was judged. failed: runs that came
    to no result.
    """

    id: str
    number: int
    share: float
    baseline: str
    candidate: str
    metric: str
    begun: str
    verdict: Verdict | None = None
    pairs: int = 0
    gain: float | None = None
    proved: float | None = None
    failed: tuple[str, ...] = ()
    stated: Stated | None = None

    @property
    def kept(self) -> bool:
        """Whether it was found to be better."""
        return self.verdict == "better"


class Ledger:
    """The proposals of one name in a store. Raises RequestError for a name that no folder should have."""

    def __init__(self, store: Store, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise RequestError(f"--ledger takes a name of letters, digits, '.', '_' and '-', not {shown(name)}")
        self.store, self.name = store, name

    def entries(self) -> list[Entry]:
        """All of them, in the order of their numbers."""
        found = []
        for key, data in self.store.ledger(self.name):
            try:
                found.append(Entry.model_validate(data))
            except ValidationError as error:
                raise RequestError(
                    f"{self.store.url}/{key} isn't as it was written ({explain_validation(error)}): a budget can't be "
                    "kept without it; put it right, or begin another --ledger"
                ) from None
        return found

    def enter(self, proposal: str, baseline: str, candidate: str, metric: str) -> Entry:
        """The entry of a proposal: a new one, unless it was proposed before."""
        while True:
            there = self.entries()
            for entry in there:
                if entry.id == proposal:
                    return entry
            new = Entry(
                id=proposal,
                number=max((entry.number for entry in there), default=0) + 1,
                share=spending.next_share(entry.share for entry in there if not entry.kept),
                baseline=baseline,
                candidate=candidate,
                metric=metric,
                begun=datetime.now(UTC).isoformat(timespec="microseconds"),
            )
            if self.store.add_to_ledger(self.name, new.number, new.model_dump(mode="json")):
                return new

    def save(self, entry: Entry) -> None:
        """Keep how far a proposal is."""
        self.store.write_to_ledger(self.name, entry.number, entry.model_dump(mode="json"))

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "budget": spending.BUDGET,
            "left": self.left,
            "proposals": [{**entry.model_dump(mode="json"), "kept": entry.kept} for entry in self.entries()],
        }

    @property
    def left(self) -> float:
        """What no proposal has of the budget."""
        return spending.BUDGET - sum(entry.share for entry in self.entries() if not entry.kept)
