"""What a derivation is: what was asked, what it began with. Written once, before its first run."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter

from bakeoff.errors import RequestError
from bakeoff.runs.store import Store
from bakeoff.stats import thompson as search
from bakeoff.stats.outcomes import Bools
from bakeoff.study.spec import DesignPoint, StudySpec

SPLIT = "select"  # all that is chosen is chosen here

Objective = Literal["acc1", "acc5"]
OBJECTIVES: tuple[Objective, ...] = ("acc1", "acc5")


@dataclass(frozen=True)
class SearchSpec:
    """What was asked; written once, before the first run.

    initial: the factorial that it begins with, with all candidates. budget: in seconds that pass, or in runs. always:
    candidates that stay on. slowest: seconds that one training may take. warm_start: runs that earlier studies left;
    low_fidelity: such that trained for less, all for the same. least: of the budget, what the initial design and the
    smallest proof take. strengths: whether to try those of the recipe's techniques.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    initial: Annotated[StudySpec, Field(alias="opening")]
    objective: Objective
    budget: float
    unit: Literal["seconds", "runs"]
    always: tuple[str, ...]
    slowest: float | None
    warm_start: Annotated[tuple[DesignPoint, ...], Field(alias="prior")]
    least: float
    strengths: bool = False
    low_fidelity: Annotated[tuple[DesignPoint, ...], Field(alias="shorter")] = ()

    @property
    def name(self) -> str:
        """The study's."""
        return self.initial.name

    @property
    def k(self) -> int:
        """Of Acc@k, which is to be high."""
        return 1 if self.objective == "acc1" else self.initial.top_k

    def save(self, store: Store) -> "SearchSpec":
        """Keep the request, or take the one that is there: what earlier studies left was looked up then."""
        if self.name in store.study_names("search"):
            return self.load(store, self.name)
        store.write_study(self.name, _STORED.dump_python(self, mode="json", by_alias=True), "search")
        return self

    @classmethod
    def load(cls, store: Store, name: str) -> "SearchSpec":
        """The request behind a derivation. Raises RequestError if there is none of that name."""
        data = store.read_study(name, "search")
        try:
            return _STORED.validate_python(data)
        except ValueError as error:
            raise RequestError(
                f"derivation {name} in {store.url} was written by a version of bakeoff whose form this one doesn't "
                f"read ({str(error).splitlines()[0]}): read it with that version, or choose another store (--store)"
            ) from None

    def made(self, proof: StudySpec) -> tuple[DesignPoint, ...]:
        """The rows that the search of a proved recipe made itself."""
        return proof.search[: len(proof.search) - len(self.warm_start)]

    @cached_property
    def allowed(self) -> Bools:
        """(P, k) configurations with the techniques that stay on."""
        every = search.configurations(len(self.initial.training))
        on = [self.initial.training.index(name) for name in self.always if name in self.initial.training]
        return every[every[:, on].all(axis=1)]

    @cached_property
    def settings(self) -> Bools:
        """(V, E) settings of the evaluation techniques, with those that stay on."""
        names = self.initial.evaluation
        every = np.array(list(itertools.product((False, True), repeat=len(names))), bool).reshape(
            2 ** len(names), len(names)
        )
        return every[every[:, [index for index, name in enumerate(names) if name in self.always]].all(axis=1)]


_STORED = TypeAdapter(SearchSpec)
