"""Technique cards as data, and their parts in words: what `bakeoff techniques list --json` and `show --json` print."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bakeoff import recipes, techniques
from bakeoff.errors import RequestError
from bakeoff.technique import Paper, Technique
from bakeoff.techniques import published

SETTING = "ResNet50 on ImageNet, each step on top of the ones before, best of 3 runs"


def list_json() -> list[dict[str, Any]]:
    """Every technique in the order of the story, in short."""
    return [
        {"name": name, "error": technique}
        if isinstance(technique, str)
        else {
            "name": name,
            "title": technique.card.title,
            "slots": list(technique.slots),
            "recipes": _recipes(name),
            "knobs": {knob: field.default for knob, field in technique.model_fields.items()},
            "post": _asdict(published.increment(name)),
        }
        for name, technique in every()
    ]


def every() -> Iterator[tuple[str, type[Technique] | str]]:
    """Every technique with its name; of one from a package that can't be loaded, why."""
    for name in techniques.names():
        try:
            yield name, techniques.get(name)
        except RequestError as error:
            yield name, str(error)


def card(name: str) -> dict[str, Any]:
    """The whole card of a technique as plain data. RequestError if there is none of that name, or in that file."""
    technique = techniques.get(name)
    name, told = technique.name, technique.card
    return {
        "name": name,
        "title": told.title,
        "what": told.what,
        "why": told.why,
        "equation": told.equation,
        "scaling": told.scaling,
        "slots": list(technique.slots),
        "recipes": _recipes(name),
        "knobs": [
            {"name": knob, "default": field.default, "meaning": field.description}
            for knob, field in technique.model_fields.items()
        ],
        "zero": None if technique.zero is None else dict(technique.zero),
        "interacts": dict(told.interacts),
        "papers": [asdict(paper) for paper in published.papers(name)],
        "post": _asdict(published.increment(name)),
        "not_adopted": _asdict(published.finding(name)),
        "claims": [{**asdict(claim), "verified": claim.verified} for claim in published.claims(name)],
    }


def in_post(name: str) -> list[str]:
    """What the post says about a technique, and where that was read."""
    if step := published.increment(name):
        before = step.acc1_after - step.acc1
        late = " Contributed after the post first appeared." if name == published.blog_rows()[-1].technique else ""
        return [
            f"Acc@1 {step.acc1:+.3f} points, from {before:.3f} to {step.acc1_after:.3f} %; Acc@5 {step.acc5:+.3f}, to "
            f"{step.acc5_after:.3f} %. {SETTING}: another order, model or data set gives other gains.{late}",
            published.published()["blog_table"]["status"],
        ]
    if found := published.finding(name):
        return [f"Tried and not adopted. {found.topic} ({found.tried}): {found.finding}.", found.status]
    return ["Not named."]


def citation(paper: Paper) -> str:
    """A publication in a line."""
    where = f", https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else ""
    return f"{paper.authors}. {paper.title}. {paper.venue}, {paper.year}{where}"


def shown(value: Any) -> str:
    """The default of a knob."""
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _recipes(name: str) -> list[str]:
    return [recipe for recipe in recipes.NAMES if name in recipes.get(recipe)]


def _asdict(value: Any) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
