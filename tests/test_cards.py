"""Cards: complete, every number with where it stands, and nothing shown as better checked than it is."""

import importlib.util
import io
import json
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from rich.cells import cell_len
from rich.console import Console

from bakeoff import techniques
from bakeoff.errors import RequestError
from bakeoff.teach import cards, console
from bakeoff.techniques import published

DOCS = Path(__file__).parents[1] / "docs"
EVERY = pytest.mark.parametrize("name", techniques.NAMES)


def shown(name: str | None, width: int) -> str:
    terminal = Console(file=io.StringIO(), width=width, color_system=None)
    console.show_card(terminal, name) if name else console.show_list(terminal)
    assert isinstance(terminal.file, io.StringIO)
    return terminal.file.getvalue()


def squeezed(text: str) -> str:
    return "".join(text.split())


def entry(name: str) -> dict[str, Any] | None:
    wanted = techniques.get(name).card.published or name
    return next((e for e in published.published()["techniques"] if e["id"] == wanted), None)


@EVERY
def test_a_card_is_complete(name: str) -> None:
    technique = techniques.get(name)
    card = technique.card
    assert all((card.title, card.what, card.why, card.equation, card.scaling))
    assert card.interacts
    assert set(card.interacts) <= set(techniques.NAMES) - {name}
    assert card.published is None or entry(name)
    assert all(field.description for field in technique.model_fields.values())
    assert technique.__doc__


@EVERY
def test_every_claim_stands_as_it_is_written(name: str) -> None:
    written = entry(name) or {"paper_gains": [], "other_gains": []}
    rows = [*written["paper_gains"], *written["other_gains"]]
    own = techniques.get(name).card.claims
    on_file = [claim for claim in published.claims(name) if claim not in own]
    assert len(on_file) == len(rows)
    for claim, row in zip(on_file, rows, strict=True):
        assert (claim.baseline, claim.value, claim.gain) == (row["baseline"], row["with"], row["gain"])
        assert claim.status == row["status"]
        assert claim.by_authors == (row in written["paper_gains"])
    for claim in (*own, *on_file):
        assert claim.status.startswith(("verified: ", "from memory"))
        assert claim.verified != claim.status.startswith("from memory")
        assert "%" in claim.metric  # points, so that gains can stand beside ours


@EVERY
def test_a_gain_is_the_difference_in_the_direction_of_better(name: str) -> None:
    for claim in published.claims(name):
        if claim.gain is not None and claim.baseline is not None and claim.value is not None:
            sign = -1 if "error" in claim.metric else 1
            assert claim.gain == pytest.approx(sign * (claim.value - claim.baseline), abs=1e-6)


def test_the_adopted_have_an_increment_and_the_others_a_finding() -> None:
    rows = {row["technique_id"]: row for row in published.published()["blog_table"]["rows"] if row["technique_id"]}
    listed = {name for item in published.published()["not_adopted"]["items"] for name in item["technique_ids"]}
    assert set(rows) | listed <= set(techniques.NAMES)
    assert not set(rows) & listed
    for name in techniques.NAMES:
        step, found = published.increment(name), published.finding(name)
        if name in rows:
            row = rows[name]
            assert step == published.Increment(
                row["acc1_incremental"], row["acc5_incremental"], row["acc1"], row["acc5"]
            )
        else:
            assert step is None
        assert (found is not None) == (name in listed)
    assert published.finding("adamw") is None  # the post names Adam, not AdamW


def test_the_posts_table_adds_up() -> None:
    rows = published.blog_rows()
    assert len(rows) == 13
    for before, row in pairwise(rows):
        assert row.acc1 - before.acc1 == pytest.approx(row.acc1_gain, abs=1e-6)
        assert row.acc5 - before.acc5 == pytest.approx(row.acc5_gain, abs=1e-6)
    assert (rows[0].technique, rows[0].acc1, rows[-1].acc1) == (None, 76.13, 80.858)


@EVERY
def test_the_card_shows_every_number_with_its_status(name: str) -> None:
    text = squeezed(shown(name, 120))
    for claim in published.claims(name):
        status = claim.status if claim.verified else f"unverified: {claim.status}"
        assert squeezed(status) in text
        assert squeezed(claim.where) in text
        if claim.gain is not None:
            assert squeezed(f"{claim.gain:+}{claim.dataset}") in text
    for paper in published.papers(name):
        assert squeezed(paper.title) in text
    for knob, field in techniques.get(name).model_fields.items():
        assert squeezed(f"{name}.{knob} = ") in text
        assert squeezed(str(field.description)) in text
    if step := published.increment(name):
        assert squeezed(f"{step.acc1:+.3f} points") in text
    assert squeezed(techniques.get(name).card.scaling) in text


def test_an_unverified_number_is_never_shown_as_verified() -> None:
    unverified = [claim for name in techniques.NAMES for claim in published.claims(name) if not claim.verified]
    assert unverified
    text = squeezed("".join(shown(name, 200) for name in techniques.NAMES))
    assert text.count("unverified:frommemory") == len(unverified)


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", [None, *techniques.NAMES])
def test_nothing_is_wider_than_the_terminal(name: str | None, width: int) -> None:
    text = shown(name, width)
    assert all(cell_len(line) <= width or len(line.split()) == 1 for line in text.splitlines())  # a path stays whole
    assert "…" not in text  # nothing is cut off either


def test_the_list_has_every_technique_with_its_gain() -> None:
    lines = shown(None, 80).splitlines()
    for name in techniques.NAMES:
        (line,) = (line for line in lines if line.split() and line.split()[0] == name)
        step = published.increment(name)
        assert (f"{step.acc1:+.3f}" in line) if step else ("+" not in line)


def test_json_says_what_the_card_says() -> None:
    listed = json.loads(json.dumps(cards.list_json()))
    assert [item["name"] for item in listed] == list(techniques.NAMES)
    for item in listed:
        card = json.loads(json.dumps(cards.card(item["name"])))
        assert card["post"] == item["post"]
        assert {knob["name"]: knob["default"] for knob in card["knobs"]} == item["knobs"]
        assert ("torchvision-2021" in card["recipes"]) == (item["post"] is not None)
        assert [c["verified"] for c in card["claims"]] == [c.verified for c in published.claims(item["name"])]
        assert [c["status"] for c in card["claims"]] == [c.status for c in published.claims(item["name"])]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    for ask in (published.claims, published.papers, cards.card):
        with pytest.raises(RequestError, match="did you mean mixup"):
            ask("mixpu")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """docs/cards.py, which writes the pages."""
    spec = importlib.util.spec_from_file_location("cards_pages", DOCS / "cards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_up_to_date(maker: ModuleType) -> None:
    pages = maker.pages()
    there = {path.name for path in (DOCS / "cards").iterdir()}
    assert there == {*pages, *(f"{name}.png" for name in techniques.NAMES)}, "run: make cards"
    for name, text in pages.items():
        assert (DOCS / "cards" / name).read_text("utf-8") == text, f"{name}; run: make cards"


@EVERY
def test_a_page_has_its_picture(name: str) -> None:
    with Image.open(DOCS / "cards" / f"{name}.png") as picture:
        assert (picture.format, picture.width) == ("PNG", 900)
        assert len(picture.convert("RGB").getcolors(2**20) or ()) > 20
    assert f"]({name}.png)" in (DOCS / "cards" / f"{name}.md").read_text("utf-8")


def test_links_between_pages_lead_somewhere(maker: ModuleType) -> None:
    for name, text in maker.pages().items():
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")]
        assert links
        for link in links:
            assert (DOCS / "cards" / link).exists(), f"{name}: {link}"


@EVERY
def test_a_page_says_what_was_not_read(name: str, maker: ModuleType) -> None:
    lines = [line for line in maker.page(name).splitlines() if "<br>" in line]
    claims = published.claims(name)
    assert len(lines) == len(claims)
    for line, claim in zip(lines, claims, strict=True):
        assert ("<br>**Unverified" in line) != claim.verified
        assert ("<br>Verified " in line) == (claim.at_source or claim.source_kind == "third party")
        assert ("<br>Not comparable: " in line) == bool(claim.incomparable)
        size = "?" if claim.gain is None else f"{claim.gain:+g}".replace("-", "\N{MINUS SIGN}")
        assert line.startswith(f"| {size} | ")


def test_equations_follow_the_cards(maker: ModuleType) -> None:
    for name, written in maker.EQUATIONS.items():
        assert squeezed(written["plain"]) == squeezed(techniques.get(name).card.equation), (
            f"docs/equations.yaml: {name}"
        )
        assert f"\n$$\n{written['tex'][0]}\n$$\n" in maker.page(name)


def test_text_stays_text_in_markdown(maker: ModuleType) -> None:
    told = maker.prose("a < b | c_d ~ *e* [f] & $g$, `lr_x|y`")
    assert told == r"a &#60; b &#124; c\_d &#126; \*e\* \[f\] &#38; &#36;g&#36;, `lr_x|y`"
