"""A study while it is made: what the store says of it now. Nothing is written, and what has ended is read once."""

from dataclasses import dataclass
from typing import Any

from bakeoff.runs.lease import Leases
from bakeoff.runs.record import RunRecord
from bakeoff.runs.store import Store
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import so_far
from bakeoff.study.gather import Records, read_row
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import StudySpec


@dataclass(frozen=True)
class Standing:
    """Where a study stands.

    spec: the study, or what a derivation begins with where searching: what follows isn't decided yet. done, failed,
    begun, left: runs; failed ones have had their second try or wait for it, of the begun ones `running` are being made
    now, and the others were stopped. seconds: of training so far; seconds_left: that the rest takes, about, on as many
    processes; None where no run is done. effects: in intervals that hold however often one looks. latest: runs that
    ended last, the last one first. failures: what went wrong.
    """

    spec: StudySpec
    searching: bool
    done: int
    failed: int
    begun: int
    running: int
    left: int
    seconds: float
    seconds_left: float | None
    effects: tuple[Effect, ...]
    latest: tuple[RunRecord, ...]
    failures: tuple[RunRecord, ...]

    @property
    def complete(self) -> bool:
        """Whether all of its runs are done, or have failed twice."""
        return not self.left and not self.begun and not self.searching

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        names = ("searching", "done", "failed", "begun", "running", "left", "seconds", "seconds_left", "complete")
        return {
            "study": self.spec.name,
            **{name: getattr(self, name) for name in names},
            "effects": [effect.as_json() for effect in self.effects],
            "failures": [{"run": r.run_id, "status": r.status, "reason": r.reason} for r in self.failures],
        }


class Watched:
    """A study, or a derivation, that is looked at again and again. Raises RequestError where there is none."""

    def __init__(self, store: Store, name: str = "") -> None:
        self._store, self._searches, self._leases = store, "", Leases(store.storage)
        names, searches = store.study_names(), store.study_names("search")
        matching = [each for each in searches if each.startswith(name)]
        if len(matching) == 1 and not [each for each in names if each.startswith(name)]:
            self._searches = matching[0]
            self._spec = SearchSpec.load(store, self._searches).initial
        else:
            self._spec = StudySpec.load(store, name)
        self._records: Records = [None] * len(self._spec.rows)

    def look(self) -> Standing:
        """Where it stands now."""
        if self._searches and self._searches in self._store.study_names():
            self._spec, self._searches = StudySpec.load(self._store, self._searches), ""  # the recipe's proof began
            self._records = [None] * len(self._spec.rows)
        spec = self._spec
        views = [setting.view for setting in spec.eval_settings]
        for index, row in enumerate(spec.rows):
            known = self._records[index]
            if known is None or not (known.status == "done" or (known.ended and known.run_id == row.runs[1])):
                self._records[index] = read_row(self._store, row, views)
        found = [record for record in self._records if record]
        done = [record for record in found if record.status == "done"]
        failed = [record for record in found if record.status in ("diverged", "crashed")]
        begun = [record for record in found if record.status not in ("done", "diverged", "crashed")]
        waiting = len(spec.rows) - len(done) - len(failed)
        mean = sum(record.seconds for record in done) / len(done) if done else None
        ended = sorted((record for record in found if record.finished), key=lambda record: record.finished)
        return Standing(
            spec=spec,
            searching=bool(self._searches),
            done=len(done),
            failed=len(failed),
            begun=len(begun),
            running=sum(self._leases.held(record.run_id) for record in begun),
            left=waiting - len(begun),
            seconds=sum(record.seconds for record in found),
            seconds_left=None if mean is None else mean * waiting / max(1, spec.jobs),
            effects=() if self._searches else tuple(so_far(spec, self._records)),
            latest=tuple(ended[:-6:-1]),
            failures=tuple(failed),
        )
