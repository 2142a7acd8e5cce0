"""What stands at the end: all intervals, and every published claim with its source."""

import math
import re

from bakeoff.report import words
from bakeoff.report.page import Cell, Column, Section, Table, Text, term
from bakeoff.report.rows import EffectRow
from bakeoff.study.analyse import Results


def numbers(results: Results, table: list[EffectRow]) -> Section | None:
    """Every interval of every effect."""
    if not len(results.runs):
        return None
    digits = words.digits(results.main) + 1
    intro = Text.of(
        "The ", term("interval for other images"), " is wider: it also allows for the images being a sample, so it is "
        "the one for accuracy on new images of the same kind. The adjusted ", term("p"), " is the probability that "
        "the largest of all these gains would look this large if no technique did anything. ", term("Shrunk"),
        " gains are pulled towards the mean of the table, since the largest of several noisy gains is mostly "
        "too large: rank by these.",
    )  # fmt: skip
    body = []
    for effect in (*(row.effect for row in table if row.effect is not None and row.measured), results.total):
        total = effect is results.total
        if not math.isfinite(effect.gain_pp):
            continue
        body.append(
            (
                Cell(
                    "Recipe over baseline" if total else words.title(effect.technique),
                    "" if total else effect.technique,
                ),
                Cell(words.signed(effect.gain_pp, digits)),
                Cell(words.span(effect.low, effect.high, digits)),
                Cell(words.span(effect.sim_low, effect.sim_high, digits)),
                Cell(words.span(effect.population_low, effect.population_high, digits)),
                Cell(words.DASH if total else words.signed(effect.shrunk_pp, digits)),
                Cell(_p(effect.p_adjusted)),
                Cell(f"{effect.runs:,}", words.counted(effect.seeds, "seed")),
            )
        )
    titles = (
        "Technique",
        "Gain, points",
        "Interval",
        "Simultaneous",
        "For other images",
        "Shrunk",
        "Adjusted p",
        "Runs",
    )
    columns = tuple(Column(name, name != "Technique") for name in titles)
    return Section("numbers", "All intervals", (intro, Table(columns, tuple(body), wide=True)))


def claims(table: list[EffectRow]) -> Section | None:
    """Every published gain, its state, and why it doesn't stand beside the study's."""
    body = []
    for row in table:
        for claim in sorted(row.claims, key=lambda claim: not claim.comparable):
            assert claim.gain is not None
            place = "; ".join(part for part in (claim.paper, claim.where, claim.note) if part)
            read = re.sub(r"^verified: |^from memory(?: \((.*)\))?,? ?", r"\1", claim.status)
            against = (claim.incomparable, "" if claim.at_source else "not read at its source")
            body.append(
                (
                    Cell(row.title),
                    Cell(words.signed(claim.gain), claim.metric),
                    Cell(claim.dataset, claim.model),
                    Cell(place),
                    Cell(words.provenance(claim), read),
                    Cell("yes" if claim.comparable else "no", "; ".join(part for part in against if part)),
                )
            )
    if not body:
        return None
    intro = Text.of(
        "Every gain that is on file from the techniques' authors, and those that others measured and report, in points "
        "of the named measure; positive is better. ", term("Verified"), " numbers were read at the source that is "
        "named, ", term("unverified"), " ones were quoted from memory: look them up before you quote them. Comparable "
        "are gains that were read where those who measured them report them, of a CNN trained from scratch with this "
        "technique and without it.",
    )  # fmt: skip
    titles = ("Technique", "Gain, points", "Data and model", "Where it stands", "State", "Comparable")
    columns = tuple(Column(name, name.startswith("Gain")) for name in titles)
    return Section("claims", "What the papers claim", (intro, Table(columns, tuple(body), wide=True)))


def _p(p: float) -> str:
    return words.UNKNOWN if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
