"""The answer, before the sections."""

import math

from bakeoff.report import words
from bakeoff.report.page import Text, strong
from bakeoff.report.rows import EffectRow
from bakeoff.report.sections import derivation
from bakeoff.study.analyse import Results


def headline(results: Results, table: list[EffectRow]) -> tuple[Text, ...]:
    """The answer: the total gain, then what helps, hurts, does nothing worth having, and what is undecided."""
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
        if results.found:
            listed = words.listed([words.title(name) for name in names])
            what = f"The recipe of {words.counted(len(names), 'technique')} ({listed}) {verb}s "
        first = Text.of(
            what if names else "The recipe is the baseline: it gains ",
            strong(points),
            f" of accuracy ({interval}): from {before} to {after} of the images classified correctly.",
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
        ("Helps", "helps"),
        ("Hurts", "hurts"),
        ("No effect worth having", "no_effect"),
        ("Undecided", "undecided"),
        ("Not measured", "none"),
    ):
        chosen = [row for row in table if row.tone == tone and row.effect is not None]
        chosen.sort(key=lambda row: -abs(row.effect.gain_pp) if row.effect and row.measured else 0)
        if chosen and results.judged:
            groups.append(Text.of(strong(f"{name}:"), f" {words.listed([_short(row, tone) for row in chosen])}."))
    return (first, *derivation.beside(results), *groups)


def _short(row: EffectRow, tone: str) -> str:
    assert row.effect is not None
    gain = words.signed(row.effect.gain_pp) if tone in ("helps", "hurts") else ""
    about = "; ".join(part for part in ("left out" if row.dropped else "", gain) if part)
    return f"{row.title} ({about})" if about else row.title
