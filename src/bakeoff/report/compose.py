"""The whole report of a study: which sections it has, in which order."""

from bakeoff.report import words
from bakeoff.report.page import Page, Section
from bakeoff.report.rows import rows
from bakeoff.report.sections import contrasts, derivation, diagnostics, effects, numbers
from bakeoff.report.sections.summary import headline, notices
from bakeoff.study.analyse import Results


def page(results: Results) -> Page:
    """The whole report as data."""
    table = rows(results)
    sections: list[Section | None] = [effects.effects(results, table)]
    if len(results.runs):
        sections += [
            effects.yours_beside_the_post(results),
            derivation.found(results),
            contrasts.in_recipe(results, table),
            contrasts.pairs(results),
            contrasts.stacked(results),
            diagnostics.accuracy(results),
            diagnostics.learning(results),
            diagnostics.classes(results),
            diagnostics.calibration(results),
            diagnostics.noise(results),
        ]
    sections += [
        diagnostics.made(results),
        diagnostics.limits(results),
        numbers.numbers(results, table),
        numbers.claims(table),
    ]
    about = "A recipe for" if results.found else "What each technique buys on"
    return Page(
        title=f"{about} {words.dataset(results.spec.task)}",
        notices=notices(results),
        headline=headline(results, table),
        sections=tuple(section for section in sections if section),
    )
