"""What a Technique is: an immutable value whose fields are its knobs; it edits a Plan and carries a card."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bakeoff.encoding import Value
from bakeoff.plan import Plan
from bakeoff.task import Task

PRIMARY = ("paper text", "abstract", "author repo")  # kinds of sources; others quote them


@dataclass(frozen=True)
class Paper:
    """A publication: authors, title, year, venue, and its number on arXiv (`arxiv`), if it has one."""

    authors: str
    title: str
    year: int
    venue: str
    arxiv: str | None = None


@dataclass(frozen=True)
class Claim:
    """One published measurement.

    dataset, model, metric: of what. baseline, value: without and with the technique. gain: in points, positive is
    better. None: not known. where: table, figure or section. status: "verified: SOURCE" or "from memory ...".
    by_authors: by the technique's authors or a paper they cite it with; else an independent measurement. note: what a
    reader must know. paper: the one of several papers that reports it. source_kind: "paper text", "author repo",
    "third-party notes", ... incomparable: why the gain isn't that of this technique, added to a plain baseline (a CNN
    trained from scratch); empty where it is.
    """

    dataset: str
    model: str
    metric: str
    baseline: float | None
    value: float | None
    gain: float | None
    where: str
    status: str
    by_authors: bool
    note: str = ""
    paper: str = ""
    source_kind: str = ""
    incomparable: str = ""

    @property
    def verified(self) -> bool:
        """Whether the number was read at a source, maybe at second hand."""
        return self.status.startswith("verified: ")

    @property
    def at_source(self) -> bool:
        """Whether it was read where those who measured it publish."""
        return self.verified and self.source_kind in PRIMARY

    @property
    def comparable(self) -> bool:
        """Whether it may stand beside a measured effect: read at its source, and a gain of the same kind."""
        return self.gain is not None and self.at_source and not self.incomparable


@dataclass(frozen=True)
class Card:
    """What a technique does, for people.

    title: what it's called. what, why: what it does, and why that should help. equation: in plain text. scaling: how
    the published value is carried over to another task. interacts: technique -> how. published: id in published.yaml,
    if it differs from the technique's name. papers, claims: of a technique that published.yaml doesn't know, the paper
    to cite first, and what was measured.
    """

    title: str
    what: str
    why: str
    equation: str
    scaling: str
    interacts: dict[str, str] = field(default_factory=dict)
    published: str | None = None
    papers: tuple[Paper, ...] = ()
    claims: tuple[Claim, ...] = ()


class Technique(Value):
    """One training technique. Subclasses are its definition: name, card, knobs, edit.

    `name` is the name in recipes and on the command line, `slots` what `edit` may change, `zero` the knobs at which the
    technique does nothing (None where there are none), and `strengths` a knob with three values worth trying, rising,
    the published one among them (None where there is nothing to try).
    """

    name: ClassVar[str]
    slots: ClassVar[tuple[str, ...]]
    card: ClassVar[Card]
    zero: ClassVar[Mapping[str, Any] | None] = None
    strengths: ClassVar[tuple[str, tuple[float, float, float]] | None] = None

    @classmethod
    def encoded_as(cls) -> str:
        """The name under which the knobs that 0.1 had are looked up."""
        return f"technique {cls.name}"

    @abstractmethod
    def edit(self, base: Plan, task: Task) -> Mapping[str, Any]:
        """New values of slots, or of fields in slots ("loss.label_smoothing"), computed from the task's base plan.

        For a collection (image_ops, mixers, loss.terms), the one item to add.
        """

    def not_applicable_reason(self, base: Plan, task: Task) -> str | None:
        """Why the technique can't be applied to this task and model; None if it can."""
        return None
