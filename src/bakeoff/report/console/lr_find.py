"""What a learning-rate range test found, on a terminal."""

import math
from functools import partial

from rich.console import Console

from bakeoff.report.console.text import Column, plain, say, show_table
from bakeoff.report.words import rate
from bakeoff.runs.lr_find import LearningRates

_A_DECADE = 3  # lines of the table
_WIDEST = 32  # columns of its bars


def show(console: Console, found: LearningRates) -> None:
    """The loss at rates along the way, and what to try."""
    test, own = found.test, found.plan.lr.per_256
    places: dict[int, int] = {}
    for index, each in enumerate(test.rates):
        places.setdefault(math.floor(math.log10(each) * _A_DECADE), index)
    most = 1.2 * test.smooth[0]  # what exploded would leave nothing to be seen of the rest
    nearest = partial(_nearest, {place: test.rates[index] for place, index in places.items()})
    marks = {nearest(own): "the plan's own", nearest(test.suggested): "suggested"}
    rows = []
    for place, index in places.items():
        bar = "\u2501" * round(_WIDEST * min(1.0, test.smooth[index] / most))
        note = marks.get(place, "")
        style = "bold" if note else ""
        rows.append(
            [plain(cell, style=style) for cell in (rate(test.rates[index]), f"{test.smooth[index]:.3f}", bar, note)]
        )
    columns = [Column("rate per 256", right=True), Column("loss", right=True), Column("", whole=True), Column("")]
    show_table(console, columns, rows)
    too_large = f", and from {rate(test.largest)} on nothing is learned" if test.largest else ""
    say(console, f"the loss is lowest at {rate(test.suggested)}{too_large}; the plan has {rate(own)}")
    say(console, f"begin with: --set lr.per_256={rate(test.suggested)}")


def _nearest(rates: dict[int, float], value: float) -> int:
    return min(rates, key=lambda place: abs(math.log(rates[place] / value)))
