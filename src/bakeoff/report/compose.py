"""The whole report of a study: which sections it has, in which order."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from bakeoff.files import printable
from bakeoff.report import commanded, words
from bakeoff.report.page import Page, Section
from bakeoff.report.rows import rows
from bakeoff.report.sections import contrasts, derivation, diagnostics, effects, numbers
from bakeoff.report.sections.health import notices
from bakeoff.report.sections.summary import headline
from bakeoff.study.analyse import Results


def page(results: Results) -> Page:
    """The whole report as data."""
    if results.spec.program:
        printed: Page = _printed(commanded.page(results))
        return printed
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
    whole = Page(
        title=f"{about} {words.dataset(results.spec.task)}",
        notices=notices(results),
        headline=headline(results, table),
        sections=tuple(section for section in sections if section),
    )
    printed = _printed(whole)
    return printed


def _printed(value: Any) -> Any:
    """The same with names from outside in it, of classes, folders or commands, as every format can show them."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple):
        return tuple(map(_printed, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _printed(getattr(value, each.name)) for each in fields(value)})
    return value
