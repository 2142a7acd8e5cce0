"""Technique cards for people and for programs: `bakeoff techniques list`, `show` and `pick`."""

import hashlib
import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bakeoff import recipes, techniques
from bakeoff.errors import RequestError
from bakeoff.technique import Claim, Paper, Technique
from bakeoff.techniques import published as cards

_POST = "ResNet50 on ImageNet, each step on top of the ones before, best of 3 runs"
_RECIPE = "torchvision-2021"


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
            "post": _asdict(cards.increment(name)),
        }
        for name, technique in _every()
    ]


def _every() -> Iterator[tuple[str, type[Technique] | str]]:
    """Every technique with its name; of one from a package that can't be loaded, why."""
    for name in techniques.names():
        try:
            yield name, techniques.get(name)
        except RequestError as error:
            yield name, str(error)


def card_json(name: str) -> dict[str, Any]:
    """The whole card of a technique, by name or in a file. RequestError if there is none of that name."""
    technique = techniques.get(name)
    name, card = technique.name, technique.card
    return {
        "name": name,
        "title": card.title,
        "what": card.what,
        "why": card.why,
        "equation": card.equation,
        "scaling": card.scaling,
        "slots": list(technique.slots),
        "recipes": _recipes(name),
        "knobs": [
            {"name": knob, "default": field.default, "meaning": field.description}
            for knob, field in technique.model_fields.items()
        ],
        "zero": None if technique.zero is None else dict(technique.zero),
        "interacts": dict(card.interacts),
        "papers": [asdict(paper) for paper in cards.papers(name)],
        "post": _asdict(cards.increment(name)),
        "not_adopted": _asdict(cards.finding(name)),
        "claims": [{**asdict(claim), "verified": claim.verified} for claim in cards.claims(name)],
    }


def render_list(console: Console) -> None:
    """Print all techniques with their gain in the post."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("technique", no_wrap=True)
    table.add_column("what it is")
    table.add_column("in the post", justify="right")
    for name, technique in _every():
        step, found = cards.increment(name), cards.finding(name)
        gain = f"{step.acc1:+.3f}" if step else "not adopted" if found else "not named"
        table.add_row(name, Text(technique if isinstance(technique, str) else technique.card.title), gain)
    console.print(table)
    _say(console, f"Acc@1 gains in points: {_POST}. The recipe {_RECIPE} is all that have one.")
    _say(console, "More about one of them: bakeoff techniques show NAME")


def render_card(console: Console, name: str) -> None:
    """Print the card of a technique, by name or in a file. RequestError if there is none of that name."""
    technique = techniques.get(name)
    name, card = technique.name, technique.card
    console.print(Text(f"{card.title}  ({name})", style="bold"))
    _say(console, card.what)
    _section(console, "Why", [card.why])
    _section(console, "Equation", card.equation.split("\n"))
    _knobs(console, technique)
    _section(console, "On other tasks", [card.scaling])
    _section(console, "In the post", in_post(name))
    _pairs(console, "Interacts with", card.interacts.items())
    _section(console, "Papers", [citation(paper) for paper in cards.papers(name)])
    _claims(
        console, "Published by its authors, or a paper cited above", [c for c in cards.claims(name) if c.by_authors]
    )
    _claims(console, "Measured by others", [c for c in cards.claims(name) if not c.by_authors])


def pick(pool: Sequence[str], seed: str) -> dict[str, Any]:
    """One technique of a list: the same for the same seed, such as a student's name, on every machine.

    Neither the order of the list nor capitals, spaces and the encoding of accents in the seed make a difference.

    Raises RequestError if the list is empty, or names what isn't a technique or is there twice.
    """
    known = [techniques.get(name).name for name in pool]
    if not known:
        raise RequestError("there is no technique to pick from (--from A,B,C)")
    if twice := next((name for name in known if known.count(name) > 1), None):
        raise RequestError(f"technique '{twice}' is there twice (--from)")
    told = " ".join(unicodedata.normalize("NFKC", seed).casefold().split())
    if not told:
        raise RequestError("the seed is empty; give a name or a number (--seed NAME)")
    among = sorted(known, key=techniques.names().index)
    drawn = int.from_bytes(hashlib.blake2b(told.encode()).digest())  # no generator: their streams change with versions
    name = among[drawn % len(among)]
    return {"technique": name, "title": techniques.get(name).card.title, "from": among, "seed": seed}


def render_pick(console: Console, picked: Mapping[str, Any]) -> None:
    """Print what was picked, from what, and how to go on."""
    console.print(Text(f"{picked['title']}  ({picked['technique']})", style="bold"))
    _say(console, f"Picked from {len(picked['from'])}: {', '.join(picked['from'])}.")
    _say(console, f"The same again: --seed {shlex.quote(picked['seed'])}")
    _say(console, f"Its card and picture: bakeoff techniques show {picked['technique']} --plot")


def in_post(name: str) -> list[str]:
    """What the post says about a technique, and where that was read."""
    if step := cards.increment(name):
        before = step.acc1_after - step.acc1
        late = " Contributed after the post first appeared." if name == cards.blog_rows()[-1].technique else ""
        return [
            f"Acc@1 {step.acc1:+.3f} points, from {before:.3f} to {step.acc1_after:.3f} %; Acc@5 {step.acc5:+.3f}, to "
            f"{step.acc5_after:.3f} %. {_POST}: another order, model or data set gives other gains.{late}",
            cards.published()["blog_table"]["status"],
        ]
    if found := cards.finding(name):
        return [f"Tried and not adopted. {found.topic} ({found.tried}): {found.finding}.", found.status]
    return ["Not named."]


def citation(paper: Paper) -> str:
    """A publication in a line."""
    where = f", https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else ""
    return f"{paper.authors}. {paper.title}. {paper.venue}, {paper.year}{where}"


def _knobs(console: Console, technique: type[Technique]) -> None:
    knobs = technique.model_fields.items()
    rows = [(f"{technique.name}.{knob} = {shown(f.default)}", f.description or "") for knob, f in knobs]
    _pairs(console, "Knobs and defaults", rows or [("none", "")])


def _claims(console: Console, title: str, claims: list[Claim]) -> None:
    if not claims:
        return
    _heading(console, title)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for claim in claims:
        table.add_row("?" if claim.gain is None else f"{claim.gain:+}", _evidence(claim))
    console.print(Padding(table, (0, 0, 0, 2)))


def _evidence(claim: Claim) -> Text:
    """A claim in words: what was measured, where it stands, and whether anybody looked there."""
    before, after = ("?" if value is None else str(value) for value in (claim.baseline, claim.value))
    text = Text(f"{claim.dataset}, {claim.model}: {claim.metric} {before} -> {after}\n")
    text.append(f"{claim.paper}, {claim.where}" if claim.paper else claim.where)
    text.append(f". {claim.note}" if claim.note else "")
    text.append("\n")
    text.append(
        claim.status if claim.verified else f"NOT CHECKED: {claim.status}", "green" if claim.verified else "yellow"
    )
    return text


def _pairs(console: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    _heading(console, title)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for head, text in rows:
        table.add_row(Text(head), Text(text))
    console.print(Padding(table, (0, 0, 0, 2)))


def _section(console: Console, title: str, paragraphs: Iterable[str]) -> None:
    paragraphs = list(paragraphs)
    if not paragraphs:
        return
    _heading(console, title)
    for paragraph in paragraphs:
        console.print(Padding(Text(paragraph, overflow="fold"), (0, 0, 0, 2)))


def _heading(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="bold"))


def _say(console: Console, text: str) -> None:
    console.print(Text(text))


def shown(value: Any) -> str:
    """The default of a knob."""
    return "none" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _recipes(name: str) -> list[str]:
    return [recipe for recipe in recipes.NAMES if name in recipes.get(recipe)]


def _asdict(value: Any) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
