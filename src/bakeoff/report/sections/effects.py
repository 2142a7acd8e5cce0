"""The sections on the effects: the table of key accuracy improvements, and its chart."""

from bakeoff.report import chart, words
from bakeoff.report.page import Cell, Column, Picture, Section, Table, Text, link, strong, term
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


def effects(results: Results, table: list[EffectRow]) -> Section:
    """The table of key accuracy improvements, and how to read it."""
    level, delta = words.percent(results.total.level), results.options.delta
    digits = words.digits(results.main)
    believed = results.spec.design == "proof" and results.main is results.in_recipe
    intro = Text.of(
        "The ", term("baseline"), " is plain training with none of the techniques; the ", term("recipe"),
        f" {'is what the search chose of them' if results.found else 'has all of them that the task allows'}. "
        "Accuracy is ", term("Acc@1"),
        ", the share of images whose most likely class is the right one. A ", term("point"),
        " is one percent of the images: from 97\u00a0% to 98\u00a0% is a gain of one point.",
    )  # fmt: skip
    body = tuple(_row(row, digits) for row in table)
    anytime = " They hold however often the results were looked at meanwhile." if results.total.unplanned else ""
    options = Text.of(
        "Below each gain stands its ", term(f"{level} interval"), ". A ", term("seed"), " starts the random numbers of "
        "a training, and other seeds give slightly other accuracies. If the study were repeated with other seeds and "
        f"evaluated on the same images, {level} of such intervals would hold the true gain.{anytime} Each alone, that "
        f"is: of {len(results.main)} intervals one or more would often miss. So * marks gains for which the wider ",
        term("simultaneous interval"), ", made so that those of all rows hold together, leaves out 0 too.",
    )  # fmt: skip
    verdicts = Text.of(
        "Verdict: ", strong("helps"), " or ", strong("hurts"), " where there is a *; ",
        strong("no effect worth having"), f" where the whole interval lies within ±{delta:g} points, * or not; ",
        strong("undecided"), " where the runs can't tell, with the number of runs that would, if the gain stays what "
        "it is. ", strong("Extra training time"), " compares runs with and without the technique on the same machine.",
    )  # fmt: skip
    published = Text.of(
        strong("The post"), " is ", link("PyTorch's article on the recipe", words.POST),
        ": ResNet50 on ImageNet, each step on top of the steps before, the best of 3 runs, no intervals. ",
        strong("A paper"), " has a number here only where it was read at its source and is of the same kind: the gain "
        "in Acc@1 of a CNN trained from scratch, with the technique and without it; on this study's data where there "
        "is one, else by the technique's authors. ", link("All others", "#claims"), ", with the reason, are listed at "
        "the end.",
    )  # fmt: skip
    titles = ("Technique", "Yours, points", "Verdict", "The post, points", "A paper, points", "Extra training time")
    numbers = (False, True, False, True, False, True)
    columns = tuple(Column(name, flush) for name, flush in zip(titles, numbers, strict=True))
    blocks = (
        intro,
        Text(_BELIEVED if believed else _GAIN[results.spec.design]),
        Table(columns, body, wide=True),
        options,
        verdicts,
        published,
    )
    return Section("effects", "Key accuracy improvements", blocks)


def _row(row: EffectRow, digits: int) -> tuple[Cell, ...]:
    kinds = ("left out of the recipe" if row.dropped else "", "read from every run with and without")
    kind = "; ".join(part for part in kinds[: 2 if row.evaluation else 1] if part)
    yours = Cell(words.DASH)
    if row.effect is not None and row.measured:
        star = "*" if row.flagged else ""
        gain = words.signed(row.effect.gain_pp, digits)
        yours = Cell(f"{gain}{star}", words.span(row.effect.low, row.effect.high, digits))
    post = Cell(words.signed(row.post.acc1, 3) if row.post else "not in it")
    paper = Cell(words.DASH)
    if claim := row.claim:
        assert claim.gain is not None
        by = "its authors" if claim.by_authors else "others"
        paper = Cell(words.signed(claim.gain), f"{claim.dataset}, {claim.model}; by {by}")
    return (
        Cell(row.title, kind),
        yours,
        Cell(f"{words.SYMBOLS[row.tone]} {row.verdict}", row.why, row.tone),
        post,
        paper,
        Cell(row.time or words.DASH),
    )


def yours_beside_the_post(results: Results) -> Section:
    """The same as a chart."""
    caption = Text.of(
        "Filled bars: the simultaneous interval leaves out 0. The post's gains are of another data set, another model "
        "and another kind (stacked, best of 3 runs): they say what to hope for, not what to find."
    )
    known = [row for row in rows(results) if row.effect is not None and row.measured]
    alt = "Horizontal bars of the gain of each technique, yours and the post's. " + "; ".join(
        f"{row.title} {words.signed(row.effect.gain_pp)}, {row.verdict}" for row in known if row.effect
    )
    picture = Picture(
        "effects",
        lambda narrow: chart.effects_chart(results, narrow=narrow),
        alt,
        caption,
    )
    return Section("chart", "Yours beside the post's", (picture,))
