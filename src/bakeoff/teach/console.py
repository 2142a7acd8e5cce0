"""Technique cards on a terminal: `bakeoff techniques list`, `show` and `pick`."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from bakeoff import techniques
from bakeoff.report.console.text import Column, plain, say, say_beside, show_table
from bakeoff.teach.cards import SETTING, citation, every, in_post, shown
from bakeoff.technique import Claim, Technique
from bakeoff.techniques import published

_RECIPE = "torchvision-2021"


def show_list(console: Console) -> None:
    """Print all techniques with their gain in the post."""
    rows = []
    for name, technique in every():
        step, found = published.increment(name), published.finding(name)
        gain = f"{step.acc1:+.3f}" if step else "not adopted" if found else "not named"
        rows.append((name, technique if isinstance(technique, str) else technique.card.title, gain))
    show_table(console, [Column("technique"), Column("what it is"), Column("in the post", right=True)], rows, rule=True)
    console.print()
    say(console, f"Acc@1 gains in points: {SETTING}. The recipe {_RECIPE} is all that have one.")
    say(console, "More about one of them: bakeoff techniques show NAME")


def show_card(console: Console, name: str) -> None:
    """Print the card of a technique. RequestError if there is none of that name, or in that file."""
    technique = techniques.get(name)
    name, card = technique.name, technique.card
    say(console, plain(f"{card.title}  ({name})", style="bold"))
    say(console, card.what)
    _section(console, "Why", [card.why])
    _section(console, "Equation", card.equation.split("\n"))
    _knobs(console, technique)
    _section(console, "On other tasks", [card.scaling])
    _section(console, "In the post", in_post(name))
    _pairs(console, "Interacts with", card.interacts.items())
    _section(console, "Papers", [citation(paper) for paper in published.papers(name)])
    _claims(
        console, "Published by its authors, or a paper cited above", [c for c in published.claims(name) if c.by_authors]
    )
    _claims(console, "Measured by others", [c for c in published.claims(name) if not c.by_authors])


def show_pick(console: Console, picked: Mapping[str, Any]) -> None:
    """Print what was picked, from what, and how to go on."""
    say(console, plain(f"{picked['title']}  ({picked['technique']})", style="bold"))
    say(console, f"Picked from {len(picked['from'])}: {', '.join(picked['from'])}.")
    say(console, f"The same again: --seed {shlex.quote(picked['seed'])}")
    say(console, f"Its card and picture: bakeoff techniques show {picked['technique']} --plot")


def _knobs(console: Console, technique: type[Technique]) -> None:
    knobs = technique.model_fields.items()
    rows = [(f"{technique.name}.{knob} = {shown(f.default)}", f.description or "") for knob, f in knobs]
    _pairs(console, "Knobs and defaults", rows or [("none", "")])


def _claims(console: Console, title: str, claims: list[Claim]) -> None:
    if not claims:
        return
    _heading(console, title)
    gains = ["?" if claim.gain is None else f"{claim.gain:+}" for claim in claims]
    indent = max(map(len, gains))
    for gain, claim in zip(gains, claims, strict=True):
        say_beside(console, plain(f"{gain:>{indent}}"), _evidence(claim), indent)


def _evidence(claim: Claim) -> Text:
    """A claim in words: what was measured, where it stands, and whether anybody looked there."""
    before, after = ("?" if value is None else str(value) for value in (claim.baseline, claim.value))
    text = plain(f"{claim.dataset}, {claim.model}: {claim.metric} {before} -> {after}", "")
    text.append(f"{claim.paper}, {claim.where}" if claim.paper else claim.where)
    text.append(f". {claim.note.rstrip('.')}" if claim.note else "")
    text.append(f". Not comparable: {claim.incomparable}" if claim.incomparable else "")
    text.append("\n")
    text.append(
        claim.status if claim.verified else f"unverified: {claim.status}", "green" if claim.verified else "yellow"
    )
    return text


def _pairs(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    _heading(console, title)
    indent = max(len(head) for head, _ in rows)
    for head, text in rows:
        say_beside(console, plain(head), plain(text), indent)


def _section(console: Console, title: str, paragraphs: Iterable[str]) -> None:
    paragraphs = list(paragraphs)
    if not paragraphs:
        return
    _heading(console, title)
    for paragraph in paragraphs:
        say_beside(console, plain(""), plain(paragraph), 0)


def _heading(console: Console, title: str) -> None:
    console.print()
    say(console, plain(title, style="bold"))
