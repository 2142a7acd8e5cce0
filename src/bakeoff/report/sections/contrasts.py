"""The sections on techniques beside each other: inside the recipe, in pairs, stacked."""

import math

from bakeoff.report import chart, words
from bakeoff.report.page import Cell, Column, Picture, Section, Table, Text, strong, term
from bakeoff.report.rows import EffectRow
from bakeoff.report.stacked import steps
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import Results


def in_recipe(results: Results, table: list[EffectRow]) -> Section | None:
    """The averaged effects beside those in the recipe."""
    if not results.in_recipe or results.main is results.in_recipe:
        return None
    beside = {effect.technique: effect for effect in results.in_recipe}
    digits = words.digits([*results.main, *results.in_recipe])
    body = []
    for row in table:
        if row.effect is not None and row.technique in beside:
            inside = beside[row.technique]
            body.append(
                (
                    Cell(row.title, inside.note),
                    _gain(row.effect, digits),
                    _gain(inside, digits),
                    _advice(inside) if row.judged else Cell(words.DASH),
                    Cell(f"{inside.direct_runs:,}"),
                )
            )
    proof = results.spec.design == "proof"
    intro = Text.of(
        "Beside what the fresh runs say stands what a ", term("model"), " of all runs says, those of the search "
        "included: the logarithm of the error as a sum of effects of one, two and three techniques, most of them "
        "small. Its intervals "
        "are ", term("credible intervals"), ": narrower, and as good as that assumption. ", term("Direct runs"),
        " are those of the recipe, and of the recipe with this technique switched over.",
    ) if proof else Text.of(
        "The averaged effect is what a technique buys in a typical mix of the others. The ", term("in-recipe effect"),
        " is what you lose by dropping it from the whole recipe, where others may do its work already. Neither is "
        "wrong; they answer different questions. The in-recipe effects come from a model of all runs (the logarithm of "
        "the error as a sum of effects of one, two and three techniques, most of them small), since few runs are the "
        "recipe without one technique; their intervals are ", term("credible intervals"), ", as good as that "
        "assumption, and nothing is beyond doubt by them. ", words.tried("inside"), term("Direct runs"),
        " are those that are the recipe, or the recipe without this technique."
    )  # fmt: skip
    columns = (
        Column("Technique"),
        Column("Fresh runs, points" if proof else "Averaged, points", True),
        Column("All runs, points" if proof else "In the recipe, points", True),
        Column("What to do in this recipe"),
        Column("Direct runs", True),
    )
    title = "Inside the recipe, from fresh runs and from all" if proof else "Averaged, and inside the recipe"
    return Section("in-recipe", title, (intro, Table(columns, tuple(body), wide=True)))


def pairs(results: Results) -> Section | None:
    """Which techniques work with each other, and which fight."""
    if results.spec.design not in ("factorial", "proof"):
        return None
    intro = Text.of(
        "Two techniques ", term("work with each other"), " if one buys more where the other is on than where it is "
        "off, and ", term("fight"), " if it buys less, beyond what shares of the error multiply to; in points at the "
        "error of the better half of the runs. Named are the pairs whose direction has a probability above "
        "95\u00a0%. Of many pairs looked at, about one in twenty of those named may have the wrong direction: take "
        "them as hints. * marks those that are sure enough to hold for all pairs that were looked at.",
    )  # fmt: skip
    if not results.interactions:
        return Section("pairs", "Works with, fights with", (intro, Text.of("No pair is that clear in these runs.")))
    body = tuple(
        (
            Cell(words.title(pair.first)),
            Cell(f"{pair.relation} {words.title(pair.second)}"),
            Cell(f"{words.signed(pair.gain_pp)}{'*' * pair.established}", words.span(pair.low, pair.high)),
            Cell(_sure(pair.probability)),
        )
        for pair in results.interactions
    )
    columns = (
        Column("Technique"),
        Column("Relation"),
        Column("Buys more by, points", True),
        Column("Probability", True),
    )
    return Section("pairs", "Works with, fights with", (intro, Table(columns, body, wide=True)))


def stacked(results: Results) -> Section | None:
    """The steps from the baseline to the recipe."""
    found = steps(results)
    if not found:
        return None
    ladder = results.spec.design == "ladder"
    source = "as measured" if ladder else "as the model of all runs sees it"
    smooth = "" if ladder else "; the model smooths over noise and need not meet them exactly"
    caption = Text.of(
        strong("Order-dependent."), f" The techniques added one after the other, {source}, in the order of the recipe"
        f"{' and at the published strengths' if results.spec.tuned else ''}. "
        "In another order the same techniques have other steps, so no single step is what a technique is worth; only "
        "the two ends don't depend on it. The gray bars are the measured means of the baseline's and the recipe's own "
        f"runs{smooth}. The scale doesn't start at 0.",
    )  # fmt: skip
    alt = "Steps from the baseline to the recipe, in one order: " + "; ".join(
        f"{words.title(step.technique)} {words.signed(step.after - step.before)}" for step in found
    )
    picture = Picture("stacked", lambda narrow: chart.waterfall(results, narrow=narrow), alt, caption)
    return Section("stacked", "Stacked, in one order", (picture,))


def _gain(effect: Effect, digits: int) -> Cell:
    if not math.isfinite(effect.gain_pp):
        return Cell(words.DASH, effect.note)
    return Cell(words.signed(effect.gain_pp, digits), words.span(effect.low, effect.high, digits))


def _advice(effect: Effect) -> Cell:
    if effect.decision is None:
        return Cell(words.DASH)
    return Cell(words.ADVICE[effect.decision.action], words.sure(effect.decision))


def _sure(probability: float) -> str:
    return f"over 99.9{words.PERCENT}" if probability > 0.999 else f"{100 * probability:.1f}{words.PERCENT}"
