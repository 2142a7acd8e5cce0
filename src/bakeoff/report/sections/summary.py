"""The answer, before the sections."""

import math

from bakeoff.report import words
from bakeoff.report.page import Text, strong
from bakeoff.report.rows import EffectRow
from bakeoff.report.sections import derivation
from bakeoff.study.analyse import Results


def headline(results: Results, table: list[EffectRow]) -> tuple[Text, ...]:
    """The answer: the total gain, then what to keep, what to leave out, what doesn't matter, and how sure that is."""
    total, digits = results.total, words.digits([results.total])
    names = [name for name, on in zip(results.spec.names, results.spec.recipe_levels, strict=True) if on]
    if math.isfinite(total.gain_pp):
        before, after = (
            words.number(corner.acc["acc1"], 2, words.PERCENT) for corner in (results.baseline, results.recipe)
        )
        interval = f"{words.percent(total.level)} interval {words.span(total.low, total.high, digits)}"
        if not math.isfinite(total.low + total.high):
            interval = f"too few runs for a {words.percent(total.level)} interval"
        verb, points = words.change(total.gain_pp, digits)
        what = f"Together, the {len(names)} techniques {verb} "
        if len(names) == 1:
            what = f"{words.title(names[0])} {verb}s "
        if results.found:
            listed = words.listed([words.title(name) for name in names])
            what = f"The recipe of {words.counted(len(names), 'technique')} ({listed}) {verb}s "
        first = Text.of(
            what if names else "The recipe is the baseline: it gains ",
            strong(points),
            f" of accuracy ({interval}): from {before} to {after} of the images classified correctly, ",
            f"{_means(results)}.",
        )
    elif results.spec.design in ("leave-one-out", "add-one"):
        other = "the baseline" if results.spec.design == "leave-one-out" else "the whole recipe"
        first = Text.of(*_own(results), f"This design doesn't train {other}, so it can't state the total gain.")
    else:
        first = Text.of("The total gain can't be stated: the runs of the baseline or of the recipe are missing.")
    if not len(results.runs):
        return ()
    groups = []
    for name, chosen in _groups(table) if results.judged else ():
        chosen.sort(key=_order)
        if name == "Doesn't matter" and results.spec.design == "leave-one-out":
            name = "Neither helps nor hurts (barnacles)"
        groups.append(Text.of(strong(f"{name}:"), f" {words.listed([_short(row) for row in chosen])}."))
    return (first, *derivation.beside(results), *groups, *_trust(results, table))


def _own(results: Results) -> tuple[str, ...]:
    """How good the recipe that was asked about is."""
    if results.spec.design != "leave-one-out" or not results.recipe.runs:
        return ()
    accuracy = words.number(results.recipe.acc["acc1"], 2, words.PERCENT)
    return (
        f"The recipe classifies {accuracy} of the images correctly, in {words.counted(results.recipe.runs, 'run')}. ",
    )


def _groups(table: list[EffectRow]) -> list[tuple[str, list[EffectRow]]]:
    """The rows by what to do, in the order in which that is told."""
    named = ("keep", "add", "leave out", "doesn't matter", "can't be told", "not measured")
    groups = {name: [row for row in table if row.advice == name] for name in named}
    return [(name.capitalize(), rows) for name, rows in groups.items() if rows]


def _means(results: Results) -> str:
    """How many runs the two accuracies are the means of."""
    before, after = results.baseline.runs, results.recipe.runs
    if before == after:
        return f"the means of {words.counted(before, 'run')} each" if before > 1 else "by one run each"
    return f"the means of {words.counted(before, 'run')} and of {words.counted(after, 'run')}"


def _order(row: EffectRow) -> tuple[bool, float]:
    """What is beyond doubt first, then what is surest."""
    return not row.established, -row.decision.p_sign if row.decision else 0.0


def _short(row: EffectRow) -> str:
    assert row.effect is not None
    about = ["left out"] if row.dropped and row.tone in ("no_effect", "none") else []
    if row.decision and row.decision.action != "either":
        errors = row.effect.errors
        about += [f"{words.errors(errors.removed)} errors" if errors else words.signed(row.effect.gain_pp)]
        about += [] if row.established else [f"{words.sureness(row.decision.p_sign)} sure"]
    star = "*" if row.established else ""
    return f"{row.title}{star} ({'; '.join(about)})" if about else f"{row.title}{star}"


def _trust(results: Results, table: list[EffectRow]) -> list[Text]:
    """What the mark means, and what it may cost to follow what isn't beyond doubt."""
    told = [row.decision for row in table if row.decision]
    open_ = [decision.loss_pp for decision in told if decision.action != "either" and not decision.established]
    parts = []
    if any(decision.established for decision in told):
        parts.append("* is beyond doubt: the interval that holds for all rows at once says the same.")
    if open_:
        rest = "the others" if parts else "that"
        parts.append(f"To follow {rest} is expected to lose {words.points(sum(open_))} points in all.")
    if any(decision.action == "either" for decision in told):
        parts.append(f"What doesn't matter is expected to lose less than {results.tolerance:g} points either way.")
        if results.spec.design == "leave-one-out":
            parts.append("That is of each with all the others on: leave out one, and ask again.")
    if results.spec.design == "factorial" and parts:
        parts.append(
            "That is what holds in general, averaged over the other techniques; inside this recipe it may differ."
        )
    if results.spec.looks and results.judged and not results.left:
        parts.append(_ended(results, [row.title for row in table if row.decision and _open(row, results)]))
    return [Text.of(" ".join(parts))] if parts else []


def _open(row: EffectRow, results: Results) -> bool:
    return row.decision is not None and row.decision.loss_pp > results.tolerance


def _ended(results: Results, unsettled: list[str]) -> str:
    """Why a study ended that does so by itself."""
    spec = results.spec
    most = spec.looks[-1] * (len(spec.training) + 1)
    if not unsettled:
        return f"All of this was settled with {len(spec.rows)} of at most {most} runs."
    were = "was" if len(unsettled) == 1 else "were"
    return f"{words.listed(unsettled)} {were} not settled with the {most} runs that were allowed."
