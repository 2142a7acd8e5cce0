"""Judge a candidate against a baseline: pairs of runs until it is settled, or until the budget ends."""

import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bakeoff.commands.command import SEED, Command, Metric
from bakeoff.commands.depends import Invocation
from bakeoff.commands.run import program
from bakeoff.errors import RequestError
from bakeoff.events import Event, Observer, unobserved
from bakeoff.judging.ledger import Entry, Ledger, Stated, Verdict
from bakeoff.judging.trial import MOST, NAMES, BaselineFailed, Clock, Name, Pair, Pairs, arrays
from bakeoff.runs.store import Store
from bakeoff.stats import paired
from bakeoff.stats.paired import Standing

PAIRS, STATED = 30, 6  # at most, to judge; that state what was kept
_FAILURES = 3  # of a command, and more than pairs that are whole: then it doesn't run
STATUS: dict[Verdict, int] = {"better": 0, "no_difference": 3, "worse": 4, "undecided": 5, "failed": 6}


@dataclass(frozen=True)
class PairJudged(Event):
    """A pair was made, and how they stand."""

    made: int
    most: int
    standing: Standing
    metric: Metric


@dataclass(frozen=True)
class RunFailed(Event):
    """A run of a pair came to no result."""

    side: Name
    seed: int
    why: str


@dataclass(frozen=True)
class Proposal:
    """What is judged: two commands with one metric.

    report: a metric that judging doesn't look at; what is kept is stated by it, on runs of its own (None: it isn't).
    labels: what to call the two before their commands, as commits are.
    """

    baseline: Command
    candidate: Command
    report: Metric | None = None
    labels: tuple[str, str] = ("", "")

    def __post_init__(self) -> None:
        for command in (self.baseline, self.candidate):
            program(command.expand(), command.folder, {**os.environ, **command.env})

    @property
    def metric(self) -> Metric:
        """By which they are judged."""
        return self.baseline.metric

    def sides(self, metric: Metric | None = None) -> dict[Name, Invocation]:
        """The commands with what they depend on."""
        of = {} if metric is None else {"metric": metric}
        return {
            "baseline": Invocation.of(self.baseline.model_copy(update=of)),
            "candidate": Invocation.of(self.candidate.model_copy(update=of)),
        }


@dataclass(frozen=True)
class Judgement:
    """What came of it.

    more: about so many pairs more until it is settled (None: nobody can tell). entry: of the ledger. left: of its
    budget. failures: runs that came to no result, of the baseline and of the candidate. notes: what one must know.
    """

    proposal: Proposal
    verdict: Verdict
    standing: Standing
    pairs: tuple[Pair, ...]
    more: int | None
    entry: Entry
    ledger: str
    left: float
    failures: tuple[int, int]
    notes: tuple[str, ...] = field(default=())

    @property
    def kept(self) -> bool:
        """Whether the candidate is better."""
        return self.verdict == "better"

    @property
    def status(self) -> int:
        """The command's exit status: see `STATUS`."""
        return STATUS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """Plain data; None for what isn't known."""
        metric, now = self.proposal.metric, self.standing
        return {
            "verdict": self.verdict,
            "metric": {"name": metric.called, "higher": metric.higher, "unit": metric.unit},
            **{name: _known(getattr(now, name)) for name in ("gain", "low", "high")},
            "level": 0.95,
            "proved": _known(now.proved),
            "share": self.entry.share,
            "delta": _known(now.delta),
            "pairs": now.pairs,
            "runs": 2 * len(self.pairs),
            "more_runs": None if self.more is None else 2 * self.more,
            "noise": _known(now.noise),
            "correlation": _known(now.correlation),
            "order": _known(now.order),
            "baseline": {"command": self.entry.baseline, "failures": self.failures[0]},
            "candidate": {"command": self.entry.candidate, "failures": self.failures[1]},
            "ledger": {"name": self.ledger, "number": self.entry.number, "left": self.left},
            "stated": self.entry.stated.model_dump() if self.entry.stated else None,
            "notes": list(self.notes),
            "made": [
                {"seed": pair.seed, "first": "candidate" if pair.candidate_first else "baseline",
                 "baseline": pair.baseline, "candidate": pair.candidate}
                for pair in self.pairs
            ],
        }  # fmt: skip


def judge(
    proposal: Proposal,
    store: Store,
    *,
    ledger: str = "default",
    delta: float | None = None,
    pairs: int = PAIRS,
    seconds: float | None = None,
    fail_fast: bool = False,
    threads: int = 1,
    device: str = "auto",
    notes: Sequence[str] = (),
    observer: Observer = unobserved,
) -> Judgement:
    """Is the candidate better? Runs that were made already aren't made again, so that it goes on where it stopped.

    ledger: whose budget of error it draws on. delta: a difference that isn't worth having (None: as much as a change of
    seed makes). pairs, seconds: at most. fail_fast: a failed run of the candidate ends it. Raises BaselineFailed where
    the baseline doesn't run.
    """
    _check_seed(proposal)
    sides, book = proposal.sides(), Ledger(store, ledger)
    if sides["baseline"].digest == sides["candidate"].digest:
        raise RequestError(
            "baseline and candidate are the same command with the same files: there is nothing to judge; "
            "--self-test judges a command against itself"
        )
    before, after = (f"{label}{side.typed}" for label, side in zip(proposal.labels, sides.values(), strict=True))
    entry = book.enter(_id(sides), before, after, proposal.metric.place)
    failed = set(() if entry.verdict == "failed" else entry.failed)
    source = Pairs(sides, f"{ledger} {entry.number} {entry.id}", store, threads, device, failed.__contains__, observer)
    made: list[Pair] = []
    failures: dict[Name, int] = {"baseline": 0, "candidate": 0}
    clock = Clock(seconds)
    look = partial(_standing, proposal.metric.higher, entry.share, delta)
    now = look(made)
    verdict: Verdict | None = None
    while verdict is None and len(made) < min(pairs, MOST) and not clock.over:
        values: dict[Name, float | None] = {}
        for name, run, value, why in source.make(len(made)):
            values[name] = value
            if value is None:
                failures[name] += 1
                failed.add(run)
                entry = entry.model_copy(update={"failed": tuple(sorted(failed))})
                book.save(entry)
                observer(RunFailed(name, source.seed(len(made)), why))
                _check_baseline(failures, now.pairs, why)
                if fail_fast and name == "candidate":
                    verdict = "failed"
                    break
        made.append(source.pair(len(made), values))
        now = look(made)
        _check_chance(made, now)
        observer(PairJudged(len(made), pairs, now, proposal.metric))
        if now.verdict != "undecided":
            verdict = now.verdict
        elif failures["candidate"] >= _FAILURES and failures["candidate"] > now.pairs:
            verdict = "failed"
    ended: Verdict = verdict or "undecided"
    if ended == "better" and failures["candidate"] > failures["baseline"]:
        ended = "failed"
    more = None
    if ended == "undecided":
        more = paired.more_pairs(*arrays(made, proposal.metric.higher), alpha=entry.share, delta=delta)
    entry = entry.model_copy(
        update={"verdict": ended, "pairs": now.pairs, "gain": _known(now.gain), "proved": _known(now.proved)}
    )
    book.save(entry)
    if ended == "better" and proposal.report and entry.stated is None:
        entry = entry.model_copy(update={"stated": _state(proposal, source)})
        book.save(entry)
    return Judgement(
        proposal=proposal, verdict=ended, standing=now, pairs=tuple(made), more=more, entry=entry, ledger=ledger,
        left=book.left, failures=(failures["baseline"], failures["candidate"]),
        notes=(*notes, *_noticed(now, proposal, ended)),
    )  # fmt: skip


def _standing(higher: bool, share: float, delta: float | None, made: list[Pair]) -> Standing:
    return paired.standing(*arrays(made, higher), alpha=share, delta=delta)


def _check_seed(proposal: Proposal) -> None:
    for command in (proposal.baseline, proposal.candidate):
        if SEED not in command.holes:
            raise RequestError(
                f"'{command.command}' names no {{seed}}: all of its runs may have one seed, whose luck isn't a gain; "
                "put {seed} where the program takes it, or, where it reads $BAKEOFF_SEED, "
                f"'env BAKEOFF_SEED={{seed}} {command.command}'"
            )


def _check_baseline(failures: dict[Name, int], whole: int, why: str) -> None:
    if failures["baseline"] >= _FAILURES - (whole == 0) and failures["baseline"] > whole:
        raise BaselineFailed(f"the baseline doesn't run, so that there is nothing to judge against: {why}")


def _check_chance(made: list[Pair], now: Standing) -> None:
    """Raise where a verdict would rest on one run again and again: it says nothing about other seeds."""
    if now.verdict in ("better", "worse"):
        for name in NAMES:
            values = {getattr(pair, name) for pair in made if pair.whole}
            if len(values) == 1:
                raise RequestError(
                    f"every run of the {name} came to {values.pop():g}, whatever its seed: that is one run, and might "
                    "be luck; have the program take its seed from {seed} in the command, or from $BAKEOFF_SEED"
                )


def _state(proposal: Proposal, source: Pairs) -> Stated | None:
    """What was kept, by a metric that nobody looked at, with seeds that had no part in it; None where runs fail."""
    assert proposal.report is not None
    fresh, made = replace(source, sides=proposal.sides(proposal.report)), []
    for index in range(MOST, MOST + STATED):
        made.append(fresh.pair(index, {name: value for name, _, value, _ in fresh.make(index)}))
    baseline, candidate, _ = arrays(made, proposal.report.higher)
    if len(baseline) < 2:
        return None
    gain, low, high = paired.interval(candidate - baseline)
    return Stated(
        metric=proposal.report.key or proposal.report.place, pairs=len(baseline), gain=gain, low=low, high=high
    )


def _noticed(now: Standing, proposal: Proposal, verdict: Verdict) -> list[str]:
    found = []
    if verdict == "better" and proposal.report is None:
        found.append(
            "the gain is of the images that judged it: what is kept after many proposals fits them a little; "
            "--report METRIC states it by others"
        )
    if now.pairs > 2 and now.noise == 0:
        found.append("every run came to the same, whatever its seed: does the program take it from {seed}?")
    if now.order:
        found.append(
            f"running first makes {now.order:+.3g} of {proposal.metric.called} (more is better); it is taken into "
            "account"
        )
    return found


def _id(sides: dict[Name, Invocation]) -> str:
    text = " ".join(side.digest for side in sides.values())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
