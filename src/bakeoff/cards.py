"""Technique cards: what a technique does, why, who published it, and what was claimed for it, with provenance.

The prose stands in the technique's own file; the published numbers stand in techniques/published.yaml, each with the
place where it was read, or the plain statement that it was recalled and not read.
"""

from dataclasses import dataclass, field



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
    by_authors: bool  # by the technique's own authors; else an independent measurement
    note: str = ""

    @property
    def verified(self) -> bool:
        """Whether the number was read at a source."""
        return self.status.startswith("verified")


@dataclass(frozen=True)
class Increment:
    """The step of the post's stacked table at which a technique was added (ResNet50, ImageNet, best of 3 runs)."""

    acc1: float  # gain in points
    acc5: float
    acc1_after: float
    acc5_after: float


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
