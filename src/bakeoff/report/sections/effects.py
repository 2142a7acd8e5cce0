"""The sections on the effects: the table of key accuracy improvements, and its chart."""

import math

import numpy as np

from bakeoff.report import chart, words
from bakeoff.report.page import Block, Cell, Column, Picture, Section, Table, Text, link, strong, term
from bakeoff.report.rows import EffectRow, rows
from bakeoff.study.analyse import Results

_GAIN = {
    "factorial": (
        "A technique's gain here is its ",
        term("averaged effect"),
        ": the accuracy with it minus the accuracy without it, averaged over all the ways in which the other "
        "techniques can be on or off. These gains add up to the recipe's total, but for noise and for what only three "
        "or more techniques do together.",
    ),
    "leave-one-out": (
        "A technique's gain here is its ",
        term("in-recipe effect"),
        ": the accuracy of the whole recipe minus the accuracy of the recipe without it. It is what you lose by "
        "dropping it, and nothing that can be added up.",
    ),
    "add-one": (
        "A technique's gain here is its ",
        term("effect alone"),
        ": the accuracy of the baseline with it minus the accuracy of the baseline. Techniques that only pay together "
        "look useless here, and the gains can't be added up.",
    ),
    "proof": (
        "A technique's gain here is its ",
        term("in-recipe effect"),
        ": of a technique that the recipe has, what is lost without it; of one that it leaves out, what it would add. "
        "All runs behind this table were made after the recipe was fixed, with seeds of their own, and are judged on "
        "images that took no part in choosing it.",
    ),
    "ladder": (
        "A technique's gain here is its ",
        term("stacked effect"),
        ": what it adds to all the techniques above it in the table. In another order the same techniques have other "
        "gains.",
    ),
}
_BELIEVED = (
    "A technique's gain here is its ",
    term("in-recipe effect"),
    ": of a technique that the recipe has, what is lost without it; of one that it leaves out, what it would add. The "
    "budget didn't allow fresh runs of each, so this is what a model of all runs says, those of the search included. "
    "Its intervals are ",
    term("credible intervals"),
    ": as good as the model, in which most of what techniques do together is small. The total gain above is from fresh "
    "runs alone.",
)

_CREDIBLE = Text.of(
    "Below each number stands its credible interval, wide enough for all rows at once. By a model nothing "
    "is beyond doubt."
)


def effects(results: Results, table: list[EffectRow]) -> Section:
    """The table of key accuracy improvements, and how to read it."""
    on_errors = any(effect.errors for effect in results.main)
    believed = results.spec.design == "proof" and results.main is results.in_recipe
    intro = Text.of(
        "The ", term("baseline"), " is plain training with none of the techniques; the ", term("recipe"),
        f" {'is what the search chose of them' if results.found else 'has all of them that the task allows'}. "
        "Accuracy is ", term("Acc@1"),
        ", the share of images whose most likely class is the right one. A ", term("point"),
        " is one percent of the images: from 97\u00a0% to 98\u00a0% is a gain of one point.",
    )  # fmt: skip
    body = tuple(_row(row, words.digits(results.main), on_errors=on_errors) for row in table)
    published = Text.of(
        strong("The post"), " is ", link("PyTorch's article on the recipe", words.POST),
        ": ResNet50 on ImageNet, each step on top of the steps before, the best of 3 runs, no intervals. ",
        strong("A paper"), " has a number here only where it was read at its source and is of the same kind: the gain "
        "in Acc@1 of a CNN trained from scratch, with the technique and without it; on this study's data where there "
        "is one, else by the technique's authors. ", link("All others", "#claims"), ", with the reason, are listed at "
        "the end. ", strong("Extra training time"), " compares runs with and without the technique on one machine.",
    )  # fmt: skip
    columns = (
        Column("Technique"),
        *([Column("Errors", True)] if on_errors else []),
        Column("Averaged, points" if on_errors else "Yours, points", True),
        Column("What to do"),
        Column("The post, points", True),
        Column("A paper, points"),
        Column("Extra training time", True),
    )
    blocks: tuple[Block, ...] = (
        intro,
        Text(_BELIEVED if believed else _GAIN[results.spec.design]),
        Table(columns, body, wide=True),
        _CREDIBLE if believed else _intervals(results, on_errors=on_errors),
        *([_errors(results)] if on_errors else []),
        _advice(results, on_errors=on_errors),
        published,
    )
    return Section("effects", "Key accuracy improvements", blocks)


def _intervals(results: Results, *, on_errors: bool) -> Text:
    level = words.percent(results.total.level)
    anytime = " They hold however often the results were looked at meanwhile." if results.total.unplanned else ""
    return Text.of(
        "Below each number stands its ", term("simultaneous interval"), ". A ", term("seed"), " starts the random "
        "numbers of a training, and other seeds give slightly other accuracies. If the study were repeated with other "
        f"seeds and evaluated on the same images, then in {level} of such studies all {len(results.main)} intervals "
        f"of a column would hold the true values.{anytime} ", strong("*"),
        f" marks {'errors' if on_errors else 'gains'} that are ", term("beyond doubt"),
        ": the interval leaves out 0. The narrower intervals of single rows, and the wider ones for other images, are "
        "in ", link("the table of all intervals", "#numbers"), ".",
    )  # fmt: skip


def _errors(results: Results) -> Text:
    at = next(effect.errors.at for effect in results.main if effect.errors)
    return Text.of(
        strong("Errors"), " is what a technique does to the share of images that are wrong, averaged over the same "
        f"settings: {words.errors(0.12)} removes 12 of 100 errors. What techniques do to an error nearly multiplies, "
        "and so does its noise, so that the same runs say more here than in points, where the settings with the most "
        "errors weigh most; and it is nearer to what a technique does in a good recipe. So advice goes by it, and is "
        f"told in points at the recipe's error, {words.number(at, 2, words.PERCENT)}. Points add up to the "
        "total gain, errors don't. Where the two point in different directions, a technique helps in most settings and "
        "does harm in some bad ones, or the other way round.",
    )  # fmt: skip


def _advice(results: Results, *, on_errors: bool) -> Text:
    """What the advice means, how it did where the truth was known, and how far off certainty is."""
    told = [effect for effect in results.main if effect.decision]
    there = (
        "In a recipe of your own its company is another: ",
        link("what it does inside this recipe", "#in-recipe"),
        " has advice of its own. ",
    )
    return Text.of(
        strong("What to do"), " follows the likelier sign: ", strong("keep"), " or ", strong("leave out"),
        ", with the probability that the sign is right, and the expected loss: what is lost if it is wrong, times how "
        "probable that is. Effects are taken to be as large as this table shows them to be. ",
        strong("Doesn't matter"), f" where both choices are expected to lose less than {results.tolerance:g} points"
        + (" (2 % of the recipe's errors, at least one image). " if results.options.delta is None else ". "),
        *([words.tried("averaged")] if on_errors and told else []),
        *(there if on_errors and results.in_recipe else ()),
        _reach(results),
    )  # fmt: skip


def _reach(results: Results) -> str:
    """How many runs it would take to show beyond doubt that a technique does nothing worth having."""
    halves = []
    for effect in results.main:
        low, high = effect.sim_low, effect.sim_high
        if effect.errors and effect.errors.high < 1:
            low, high = (-effect.errors.at * np.log1p(-share) for share in (effect.errors.low, effect.errors.high))
        if math.isfinite(high - low) and effect.method != "model":
            halves.append(float(high - low) / 2)
    if not halves or not results.tolerance:
        return ""
    times = (float(np.median(halves)) / results.tolerance) ** 2
    if times <= 1:
        return ""
    runs = max(len(results.runs), 1) * times
    if runs > words.MANY_RUNS:
        return f"To show beyond doubt that a technique doesn't matter is out of reach: over {words.MANY_RUNS:,} runs."
    reach = "is out of reach here: it " if times > 10 else ""
    about = f"about {float(f'{runs:.2g}'):,.0f} runs"
    return f"To show beyond doubt that a technique doesn't matter {reach}takes {about}."


def _row(row: EffectRow, digits: int, *, on_errors: bool) -> tuple[Cell, ...]:
    kinds = ("left out of the recipe" if row.dropped else "", "read from every run with and without")
    kind = "; ".join(part for part in kinds[: 2 if row.evaluation else 1] if part)
    yours, errors, effect = Cell(words.DASH), Cell(words.DASH), row.effect
    if effect is not None and row.measured:
        gain = words.signed(effect.gain_pp, digits)
        star = "*" if row.flagged and not on_errors else ""
        yours = Cell(f"{gain}{star}", words.span(effect.sim_low, effect.sim_high, digits))
        if effect.errors:
            star = "*" if row.flagged else ""
            errors = Cell(f"{words.errors(effect.errors.removed)}{star}", words.errors_span(effect.errors))
    post = Cell(words.signed(row.post.acc1, 3) if row.post else "not in it")
    paper = Cell(words.DASH)
    if claim := row.claim:
        assert claim.gain is not None
        by = "its authors" if claim.by_authors else "others"
        paper = Cell(words.signed(claim.gain), f"{claim.dataset}, {claim.model}; by {by}")
    return (
        Cell(row.title, kind),
        *([errors] if on_errors else []),
        yours,
        Cell(f"{words.SYMBOLS[row.tone]} {row.advice}", row.why, row.tone if row.established else ""),
        post,
        paper,
        Cell(row.time or words.DASH, words.worth(row.worth)),
    )


def yours_beside_the_post(results: Results) -> Section:
    """The same as a chart."""
    caption = Text.of(
        "Filled bars: the simultaneous interval leaves out 0. ",
        "The bars are averaged points; what to do goes by the errors, of which the same runs know more. "
        if any(effect.errors for effect in results.main)
        else "",
        "The post's gains are of another data set, another model "
        "and another kind (stacked, best of 3 runs): they say what to hope for, not what to find.",
    )
    known = [row for row in rows(results) if row.effect is not None and row.measured]
    alt = "Horizontal bars of the gain of each technique, yours and the post's. " + "; ".join(
        f"{row.title} {words.signed(row.effect.gain_pp)}, {row.advice}" for row in known if row.effect
    )
    picture = Picture(
        "effects",
        lambda narrow: chart.effects_chart(results, narrow=narrow),
        alt,
        caption,
    )
    return Section("chart", "Yours beside the post's", (picture,))
