"""What a Technique is: an immutable value whose fields are its knobs; it edits a Plan and carries a card."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bakeoff.encoding import Value
from bakeoff.plan import Plan
from bakeoff.task import Task


@dataclass(frozen=True)
class Paper:
    """A publication."""

    authors: str
    title: str
    year: int
    venue: str
    arxiv: str | None = None


@dataclass(frozen=True)
class Claim:
    """One published measurement. Gains are in points, positive is better; None: not known."""

    dataset: str
    model: str
    metric: str
    baseline: float | None
    value: float | None  # with the technique
    gain: float | None
    where: str  # table, figure or section
    status: str  # "verified: SOURCE" or "from memory ..."
    by_authors: bool  # by the technique's authors or a paper they cite it with; else an independent measurement
    note: str = ""
    paper: str = ""  # the one of several papers that reports it
    source_kind: str = ""  # "paper text", "author repo", "third-party notes", ...

    @property
    def verified(self) -> bool:
        """Whether the number was read at a source."""
        return self.status.startswith("verified: ")


@dataclass(frozen=True)
class Card:
    """What a technique does. `scaling` says how the post's value is carried over to another task."""

    title: str
    what: str
    why: str
    equation: str  # plain text
    scaling: str
    interacts: dict[str, str] = field(default_factory=dict)  # technique -> how
    published: str | None = None  # id in published.yaml, if it differs from the technique's name
    papers: tuple[Paper, ...] = ()  # those of a technique that published.yaml doesn't know, the one to cite first
    claims: tuple[Claim, ...] = ()  # and what they measured


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
