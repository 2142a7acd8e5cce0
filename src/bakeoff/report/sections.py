"""What a report says, section by section, about the effects; `page` turns Results into a Page."""

import math

from bakeoff.report import chart, words
from bakeoff.report.behind import accuracy, calibration, classes, learning, limits, made, noise
from bakeoff.report.page import Cell, Column, Page, Picture, Section, Table, Text, link, strong, term
from bakeoff.report.rows import Row, rows
from bakeoff.report.stack import steps
from bakeoff.study.analyse import Results
from bakeoff.study.table import DEFAULT, Effect

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
    "ladder": (
        "A technique's gain here is its ",
        term("stacked effect"),
        ": what it adds to all the techniques above it in the table. In another order the same techniques have other "
        "gains.",
    ),
}


def page(results: Results) -> Page:
    """The whole report as data."""
    table = rows(results)
    sections = [_effects(results, table)]
    if len(results.runs):
        sections += [
            _chart(results),
            _in_recipe(results, table),
            _pairs(results),
            _stack(results),
            accuracy(results),
            learning(results),
            classes(results),
            calibration(results),
            noise(results),
        ]
    sections += [made(results), limits(results), _numbers(results, table), _claims(table)]
    return Page(
        title=f"What each technique buys on {results.spec.task}",
        notices=notices(results),
        headline=headline(results, table),
        sections=tuple(section for section in sections if section),
    )


def notices(results: Results) -> tuple[Text, ...]:
    """What is missing, said before anything else."""
    planned, there = len(results.records), len(results.runs)
    waiting = sum(record is None or record.status == "interrupted" for record in results.records)
    found = []
    if not there:
        found.append(Text.of(strong("No run has finished."), " There is nothing to state yet."))
    elif waiting:
        found.append(
            Text.of(
                strong(f"{waiting} of {words.counted(planned, 'run')} have not finished."),
                " What follows rests on the others and may change.",
            )
        )
    if results.lost:
        lost = sum(results.lost.values())
        how = words.listed([f"{count} {status}" for status, count in results.lost.items()])
        found.append(
            Text.of(
                strong(f"{lost} of {words.counted(planned, 'run')} gave no result ({how})."),
                " A run that fails is tried once more with another seed; these failed again. A failure is no "
                "accuracy of 0: they are left out, and what they would have said is missing.",
            )
        )
    return tuple(found)


def headline(results: Results, table: list[Row]) -> tuple[Text, ...]:
    """The answer: the total gain, then what helps, hurts, does nothing worth having, and what is undecided."""
    total, digits = results.total, words.digits([results.total])
    count = len(results.spec.names)
    if math.isfinite(total.gain_pp):
        before, after = (
            words.number(corner.acc["acc1"], 2, words.PERCENT) for corner in (results.baseline, results.recipe)
        )
        low = words.span(total.low, total.high, digits)
        first = Text.of(
            f"Together, the {count} techniques {'gain' if total.gain_pp >= 0 else 'lose'} ",
            strong(f"{words.signed(total.gain_pp, digits)} points"),
            f" of accuracy ({words.percent(total.level)} interval {low}): from {before} to {after} of the images classified correctly.",
        )
    elif results.spec.design in ("leave-one-out", "add-one"):
        other = "the baseline" if results.spec.design == "leave-one-out" else "the whole recipe"
        first = Text.of(f"This design doesn't train {other}, so it can't state the total gain.")
    else:
        first = Text.of("The total gain can't be stated: the runs of the baseline or of the recipe are missing.")
    if not len(results.runs):
        return ()
    groups = []
    for name, tone in (
        ("Helps: ", "helps"),
        ("Hurts: ", "hurts"),
        ("No effect worth having: ", "no_effect"),
        ("Undecided: ", "undecided"),
        ("Not measured: ", "none"),
    ):
        chosen = [row for row in table if row.tone == tone and row.effect is not None]
        chosen.sort(key=lambda row: -abs(row.effect.gain_pp) if row.effect and row.measured else 0)
        if chosen:
            groups.append(Text.of(strong(name), f"{words.listed([_short(row, tone) for row in chosen])}."))
    return (first, *groups)


def _short(row: Row, tone: str) -> str:
    assert row.effect is not None
    return f"{row.title} ({words.signed(row.effect.gain_pp)})" if tone in ("helps", "hurts") else row.title


def _effects(results: Results, table: list[Row]) -> Section:
    level, delta = results.total.level, DEFAULT.delta
    digits = words.digits(results.main)
    intro = Text.of(
        "The ", term("baseline"), " is plain training with none of the techniques; the ", term("recipe"),
        " has all of them. Accuracy is ", term("Acc@1"),
        ", the share of images whose most likely class is the right one. A ", term("point"),
        " is one percent of the images: from 97\u00a0% to 98\u00a0% is a gain of one point.",
    )  # fmt: skip
    body = tuple(_row(row, digits) for row in table)
    anytime = " They hold however often the results were looked at meanwhile." if results.total.unplanned else ""
    reading = Text.of(
        "Below each gain stands its ", term(f"{words.percent(level)} interval"),
        ". A ", term("seed"), " starts the random numbers of a training, and other seeds give slightly other accuracies."
        f" If the study were repeated with other seeds and evaluated on the same images, {words.percent(level)} of such intervals "
        f"would hold the true gain.{anytime} Each alone, that is: of {len(results.main)} intervals one or more would "
        "often miss. So * marks gains for which the wider ", term("simultaneous interval"),
        ", made so that those of all rows hold together, leaves out 0 too.",
    )  # fmt: skip
    verdicts = Text.of(
        "Verdict: ", strong("helps"), " or ", strong("hurts"), " where there is a *; ",
        strong("no effect worth having"), f" where the whole interval lies within ±{delta:g} points; ",
        strong("undecided"), " where the runs can't tell, with the number of runs that would, if the gain stays what "
        "it is. ", strong("Extra training time"), " compares runs with and without the technique on the same machine.",
    )  # fmt: skip
    published = Text.of(
        strong("The post"), " is ", link("PyTorch's article on the recipe", words.POST),
        ": ResNet50 on ImageNet, each step on top of the steps before, the best of 3 runs, no intervals. ",
        strong("The papers"), " claim what their authors measured on their own data. Shown is the claim on this "
        "study's data where there is one, else the first on ImageNet; all are listed at the end.",
    )  # fmt: skip
    columns = ("Technique", "Yours, points", "The post, points", "The paper, points", "Extra training time", "Verdict")
    numbers = (False, True, True, False, True, False)
    grid = Table(tuple(Column(*pair) for pair in zip(columns, numbers, strict=True)), body, wide=True)
    return Section(
        "effects",
        "Key accuracy improvements",
        (intro, Text(_GAIN[results.spec.design]), grid, reading, verdicts, published),
    )


def _row(row: Row, digits: int) -> tuple[Cell, ...]:
    kind = "read from every run with and without" if row.evaluation else ""
    yours = Cell("–")
    if row.effect is not None and row.measured:
        star = "*" if row.flagged else ""
        gain = words.signed(row.effect.gain_pp, digits)
        yours = Cell(f"{gain}{star}", words.span(row.effect.low, row.effect.high, digits))
    post = Cell(words.signed(row.post.acc1, 3) if row.post else "not in it")
    paper = Cell("no number on file")
    if claim := row.claim:
        assert claim.gain is not None
        more = len(row.claims) - 1
        rest = f"; {more} more at the end" if more else ""
        where = f"{claim.dataset}, {claim.model}; {words.provenance(claim)}{rest}"
        paper = Cell(words.signed(claim.gain), where)
    return (
        Cell(row.title, kind),
        yours,
        post,
        paper,
        Cell(row.time or "–"),
        Cell(f"{words.SYMBOLS[row.tone]} {row.verdict}", row.why, row.tone),
    )


def _chart(results: Results) -> Section:
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
        "chart.effects_chart(results)",
    )
    return Section("chart", "Yours beside the post's", (picture,))


def _in_recipe(results: Results, table: list[Row]) -> Section | None:
    if not results.in_recipe:
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
                    Cell(f"{inside.direct_runs:,}"),
                )
            )
    intro = Text.of(
        "The averaged effect is what a technique buys in a typical mix of the others. The ", term("in-recipe effect"),
        " is what you lose by dropping it from the whole recipe, where others may do its work already. Neither is "
        "wrong; they answer different questions. The in-recipe effects come from a model of all runs (accuracy as a "
        "sum of effects of one, two and three techniques, most of them small), since few runs are the recipe without "
        "one technique; ", term("direct runs"), " are those that are the recipe, or the recipe without this technique."
    )  # fmt: skip
    columns = (
        Column("Technique"),
        Column("Averaged, points", True),
        Column("In the recipe, points", True),
        Column("Direct runs", True),
    )
    return Section("in-recipe", "Averaged, and inside the recipe", (intro, Table(columns, tuple(body), wide=True)))


def _gain(effect: Effect, digits: int) -> Cell:
    if not math.isfinite(effect.gain_pp):
        return Cell("–", effect.note)
    return Cell(words.signed(effect.gain_pp, digits), words.span(effect.low, effect.high, digits))


def _pairs(results: Results) -> Section | None:
    if results.spec.design != "factorial":
        return None
    intro = Text.of(
        "Two techniques ", term("work with each other"), " if one buys more where the other is on than where it is "
        "off, and ", term("fight"), " if it buys less. Named are the pairs whose direction has a probability above "
        "95\u00a0%. Of many pairs looked at, about one in twenty of those named may have the wrong direction: take them as "
        "hints.",
    )  # fmt: skip
    if not results.interactions:
        return Section("pairs", "Works with, fights with", (intro, Text.of("No pair is that clear in these runs.")))
    body = tuple(
        (
            Cell(words.title(pair.first)),
            Cell(f"{pair.relation} {words.title(pair.second)}"),
            Cell(words.signed(pair.gain_pp), words.span(pair.low, pair.high)),
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


def _sure(probability: float) -> str:
    return f"over 99.9{words.PERCENT}" if probability > 0.999 else f"{100 * probability:.1f}{words.PERCENT}"


def _stack(results: Results) -> Section | None:
    found = steps(results)
    if not found:
        return None
    ladder = results.spec.design == "ladder"
    source = "as measured" if ladder else "as the model of all runs sees it"
    caption = Text.of(
        strong("Order-dependent."), f" The techniques added one after the other, {source}, in the order of the recipe. "
        "In another order the same techniques have other steps, so no single step is what a technique is worth; only "
        "the two ends don't depend on it. The gray bars are the measured means of the baseline's and the recipe's own "
        f"runs{'' if ladder else '; the model smooths over noise and needn’t meet them exactly'}. The scale doesn't start at 0.",
    )  # fmt: skip
    alt = "Steps from the baseline to the recipe, in one order: " + "; ".join(
        f"{words.title(step.technique)} {words.signed(step.after - step.before)}" for step in found
    )
    picture = Picture(
        "stacked", lambda narrow: chart.waterfall(results, narrow=narrow), alt, caption, "chart.waterfall(results)"
    )
    return Section("stacked", "Stacked, in one order", (picture,))


def _numbers(results: Results, table: list[Row]) -> Section | None:
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
                Cell("–" if total else words.signed(effect.shrunk_pp, digits)),
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


def _p(p: float) -> str:
    return words.UNKNOWN if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _claims(table: list[Row]) -> Section | None:
    body = []
    for row in table:
        for claim in row.claims:
            gain = "not known" if claim.gain is None else words.signed(claim.gain)
            source = words.provenance(claim)
            place = "; ".join(part for part in (claim.paper, claim.where, claim.note) if part)
            body.append(
                (
                    Cell(row.title),
                    Cell(gain, claim.metric),
                    Cell(claim.dataset, claim.model),
                    Cell(place),
                    Cell(source, claim.status.removeprefix("verified: ")),
                )
            )
    if not body:
        return None
    intro = Text.of(
        "Every number that is on file from the techniques' authors, or from a paper that they cite for it. Gains are "
        "in points of the named measure, positive is better. A number that nobody checked at a source says so.",
    )
    titles = ("Technique", "Gain, points", "Data and model", "Where it stands", "Was it read there?")
    columns = tuple(Column(name, name.startswith("Gain")) for name in titles)
    return Section("claims", "What the papers claim", (intro, Table(columns, tuple(body), wide=True)))
