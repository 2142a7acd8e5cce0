"""What stands before the sections: what a reader must know first, and the answer."""

import math

from bakeoff.report import words
from bakeoff.report.page import Text, strong
from bakeoff.report.rows import EffectRow, waiting
from bakeoff.report.sections import derivation
from bakeoff.study.analyse import Results


def notices(results: Results) -> tuple[Text, ...]:
    """What is missing, said before anything else."""
    planned, there = len(results.records), len(results.runs)
    found = []
    if not there:
        found.append(Text.of(strong("No run has finished."), " There is nothing to state yet."))
    elif left := waiting(results):
        found.append(
            Text.of(
                strong(f"{left} of {words.counted(planned, 'run')} have not finished."),
                " What follows rests on the others and may change.",
            )
        )
    if results.grown_from:
        found.append(
            Text.of(
                strong(f"The study goes on from {words.listed(results.grown_from)}."),
                " Whoever goes on because of what the results look like errs more often than they think, so all "
                "intervals are wider and hold however often one looks. They needn't be where the size is settled "
                "before anything is seen: by --runs, --budget or --half-width.",
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
        if chosen:
            groups.append(Text.of(strong(f"{name}:"), f" {words.listed([_short(row, tone) for row in chosen])}."))
    return (first, *derivation.beside(results), *groups)


def _short(row: EffectRow, tone: str) -> str:
    assert row.effect is not None
    gain = words.signed(row.effect.gain_pp) if tone in ("helps", "hurts") else ""
    about = "; ".join(part for part in ("left out" if row.dropped else "", gain) if part)
    return f"{row.title} ({about})" if about else row.title
