"""What the store says about a study, read once: all that is made of it afterwards reads no file."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.runs.record import RunRecord
from bakeoff.runs.store import Store
from bakeoff.stats.outcomes import Hits, Runs
from bakeoff.study import search
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import SPLIT, DesignPoint, StudySpec

Records = list[RunRecord | None]


@dataclass(frozen=True, eq=False)
class Gathered:
    """A study and the records of its runs, with their evaluations on the report split.

    records: what stands for each row. searched: the same for the runs that led to a derived recipe. published_baseline:
    of the recipe as published. grown_from: earlier studies whose runs are some of these. first_stage: how many of the
    rows, the first ones, said how many there were to be; 0 where none did. derived: of a derivation, what the select
    split says. diverged: of each row, whether a try of it did. class_counts: images of each class that effects are
    stated on; none where that isn't known.
    """

    spec: StudySpec
    records: Records
    searched: Records
    published_baseline: Records
    grown_from: tuple[str, ...]
    first_stage: int
    derived: "Derived | None"
    diverged: tuple[bool, ...]
    class_counts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Derived:
    """What the store says about how a recipe was derived, on the select split.

    search: the runs of the search. proof, swept: what stands for the rows of the proof, and for the runs at other
    strengths.
    """

    asked: SearchSpec
    search: "Searched"
    proof: Records
    swept: Records


@dataclass(frozen=True, eq=False)
class Searched:
    """The runs of a search so far, all of which have come to an end, on the select split.

    rows: the search's own, in the order in which they were made. records: what stands for each of them, then for the
    runs that earlier studies left, then for shorter ones.
    """

    rows: tuple[DesignPoint, ...]
    records: Records


def gather(store: Store, spec: StudySpec) -> Gathered:
    """Read everything that is known about a study."""
    with _collector_paused():
        records = read(store, spec, spec.rows)
        return Gathered(
            spec=spec,
            records=records,
            searched=read(store, spec, spec.search),
            published_baseline=[store.read(row.runs[0], [spec.published_view]) for row in spec.published_baseline],
            grown_from=_grown_from(store, spec),
            first_stage=len(StudySpec.load(store, spec.first_stage).rows) if spec.first_stage else 0,
            derived=_derived(store, spec) if spec.design == "proof" else None,
            diverged=tuple(_diverged(store, row, record) for row, record in zip(spec.rows, records, strict=True)),
            class_counts=store.class_counts(spec.data_fingerprint, SPLIT),
        )


def searched(store: Store, asked: SearchSpec, rows: Sequence[DesignPoint]) -> Searched:
    """Read the runs that a search has made so far, `rows`, and those that it began with."""
    return Searched(
        tuple(rows), read(store, asked.initial, (*rows, *asked.warm_start, *asked.low_fidelity), search.SPLIT)
    )


def read(store: Store, spec: StudySpec, rows: Sequence[DesignPoint], split: str = SPLIT) -> Records:
    """What stands for each row, with its evaluations of the study's levels on a split."""
    views = [level.view_of(split) for level in spec.eval_settings]
    return [read_row(store, row, views) for row in rows]


def read_row(store: Store, row: DesignPoint, views: Sequence[str]) -> RunRecord | None:
    """What stands for a row: its first try, or its second if the first failed; None if neither was begun."""
    first = store.read(row.runs[0], views)
    if first and first.status == "done":
        return first
    second = store.read(row.runs[1], views)
    return second if second and second.ended else first


def _diverged(store: Store, row: DesignPoint, record: RunRecord | None) -> bool:
    """Whether a try of a row diverged; record: what stands for it."""
    if record is None or record.run_id == row.runs[0]:
        return record is not None and record.status == "diverged"
    first = store.read(row.runs[0], ())
    return record.status == "diverged" or (first is not None and first.status == "diverged")


def outcomes(
    spec: StudySpec, rows: Sequence[DesignPoint], records: Sequence[RunRecord | None], k: int = 1, split: str = SPLIT
) -> Runs:
    """The results so far at Acc@k, given the record behind every row; what a command says, so that more is better.

    Raises BakeoffError where commands say right or wrong of different numbers of images.
    """
    measure = spec.measures[0] if spec.program else f"acc{k}"
    names = [level.view_of(split) for level in spec.eval_settings]
    acc = np.full((len(records), len(names)), np.nan)
    packed, images = np.zeros((len(records), len(names), 0), np.uint8), 0
    for index, record in enumerate(records):
        if record and record.status == "done":
            known = {view.name: view for view in record.views}
            there = [known[name] for name in names if name in known]
            if len(there) == len(names):
                acc[index] = [spec.sign * view.acc[measure] for view in there]
                if spec.program and not spec.program.command.examples:
                    continue
                if not images:
                    images = there[0].n
                    packed = np.zeros((len(records), len(names), -(-images // 8)), np.uint8)
                if any(view.n != images for view in there):
                    raise BakeoffError(
                        f"run {record.run_id} says right or wrong of {there[0].n} examples, others of {images}: they "
                        "can't be paired; leave examples out of the study's file, or make them the same"
                    )
                packed[index] = [view.packed_hits(k) for view in there]
    levels = np.array([row.configuration for row in rows], bool).reshape(len(rows), len(spec.training))
    shape = (len(records), *(2,) * len(spec.evaluation))
    hits = Hits(packed, images) if images or not spec.program else None
    return Runs.collect(levels, acc.reshape(shape), [row.block for row in rows], hits)


def _grown_from(store: Store, spec: StudySpec) -> tuple[str, ...]:
    """Earlier studies in the store whose runs are some of these; the first stage was planned, and isn't one."""
    runs = {row.runs for row in spec.rows}
    others = StudySpec.readable(store, {spec.name, spec.first_stage})
    return tuple(
        other.name for other in others if other.created < spec.created and {row.runs for row in other.rows} < runs
    )


def _derived(store: Store, proof: StudySpec) -> Derived:
    asked = SearchSpec.load(store, proof.name)
    return Derived(
        asked=asked,
        search=searched(store, asked, asked.made(proof)),
        proof=read(store, proof, proof.rows, search.SPLIT),
        swept=read(store, proof, [point.row for point in proof.sweep_points], search.SPLIT),
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Leave the garbage collector off: it looks at a million objects that all stay, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def reuse_of_report_split(store: Store, asked: SearchSpec) -> int:
    """How many other recipes were proved on the same data: each looked at the report split."""
    others = StudySpec.readable(store, {asked.name})
    return sum(spec.design == "proof" and spec.data_fingerprint == asked.initial.data_fingerprint for spec in others)
