"""A command judged against itself, by the rules by which changes to it would be: does it say "no difference"?"""

import hashlib
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from bakeoff.commands.command import Command
from bakeoff.commands.depends import Invocation
from bakeoff.events import Observer, unobserved
from bakeoff.judging.judge import PAIRS, PairJudged, Proposal, RunFailed
from bakeoff.judging.trial import MOST, BaselineFailed, Clock, Name, Pair, Pairs, arrays
from bakeoff.runs.store import Store
from bakeoff.stats import paired, spending
from bakeoff.stats.paired import Standing, Steadiness

_AGAIN = "BAKEOFF_AGAIN"  # variable that makes the second run of a seed another run
_LEAST = 3  # pairs to say anything
FOUND = 7  # exit status where there is a difference


@dataclass(frozen=True)
class SelfTest:
    """What came of it.

    passed: no difference was found, at the error that a first proposal has. steadiness: of the metric as it is.
    seconds: of a run, in the mean. notes: what follows for whoever judges changes to the command.
    """

    command: str
    metric: str
    passed: bool
    standing: Standing
    steadiness: Steadiness
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    @property
    def status(self) -> int:
        """The command's exit status."""
        return 0 if self.passed else FOUND

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        now, steady = self.standing, asdict(self.steadiness)
        return {
            "verdict": "no_difference" if self.passed else "difference",
            "command": self.command,
            "metric": self.metric,
            **{name: getattr(now, name) for name in ("pairs", "gain", "delta")},
            **{end: value if abs(value := getattr(now, end)) < float("inf") else None for end in ("low", "high")},
            "level": 0.95,
            **steady,
            "notes": list(self.notes),
            "made": [
                {"seed": pair.seed, "first": pair.baseline, "second": pair.candidate} for pair in _in_order(self.pairs)
            ],
        }


def self_test(
    command: Command,
    store: Store,
    *,
    delta: float | None = None,
    pairs: int = PAIRS,
    seconds: float | None = None,
    threads: int = 1,
    device: str = "auto",
    observer: Observer = unobserved,
) -> SelfTest:
    """Run a command twice with each of some seeds; see `judge` for what is asked.

    Raises BaselineFailed where it doesn't run.
    """
    again = command.model_copy(update={"env": {**command.env, _AGAIN: "1"}})
    Proposal(command, again)
    sides: dict[Name, Invocation] = {"baseline": Invocation.of(command), "candidate": Invocation.of(again)}
    key = hashlib.sha256(f"self-test {sides['baseline'].digest}".encode()).hexdigest()
    source = Pairs(sides, key, store, threads, device, observer=observer)
    made, clock, share = list[Pair](), Clock(seconds), spending.next_share(())
    look = partial(paired.standing, alpha=share, delta=delta)
    while len(made) < min(pairs, MOST) and not (clock.over and len(made) >= _LEAST):
        values: dict[Name, float | None] = {}
        for name, _, value, why in source.make(len(made)):
            values[name] = value
            if value is None:
                observer(RunFailed(name, source.seed(len(made)), why))
                raise BaselineFailed(f"a run of the command came to no result: {why}")
        made.append(source.pair(len(made), values))
        now = look(*arrays(made, command.metric.higher))
        observer(PairJudged(len(made), pairs, now, command.metric))
        if now.verdict in ("better", "no_difference"):
            break
    baseline, candidate, order = arrays(made, command.metric.higher)
    now = look(baseline, candidate, order)
    worse = paired.upper_bound(paired.bets(candidate - baseline, order), share) < 0
    first, second, _ = arrays(_in_order(made), higher=True)
    steady = paired.steadiness(first, second)
    return SelfTest(
        command=sides["baseline"].typed,
        metric=command.metric.called,
        passed=now.verdict != "better" and not worse,
        standing=now,
        steadiness=steady,
        pairs=tuple(made),
        notes=tuple(_notes(steady)),
    )


def _in_order(pairs: list[Pair] | tuple[Pair, ...]) -> list[Pair]:
    """With the run that was made first as the baseline's."""
    return [
        Pair(pair.seed, False, pair.candidate, pair.baseline) if pair.candidate_first else pair for pair in pairs
    ]  # fmt: skip


def _notes(steady: Steadiness) -> list[str]:
    found = []
    if steady.same == 1 and steady.noise == 0:
        found.append("every run came to the same: the program takes no seed from {seed}, or its metric is too coarse")
    elif steady.same == 1:
        found.append("the same seed gives the same number, always")
    elif steady.repeat > 0.9 * steady.noise:
        found.append("the same seed scatters as much as others do: pairing by seed gains nothing, and costs nothing")
    for what, (_, low, high) in (("running second", steady.second), ("a run later", steady.drift)):
        if low > 0 or high < 0:
            found.append(f"{what} matters; judge draws the order of each pair by a coin, so that it favours neither")
    return found
