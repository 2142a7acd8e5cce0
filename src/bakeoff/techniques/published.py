"""What was published about techniques, with provenance.

The prose of a card stands in the technique's own file; the published numbers stand in techniques/published.yaml, or on
the card of a technique from outside, each with the place where it was read, or the plain statement that it was recalled
and not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from bakeoff import techniques
from bakeoff.technique import Card, Claim, Paper


@dataclass(frozen=True)
class Increment:
    """The step of the post's stacked table at which a technique was added (ResNet50, ImageNet, best of 3 runs)."""

    acc1: float  # gain in points
    acc5: float
    acc1_after: float
    acc5_after: float


@dataclass(frozen=True)
class BlogRow:
    """One row of the post's stacked table. Accuracies in percent, gains in points over the row before."""

    step: str  # as the post prints it
    technique: str | None  # None: the baseline
    acc1: float
    acc5: float
    acc1_gain: float
    acc5_gain: float


@dataclass(frozen=True)
class Finding:
    """What the post tried, didn't adopt, and says about it."""

    topic: str
    tried: str
    finding: str
    status: str


@cache
def published() -> Mapping[str, Any]:
    """techniques/published.yaml, as it stands."""
    data: Mapping[str, Any] = yaml.safe_load((files("bakeoff.techniques") / "published.yaml").read_text("utf-8"))
    return data


def papers(name: str) -> tuple[Paper, ...]:
    """The publications behind a technique, the one to cite first.

    Raises RequestError if there is no such technique.
    """
    own, entry = _card(name).papers, _entry(name)
    return (*own, *(Paper(**paper) for paper in (entry["paper"], *entry["extra_papers"]))) if entry else own


def claims(name: str) -> tuple[Claim, ...]:
    """Every published effect of a technique that is on file, its authors' own first.

    Raises RequestError if there is no such technique.
    """
    entry = _entry(name)
    own, other = (entry["paper_gains"], entry["other_gains"]) if entry else ((), ())
    on_file = [_claim(row, by_authors) for rows, by_authors in ((own, True), (other, False)) for row in rows]
    return tuple(sorted((*_card(name).claims, *on_file), key=lambda claim: not claim.by_authors))


def increment(name: str) -> Increment | None:
    """What the post gained when it added this technique; None if it isn't in the post's recipe."""
    row = next((row for row in blog_rows() if row.technique == name), None)
    return Increment(row.acc1_gain, row.acc5_gain, row.acc1, row.acc5) if row else None


def finding(name: str) -> Finding | None:
    """What the post says about a technique that it tried and didn't adopt; None where it says nothing."""
    section = published()["not_adopted"]
    row = next((item for item in section["items"] if name in item["technique_ids"]), None)
    return Finding(row["topic"], row["tried"], row["finding"], section["status"]) if row else None


@cache
def blog_rows() -> tuple[BlogRow, ...]:
    """The post's stacked table, from the baseline down."""
    return tuple(
        BlogRow(
            step=row["step"],
            technique=row["technique_id"],
            acc1=row["acc1"],
            acc5=row["acc5"],
            acc1_gain=row["acc1_incremental"],
            acc5_gain=row["acc5_incremental"],
        )
        for row in published()["blog_table"]["rows"]
    )


def _claim(row: Mapping[str, Any], by_authors: bool) -> Claim:
    return Claim(
        **{key: row[key] for key in ("dataset", "model", "metric", "baseline", "gain", "where", "status")},
        value=row["with"],
        by_authors=by_authors,
        note=row.get("note", ""),
        paper=row.get("source_paper", ""),
        source_kind=row.get("source_kind", ""),
        incomparable=row.get("incomparable", ""),
    )


def _card(name: str) -> Card:
    return techniques.get(name).card


def _entry(name: str) -> Mapping[str, Any] | None:
    wanted = _card(name).published or name
    return next((entry for entry in published()["techniques"] if entry["id"] == wanted), None)
