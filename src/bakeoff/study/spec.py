"""What a study is: its design, what stands for each level, and which runs of the store answer it.

A study is written once, before its first run, and holds no results: what the store lacks is what is left to do.
"""

from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter

from bakeoff.commands.command import Command, Metric, Text
from bakeoff.errors import RequestError, unknown
from bakeoff.plan import Plan
from bakeoff.runs.record import EvalSetting, Reading
from bakeoff.runs.store import Store
from bakeoff.stats.outcomes import Bools
from bakeoff.stats.power import Kind

SPLIT = "report"  # what effects are stated on; a study chooses nothing, so it may open it


@dataclass(frozen=True)
class DesignPoint:
    """One run of the design.

    configuration: which training techniques are on. block: seeds that belong together share it. seeds, runs: of the
    first try and of the second, which is made when the first diverged or crashed.
    """

    configuration: Annotated[tuple[bool, ...], Field(alias="levels")]
    block: int
    seeds: tuple[int, int]
    runs: tuple[str, str]


@dataclass(frozen=True)
class SweptKnob:
    """A strength that was tried at three values. usual: the published one, -1, 0 or 1; chosen: that which was taken."""

    technique: str
    knob: str
    values: tuple[float, float, float]
    usual: int
    chosen: int


@dataclass(frozen=True)
class SweepPoint:
    """A run of a derived recipe at other strengths: one of -1, 0, 1 for each knob."""

    coded: tuple[int, ...]
    row: DesignPoint


@dataclass(frozen=True)
class Program:
    """A command whose runs a study is made of.

    texts: factor -> its texts, off and on. files: what its runs depend on, with the hash of each.
    """

    command: Command
    texts: dict[str, tuple[Text, Text]]
    files: dict[str, str]

    @property
    def metric(self) -> Metric:
        """What its runs say of themselves."""
        return self.command.metric

    @property
    def accuracy(self) -> bool:
        """Whether effects are points of an accuracy, which has errors."""
        return self.metric.accuracy and self.metric.higher

    @property
    def unit(self) -> str:
        """Of effects."""
        return "points" if self.metric.accuracy else self.metric.unit or self.metric.called


@dataclass(frozen=True)
class StudySpec:
    """A study. Stored under the names that 0.1 gave its fields, the aliases.

    training, evaluation: techniques whose effect takes runs of its own, and those whose levels are both read from every
    run. not_applicable: techniques that the task rules out, and why. order: of the ladder. eval_settings: the 2^E of
    the evaluation techniques, off before on, the last one running fastest. command: what to type to get it again.
    arrangement: why so many jobs and threads. first_stage: the study whose noise said how large this one is to be.
    looks: of a study that ends as soon as it is settled, after how many seeds it may, the last one in any case; its
    rows are then those that there are at most (`study.sequential`). program: the command whose runs these are, where
    they aren't our own trainer's; of plans, data and classes nothing is known then. tolerance: the expected loss, in
    points, at which a technique is settled; None for what the recipe's errors make of that (`worth_having`).

    Of a recipe that was derived: reference, its levels, (k + E,); search, the runs that led to it, which say nothing
    of it but through the model; published_baseline, runs of the recipe as published, if that is another one, and
    published_view, the evaluation that it asks for; report_split_reuse, how many recipes were proved on the same data
    before; ended, why the search did; knobs and sweep_points, the strengths that were tried, and the runs for that.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # what a later version wrote isn't read by halves

    name: str
    task: str
    design: Kind
    design_seed: int
    recipe: list[dict[str, Any]]
    training: tuple[str, ...]
    evaluation: tuple[str, ...]
    not_applicable: dict[str, str]
    order: tuple[str, ...]
    rows: tuple[DesignPoint, ...]
    eval_settings: Annotated[tuple[EvalSetting | Reading, ...], Field(alias="levels")]
    base_plan: dict[str, Any]
    recipe_plan: dict[str, Any]
    data_fingerprint: str
    classes: tuple[str, ...]
    splits: dict[str, int]
    device: str
    jobs: int
    threads: int
    command: str
    versions: dict[str, str]
    created: str
    reference: tuple[bool, ...] = ()
    search: tuple[DesignPoint, ...] = ()
    published_baseline: Annotated[tuple[DesignPoint, ...], Field(alias="rival")] = ()
    published_view: Annotated[str, Field(alias="rival_view")] = ""
    report_split_reuse: Annotated[int, Field(alias="touched")] = 0
    ended: str = ""
    knobs: tuple[SweptKnob, ...] = ()
    sweep_points: Annotated[tuple[SweepPoint, ...], Field(alias="doses")] = ()
    arrangement: str = ""
    first_stage: str = ""
    looks: tuple[int, ...] = ()
    tolerance: float | None = None
    program: Program | None = None

    @property
    def measures(self) -> tuple[str, str]:
        """What effects are of, by the name that a run has for it, and what is told beside."""
        name = self.program.metric.called if self.program else ""
        return (name, name) if name else ("acc1", f"acc{self.top_k}")

    @property
    def percent(self) -> bool:
        """Whether what effects are of is an accuracy in percent."""
        return self.program is None or self.program.accuracy

    @property
    def sign(self) -> int:
        """What makes more be better."""
        return 1 if self.program is None or self.program.metric.higher else -1

    @property
    def tuned(self) -> bool:
        """Whether a strength of the recipe isn't the published one."""
        return any(knob.chosen != knob.usual for knob in self.knobs)

    @property
    def recipe_levels(self) -> Bools:
        """(k + E,) levels of the recipe: all on, but for one that was derived."""
        return np.array(self.reference, bool) if self.reference else np.ones(len(self.names), bool)

    @property
    def names(self) -> tuple[str, ...]:
        """Training techniques, then evaluation techniques."""
        return self.training + self.evaluation

    @cached_property
    def matrix(self) -> Bools:
        """(N, k) which training techniques each row has on."""
        return np.array([row.configuration for row in self.rows], bool).reshape(len(self.rows), len(self.training))

    def level_at(self, levels: Bools) -> EvalSetting | Reading:
        """How the configuration `levels` (k + E,) is evaluated."""
        return self.eval_settings[int("0" + "".join(str(int(on)) for on in levels[len(self.training) :]), 2)]

    def save(self, store: Store) -> "StudySpec":
        """Keep the study, and return what is kept: one that is there already stays as it is."""
        if self.name in store.study_names():
            return self.load(store, self.name)
        store.write_study(self.name, _STORED.dump_python(self, mode="json", by_alias=True))
        return self

    @classmethod
    def load(cls, store: Store, prefix: str) -> "StudySpec":
        """The study whose name starts with `prefix`. Raises RequestError if there is none or more than one."""
        names = store.study_names()
        found = [prefix] if prefix in names else [name for name in names if name.startswith(prefix)]
        if len(found) > 1:
            which = f"study '{prefix}' is ambiguous" if prefix else "there is more than one study"
            raise RequestError(f"{which} in {store.url}: {', '.join(found)}")
        if not found:
            if not names:
                raise RequestError(f"no studies in {store.url}; start with: bakeoff ablate --task digits")
            raise unknown(f"study in {store.url}", prefix, names)
        try:
            spec = _STORED.validate_python(store.read_study(found[0]))
            for plan in () if spec.program else (spec.base_plan, spec.recipe_plan):
                Plan.model_validate(plan)
        except (KeyError, TypeError, ValueError) as error:
            raise RequestError(
                f"study {found[0]} in {store.url} was written by a version of bakeoff whose form this one doesn't "
                f"read ({str(error).splitlines()[0]}): read it with that version, or choose another store (--store)"
            ) from None
        return spec

    @classmethod
    def readable(cls, store: Store, but: Container[str | None]) -> Iterator["StudySpec"]:
        """The other studies of a store; one that can't be read is in the way of none: `store check` names it."""
        for name in store.study_names():
            if name not in but:
                with suppress(RequestError):
                    yield cls.load(store, name)

    @property
    def top_k(self) -> int:
        """The K of Acc@K beside Acc@1: 5, or the number of classes if that is less; of a command 1."""
        return min(5, len(self.classes)) or 1


_STORED = TypeAdapter(StudySpec)
