"""What is wrong with a study's runs, as far as they show it: what a reader must know before any number.

Every check looks at runs that are there and finds something or nothing; a study with nothing wrong has no findings.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from bakeoff.plan import Plan
from bakeoff.runs.record import RunRecord, View
from bakeoff.stats import distributions
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.table import Effect
from bakeoff.study.gather import Gathered
from bakeoff.study.spec import StudySpec

LEARNED = 0.1  # share of a guesser's errors that a model must do away with, or else be twice as often right
_NO_CHANCE = 0.05  # p-value below which a technique is named for runs that failed
_DRIFT = 0.001  # p-value below which a drift is told: nobody who looks at many studies wants to see it by chance
_DRIFT_DF = 4  # without fewer a drift can't be told from seeds
_CARRIED = 0.8  # share of an effect that one class has to make up, to be told
_FEWEST_CLASSES = 3


@dataclass(frozen=True)
class Trained:
    """How far the runs of the baseline or of the recipe got.

    acc1: percent of so many images. passes: over the training images. loss_before, loss_after: mean training loss in
    the middle and in the last third of training; None where it wasn't kept.
    """

    end: Literal["baseline", "recipe"]
    acc1: float
    images: int
    passes: float
    loss_before: float | None
    loss_after: float | None


@dataclass(frozen=True)
class NothingLearned:
    """Runs are right about as often as naming the most common class is, `chance` percent: no verdict follows.

    ends: those of baseline and recipe that were run; `failed` names those that haven't learned.
    """

    check: ClassVar = "nothing_learned"
    chance: float
    failed: tuple[str, ...]
    ends: tuple[Trained, ...]


GoesWith = tuple[str, int, int, int, int]  # a technique: how many of its runs failed, of how many; then without it


@dataclass(frozen=True)
class Diverged:
    """Runs that diverged, tried again or not. techniques: those that go with it."""

    check: ClassVar = "diverged"
    runs: int
    of: int
    techniques: tuple[GoesWith, ...]


@dataclass(frozen=True)
class MissingRuns:
    """Runs that came to no result.

    statuses: how, and how often. seeds: of which one is missing, of so many. techniques: those that crashes go with.
    reason: of crashes, the most frequent one.
    """

    check: ClassVar = "missing_runs"
    runs: int
    of: int
    statuses: dict[str, int]
    seeds: int
    of_seeds: int
    techniques: tuple[GoesWith, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class NoChange:
    """A switch that changed no bit of what `pairs` pairs of runs answered."""

    check: ClassVar = "no_change"
    technique: str
    pairs: int


@dataclass(frozen=True)
class Drift:
    """From the first to the last runs accuracy changed by so many points that the techniques don't explain."""

    check: ClassVar = "drift"
    points: float
    p: float


@dataclass(frozen=True)
class OneClass:
    """An effect that one class makes up: `share` of it, which is more than 1 where others go the other way."""

    check: ClassVar = "one_class"
    technique: str
    name: str
    share: float


@dataclass(frozen=True)
class SeedIgnored:
    """A command whose runs of one configuration are all the same, whatever their seed: `groups` of configurations."""

    check: ClassVar = "seed_ignored"
    groups: int


Finding = NothingLearned | SeedIgnored | Diverged | MissingRuns | NoChange | Drift | OneClass


def as_json(finding: Finding) -> dict[str, Any]:
    """Plain data."""
    return {"check": finding.check, **asdict(finding)}


def health(gathered: Gathered, effects: Sequence[Effect]) -> tuple[Finding, ...]:
    """Everything that is found, the worst first. effects: the table that the study is for."""
    spec = gathered.spec
    done = [
        record if record and record.status == "done" and _whole(spec, record) else None for record in gathered.records
    ]
    found: list[Finding] = []
    for check in (
        None if spec.program else _nothing_learned(spec, done, _chance(gathered)),
        _seed_ignored(spec, done) if spec.program else None,
        _diverged(spec, gathered),
        _missing_runs(spec, gathered.records),
        *_no_change(spec, done),
        _drift(spec, done),
        *_one_class(spec, done, gathered.class_counts, effects),
    ):
        found += [check] if check else []
    return tuple(found)


def _whole(spec: StudySpec, record: RunRecord) -> bool:
    return {setting.view for setting in spec.eval_settings} <= {view.name for view in record.views}


def _views(spec: StudySpec, record: RunRecord) -> list[View]:
    """Its evaluations, in the order of the study's settings."""
    known = {view.name: view for view in record.views}
    return [known[setting.view] for setting in spec.eval_settings]


def _chance(gathered: Gathered) -> float:
    """Percent of the images that naming the most common class gets right."""
    counts = gathered.class_counts
    return 100 * max(counts) / sum(counts) if sum(counts) else 100 / max(1, len(gathered.spec.classes))


def _nothing_learned(spec: StudySpec, records: Sequence[RunRecord | None], chance: float) -> NothingLearned | None:
    ends = [end for which in (False, True) if (end := _trained(spec, records, which))]
    images = sum(end.images for end in ends) / max(1, len(ends))
    of_guessing = 100 * math.sqrt(chance / 100 * (1 - chance / 100) / max(1.0, images))  # its standard error
    least = chance + max(min(chance, LEARNED * (100 - chance)), 3 * of_guessing)
    failed = tuple(end.end for end in ends if end.acc1 < least)
    return NothingLearned(chance, failed, tuple(ends)) if failed else None


def _seed_ignored(spec: StudySpec, records: Sequence[RunRecord | None]) -> SeedIgnored | None:
    found: dict[tuple[bool, ...], list[tuple[int, list[Any]]]] = {}
    for row, record in zip(spec.rows, records, strict=True):
        if record:
            said = [(view.acc, view.hits) for view in _views(spec, record)]
            found.setdefault(row.configuration, []).append((record.seed, said))
    groups = [each for each in found.values() if len({seed for seed, _ in each}) > 1]
    alike = all(said == each[0][1] for each in groups for _, said in each)
    return SeedIgnored(len(groups)) if groups and alike else None


def _trained(spec: StudySpec, records: Sequence[RunRecord | None], on: bool) -> Trained | None:
    """How far the recipe's runs, or the baseline's, got; None where there are none."""
    levels = spec.recipe_levels & on
    wanted = tuple(levels[: len(spec.training)].tolist())
    runs = [r for row, r in zip(spec.rows, records, strict=True) if r and row.configuration == wanted]
    if not runs:
        return None
    views = [view for r in runs for view in r.views if view.name == spec.level_at(levels).view]
    plan = Plan.model_validate(spec.recipe_plan if on else spec.base_plan)
    thirds = [np.array_split(r.losses.loss, 3) for r in runs if len(r.losses) >= 3]
    return Trained(
        end="recipe" if on else "baseline",
        acc1=float(np.mean([view.acc["acc1"] for view in views])),
        images=views[0].n,
        passes=plan.examples_seen / max(1, spec.splits.get("train", 1)),
        loss_before=float(np.mean([third[1].mean() for third in thirds])) if thirds else None,
        loss_after=float(np.mean([third[2].mean() for third in thirds])) if thirds else None,
    )


def _diverged(spec: StudySpec, gathered: Gathered) -> Diverged | None:
    diverged = np.array(gathered.diverged, bool)
    return Diverged(int(diverged.sum()), len(diverged), tuple(_go_with(spec, diverged))) if diverged.any() else None


def _go_with(spec: StudySpec, failed: Bools) -> Iterator[GoesWith]:
    """The techniques with which, or without which, more runs failed than chance does. failed: (N,) of all runs."""
    for technique, on in zip(spec.training, spec.matrix.T, strict=True):
        counts = [int((failed & side).sum()) for side in (on, ~on)]
        sizes = [int(side.sum()) for side in (on, ~on)]
        more = 0 if counts[0] * sizes[1] >= counts[1] * sizes[0] else 1
        if _by_chance(counts[more], sizes[more], int(failed.sum()), len(failed)) < _NO_CHANCE:
            yield technique, counts[0], sizes[0], counts[1], sizes[1]


def _by_chance(marked: int, size: int, total: int, of: int) -> float:
    """Fisher's exact p-value, one-sided: so many or more of `total` marked among `of` fall into a group of `size`."""
    ways = sum(math.comb(size, m) * math.comb(of - size, total - m) for m in range(marked, min(size, total) + 1))
    return ways / math.comb(of, total)


def _missing_runs(spec: StudySpec, records: Sequence[RunRecord | None]) -> MissingRuns | None:
    statuses = [record.status if record else "" for record in records]
    lost = [status in ("diverged", "crashed") for status in statuses]
    if not any(lost):
        return None
    failures = [status for status, gone in zip(statuses, lost, strict=True) if gone]
    reasons = Counter(record.reason for record in records if record and record.status == "crashed")
    return MissingRuns(
        runs=len(failures),
        of=len(records),
        statuses={status: failures.count(status) for status in sorted(set(failures))},
        seeds=len({row.block for row, gone in zip(spec.rows, lost, strict=True) if gone}),
        of_seeds=len({row.block for row in spec.rows}),
        techniques=tuple(_go_with(spec, np.array([status == "crashed" for status in statuses], bool))),
        reason=max(reasons, key=lambda reason: (reasons[reason], reason), default=""),
    )


def _no_change(spec: StudySpec, records: Sequence[RunRecord | None]) -> Iterator[NoChange]:
    """Techniques whose switching changed no answer and no cross-entropy in any pair of runs with one seed.

    Of training techniques there are such pairs where the design switches one alone, and of evaluation techniques in
    every run. Two pairs at least.
    """
    seen: dict[tuple[int, tuple[bool, ...]], list[tuple[dict[str, float], float, dict[str, str]]]] = {}
    for row, record in zip(spec.rows, records, strict=True):
        if record:
            answers = [(view.acc, view.cross_entropy, view.hits) for view in _views(spec, record)]
            seen[row.block, row.configuration] = answers
    equal: dict[str, list[bool]] = {name: [] for name in spec.names}
    for (block, on), answers in seen.items():
        for index, technique in enumerate(spec.training):
            if on[index]:
                off = seen.get((block, (*on[:index], False, *on[index + 1 :])))
                equal[technique] += [off == answers] * (off is not None)
        for index, technique in enumerate(spec.evaluation):
            step = 2 ** (len(spec.evaluation) - 1 - index)
            ons = [at for at in range(len(answers)) if at & step]
            equal[technique].append(all(answers[at] == answers[at - step] for at in ons))
    for technique, pairs in equal.items():
        if len(pairs) > 1 and all(pairs):
            yield NoChange(technique, len(pairs))


def _drift(spec: StudySpec, records: Sequence[RunRecord | None]) -> Drift | None:
    """A trend of what the techniques leave unexplained, from the first to the last runs in the order of their making.

    Seed by seed, since runs of one seed agree, and some designs make them one after the other.
    """
    there = [(row, r) for row, r in zip(spec.rows, records, strict=True) if r and r.started]
    blocks = sorted({row.block for row, _ in there})
    if len(blocks) < _DRIFT_DF + 2:
        return None
    levels = np.array([row.configuration for row, _ in there], bool).reshape(len(there), -1)
    y = np.array([np.mean([view.acc[spec.measures[0]] for view in _views(spec, r)]) for _, r in there])
    x = np.column_stack([np.ones(len(there)), levels])
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    order = np.argsort(np.argsort([r.started for _, r in there], kind="stable"), kind="stable") / (len(there) - 1)
    at = np.array([blocks.index(row.block) for row, _ in there])
    size = np.bincount(at)
    time, value = np.bincount(at, order) / size, np.bincount(at, rest) / size
    time -= time.mean()
    spread = float(time @ time)
    if not spread:
        return None
    slope = float(time @ value) / spread
    df = len(blocks) - 2
    error = math.sqrt(float(np.square(value - value.mean() - slope * time).sum()) / df / spread)
    if not error:
        return None
    p = 2 * distributions.t_sf(abs(slope) / error, df)
    return Drift(slope * float(np.ptp(time)), p) if p < _DRIFT else None


def _one_class(
    spec: StudySpec, records: Sequence[RunRecord | None], counts: Sequence[int], effects: Sequence[Effect]
) -> Iterator[OneClass]:
    """Effects beyond doubt of which one class makes up most; not those of a model of other runs too."""
    rows = [(row, record) for row, record in zip(spec.rows, records, strict=True) if record]
    established = {e.technique: e for e in effects if e.method != "model" and (e.sim_low > 0 or e.sim_high < 0)}
    if not established or len(spec.classes) < _FEWEST_CLASSES:
        return
    shares = np.array(counts or [1] * len(spec.classes)) / max(1, sum(counts) or len(spec.classes))
    acc = np.array([[[one or 0.0 for one in view.per_class] for view in _views(spec, r)] for _, r in rows]) * shares
    levels = np.array([row.configuration for row, _ in rows], bool).reshape(len(rows), -1)
    for technique, parts in zip(spec.names, _parts(spec, levels, acc), strict=True):
        total, effect = float(parts.sum()), established.get(technique)
        if effect and total and effect.sim_low <= total <= effect.sim_high:
            share = parts / total
            largest = int(share.argmax())
            if share[largest] >= _CARRIED:
                yield OneClass(technique, spec.classes[largest], float(share[largest]))


def _parts(spec: StudySpec, levels: Bools, acc: Floats) -> Iterator[Floats]:
    """(C,) what each class adds to each technique's effect, on minus off, given its part (N, V, C) of the accuracy."""
    views = acc.mean(axis=1) if spec.design == "factorial" else acc[:, _recipe_view(spec)]
    x = np.column_stack([np.ones(len(levels)), levels])
    yield from np.linalg.lstsq(x, views, rcond=None)[0][1:]
    settings = acc.reshape(len(acc), *(2,) * len(spec.evaluation), -1)
    for axis in range(len(spec.evaluation)):
        off, on = np.moveaxis(settings, axis + 1, 0)
        yield (on - off).reshape(len(acc), -1, acc.shape[-1]).mean(axis=(0, 1))


def _recipe_view(spec: StudySpec) -> int:
    return spec.eval_settings.index(spec.level_at(spec.recipe_levels))
