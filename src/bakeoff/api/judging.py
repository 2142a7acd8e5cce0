"""Is a change to a training command better? Judge it, with an error that all proposals share."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from bakeoff import reader
from bakeoff.api.asked import shown
from bakeoff.errors import RequestError
from bakeoff.events import Observer, observed, unobserved

if TYPE_CHECKING:
    from bakeoff.commands.command import Command, Metric
    from bakeoff.judging.judge import Judgement
    from bakeoff.judging.ledger import Ledger
    from bakeoff.judging.selftest import SelfTest
    from bakeoff.judging.worktrees import Checkout
    from bakeoff.runs.store import Store


class Judged(TypedDict, total=False):
    """How commands are run, and how well they did.

    metric: KEY of the last JSON on standard output, FILE, FILE:KEY, or an expression with one group for standard
    output; may be left out for `bakeoff train`. lower: less of it is better (None: by its name). delta: a difference
    that isn't worth having, in the metric's units (None: as much as a change of seed makes). pairs, budget: at most;
    "30m". depends: files and folders, beside those that the command names, that its runs depend on. env: variables.
    shell: /bin/sh runs it. limit: of time, of one run. folder: in which it runs (None: here).
    """

    metric: str | None
    lower: bool | None
    delta: float | None
    pairs: int
    budget: str | float | None
    depends: Sequence[str]
    env: Mapping[str, str]
    shell: bool
    limit: str | float | None
    folder: Path | str | None
    device: str
    threads: int | None
    store: "Store | Path | str | None"


@shown
@observed
def judge(
    baseline: str,
    candidate: str,
    *,
    command: str | None = None,
    links: Sequence[str] = (),
    report: str | None = None,
    ledger: str = "default",
    fail_fast: bool = False,
    observer: Observer = unobserved,
    **asked: Unpack[Judged],
) -> "Judgement":
    """Is a candidate better than a baseline, beyond what chance does?

    baseline, candidate: two commands with {seed} and {out} in them; or, with `command`, two commits of this git
    repository in which that is run. links: what isn't in git and both commits need, such as "data". report: a metric
    that judging doesn't look at, by which what is kept is stated, on runs of its own. ledger: whose budget of error it
    draws on: at most 5 % of ledgers ever keep something that is no better. fail_fast: a failed run of the candidate
    ends it. What was begun goes on; no run is made twice.

    Raises BaselineFailed where the baseline doesn't run.
    """
    from bakeoff.judging.judge import Proposal
    from bakeoff.judging.judge import judge as judged
    from bakeoff.runs.store import open_store

    how = _How.of(asked)
    with _commands(baseline, candidate, command, links, how) as (commands, labels, notes):
        metric, stated = how.metrics(commands[0].command, report)
        first, second = (each.model_copy(update={"metric": metric}) for each in commands)
        return judged(
            Proposal(first, second, stated, labels),
            open_store(asked.get("store")),
            ledger=ledger,
            delta=how.delta,
            pairs=how.pairs,
            seconds=how.seconds,
            fail_fast=fail_fast,
            threads=how.threads,
            device=asked.get("device", "auto"),
            notes=notes,
            observer=observer,
        )


@shown
@observed
def self_test(command: str, *, observer: Observer = unobserved, **asked: Unpack[Judged]) -> "SelfTest":
    """Judge a command against itself, by the rules by which changes to it would be. It is to say "no difference".

    Shows how noisy it is from seed to seed, whether the same seed gives the same number, and whether the order of runs
    or the time matters. Spends nothing of a ledger.
    """
    from bakeoff.judging.selftest import self_test as tested
    from bakeoff.runs.store import open_store

    how = _How.of(asked)
    metric, _ = how.metrics(command, None)
    made = how.command(command, how.folder).model_copy(update={"metric": metric})
    return tested(
        made, open_store(asked.get("store")), delta=how.delta, pairs=how.pairs, seconds=how.seconds,
        threads=how.threads, device=asked.get("device", "auto"), observer=observer,
    )  # fmt: skip


def ledger(name: str = "default", *, store: "Store | Path | str | None" = None) -> "Ledger":
    """What was proposed to a ledger, how it ended, and what is left of its error. Raises RequestError for none."""
    from bakeoff.errors import unknown
    from bakeoff.judging.ledger import Ledger
    from bakeoff.runs.store import open_store

    found = Ledger(open_store(store), name)
    if name not in (there := found.store.ledgers()):
        if not there:
            raise RequestError(f"no ledger in {found.store.url}: bakeoff judge begins one")
        raise unknown(f"ledger in {found.store.url}", name, there)
    return found


def skill() -> str:
    """The skill file (SKILL.md) that tells an agent how to plan, judge and report with bakeoff."""
    return (resources.files("bakeoff.teach") / "SKILL.md").read_text("utf-8")


@dataclass(frozen=True)
class _How:
    """What `Judged` says, read."""

    asked: Judged
    delta: float | None
    pairs: int
    seconds: float | None
    limit: float | None
    threads: int
    folder: Path

    @classmethod
    def of(cls, asked: Judged) -> "_How":
        from bakeoff.judging.judge import PAIRS
        from bakeoff.judging.trial import MOST

        delta, threads = asked.get("delta"), asked.get("threads")
        return cls(
            asked=asked,
            delta=None if delta is None else reader.number(delta, "--delta", 1e12),
            pairs=reader.whole(asked.get("pairs", PAIRS), "--pairs", 1, MOST),
            seconds=_seconds(asked.get("budget")),
            limit=_seconds(asked.get("limit")),
            threads=_threads() if threads is None else reader.whole(threads, "--threads", 1, reader.MOST_PROCESSES),
            folder=reader.path(asked.get("folder") or Path.cwd(), "folder").absolute(),
        )

    def command(self, text: str, folder: Path | str, env: Mapping[str, str] | None = None) -> "Command":
        """The command as a value, but for its metric. Raises RequestError."""
        from pydantic import ValidationError

        from bakeoff.commands.command import Command, Metric
        from bakeoff.errors import explain_validation

        limit = {} if self.limit is None else {"time": self.limit}
        try:
            return Command(
                command=text,
                folder=str(folder),
                metric=Metric(key="metric"),  # until it is known
                depends=tuple(self.asked.get("depends", ())),
                env={**self.asked.get("env", {}), **(env or {})},
                shell=self.asked.get("shell", False),
                **limit,
            )
        except ValidationError as error:
            raise RequestError(f"the command '{text}': {explain_validation(error)}") from None

    def metrics(self, command: str, report: str | None) -> "tuple[Metric, Metric | None]":
        """To judge by, and to state what is kept. Raises RequestError where neither is known."""
        from bakeoff.judging import own

        given = self.asked.get("metric")
        if given is None:
            ours = own.metrics(command)
            if ours is None:
                raise RequestError(
                    "where does the command say how good it is? --metric KEY (of the last JSON that it prints), "
                    "FILE:KEY such as '{out}/metrics.json:acc1', or an expression such as 'acc1=([0-9.]+)'"
                )
            return ours[0], ours[1] if report is None else self._metric(report)
        return self._metric(given), None if report is None else self._metric(report)

    def _metric(self, text: str) -> "Metric":
        from bakeoff.commands.command import Metric
        from bakeoff.observed.roles import smaller_is_better

        found, lower = Metric.written(text), self.asked.get("lower")
        smaller = smaller_is_better(found.called) if lower is None else lower
        return found.model_copy(update={"higher": not smaller})


@contextmanager
def _commands(
    baseline: str, candidate: str, command: str | None, links: Sequence[str], how: _How
) -> Iterator[tuple[list["Command"], tuple[str, str], list[str]]]:
    """The two commands, what they are called, and what one must know about them."""
    if command is None:
        if links:
            raise RequestError("--link is for commits: it goes with --command")
        yield [how.command(text, how.folder) for text in (baseline, candidate)], ("", ""), []
        return
    from bakeoff.judging.worktrees import Repository

    repository = Repository.of(how.folder)
    notes = _uncommitted(repository.uncommitted())
    with repository.side_by_side([baseline, candidate], links) as places:
        _differ(places)
        first, second = (f"{place.revision} ({place.commit[:10]}): " for place in places)
        yield [how.command(command, place.folder, place.env) for place in places], (first, second), notes


def _differ(places: "Sequence[Checkout]") -> None:
    if places[0].tree == places[1].tree:
        raise RequestError(
            f"{places[0].revision} and {places[1].revision} hold the same files: there is nothing to judge; "
            "--self-test judges a command against itself"
        )


def _uncommitted(files: Sequence[str]) -> list[str]:
    if not files:
        return []
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return [f"not judged, since it isn't committed: {', '.join(files[:3])}{more}"]


def _threads() -> int:
    """As the environment has it, else all cores: one run at a time has the machine."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() and 0 < int(given) <= reader.MOST_PROCESSES else os.cpu_count() or 1


def _seconds(given: str | float | None) -> float | None:
    if given is None:
        return None

    return reader.duration(given) if isinstance(given, str) else reader.number(given, "a time", 1e9)
