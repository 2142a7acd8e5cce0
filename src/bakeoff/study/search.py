"""What a derivation is: what was asked, what it began with. Written once, before its first run."""

import itertools
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np

from bakeoff.runs.store import Store
from bakeoff.stats import thompson as search
from bakeoff.stats.outcomes import Bools
from bakeoff.study.spec import Row, Spec, rows_from

SPLIT = "select"  # all that is chosen is chosen here

Objective = Literal["acc1", "acc5"]
OBJECTIVES: tuple[Objective, ...] = ("acc1", "acc5")


@dataclass(frozen=True)
class Search:
    """What was asked; written once, before the first run.

    opening: the factorial that it begins with, with all candidates. budget: in seconds that pass, or in runs. always:
    candidates that stay on. slowest: seconds that one training may take. prior: runs that earlier studies left;
    shorter: such that trained for less, all for the same. least: of the budget, what the opening and the smallest proof
    take. strengths: whether to try those of the recipe's techniques.
    """

    opening: Spec
    objective: Objective
    budget: float
    unit: Literal["seconds", "runs"]
    always: tuple[str, ...]
    slowest: float | None
    prior: tuple[Row, ...]
    least: float
    strengths: bool = False
    shorter: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        """The study's."""
        return self.opening.name

    @property
    def k(self) -> int:
        """Of Acc@k, which is to be high."""
        return 1 if self.objective == "acc1" else self.opening.top_k

    def save(self, store: Store) -> Self:
        """Keep the request, or take the one that is there: what earlier studies left was looked up then."""
        if self.name in store.study_names("search"):
            return self.load(store, self.name)
        store.write_study(self.name, asdict(self), "search")
        return self

    @classmethod
    def load(cls, store: Store, name: str) -> Self:
        """The request behind a derivation. Raises RequestError if there is none of that name."""
        data = store.read_study(name, "search")
        rows = {name: rows_from(data[name]) for name in ("prior", "shorter")}
        return cls(**{**data, **rows, "opening": Spec.from_json(data["opening"]), "always": tuple(data["always"])})

    def made(self, proof: Spec) -> tuple[Row, ...]:
        """The rows that the search of a proved recipe made itself."""
        return proof.search[: len(proof.search) - len(self.prior)]

    @cached_property
    def allowed(self) -> Bools:
        """(P, k) configurations with the techniques that stay on."""
        every = search.configurations(len(self.opening.training))
        on = [self.opening.training.index(name) for name in self.always if name in self.opening.training]
        return every[every[:, on].all(axis=1)]

    @cached_property
    def settings(self) -> Bools:
        """(V, E) settings of the evaluation techniques, with those that stay on."""
        names = self.opening.evaluation
        every = np.array(list(itertools.product((False, True), repeat=len(names))), bool).reshape(-1, len(names))
        return every[every[:, [index for index, name in enumerate(names) if name in self.always]].all(axis=1)]
