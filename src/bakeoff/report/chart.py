"""The charts of a study. They say the same in colour, in gray and to the colour-blind: by place, fill, line and words.

`narrow` draws for a page as wide as a phone.
"""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bakeoff.errors import RequestError
from bakeoff.files import printable
from bakeoff.plan import Plan
from bakeoff.report import words
from bakeoff.report.baseline_vs_recipe import Change, class_changes, corner_runs
from bakeoff.report.rows import EffectRow, rows
from bakeoff.report.stacked import steps
from bakeoff.study.analyse import Results

# A blue and an orange that the colour-blind tell apart. Each stands out from the paper by 3:1, and from each the ink of
# the intervals that are drawn over it, in the light and in the dark (WCAG 2.2, 1.4.11).
INK, MUTED, GRID, PAPER = "#1c2126", "#5c656e", "#d6dbe0", "#fefefe"
YOURS, POST = "#3a92cc", "#c77f00"
COLOURS = {"ink": INK, "muted": MUTED, "grid": GRID, "paper": PAPER, "yours": YOURS, "post": POST}
DARK = dict(zip(COLOURS, ("#e8ebee", "#a3acb5", "#3a424a", "#15191d", "#2979b4", "#c98a00"), strict=True))
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "bakeoff",
    "text.parse_math": False,  # a class may be called $x$
}
_WIDE, _NARROW = 8.4, 4.1  # inches
MOST_CLASSES = 20


def effects_chart(results: Results, *, narrow: bool = False) -> Figure:
    """The gain of every technique as a horizontal bar with its intervals, yours and the post's side by side."""
    table = rows(results)
    with mpl.rc_context(STYLE):
        figure, axes = _axes(len(table), 0.66 if narrow else 0.52, narrow, extra=1.1)
        limits = _limits(table)
        for place, row in enumerate(table):
            if row.effect is not None and row.measured:
                e = row.effect
                decided = row.judged and (e.sim_low > 0 or e.sim_high < 0)
                axes.barh(place - 0.17, e.gain_pp, 0.36, color=YOURS if decided else PAPER, edgecolor=YOURS, lw=1.2)
                axes.plot([e.sim_low, e.sim_high], [place - 0.17] * 2, color=INK, lw=0.8, marker="|", ms=5, zorder=3)
                axes.plot([e.low, e.high], [place - 0.17] * 2, color=INK, lw=2.2, solid_capstyle="butt", zorder=4)
                for end, edge, mark in ((e.sim_low, limits[0], "<"), (e.sim_high, limits[1], ">")):
                    if abs(end) > abs(edge) and end * edge > 0:
                        axes.plot(edge, place - 0.17, mark, color=INK, ms=5, clip_on=False)
            if row.post:
                axes.barh(place + 0.21, row.post.acc1, 0.24, color=POST)
        axes.set_xlim(*limits)
        if narrow:
            _above(axes, table, words.digits(results.main))
        else:
            _name(axes, [f"{row.title}\n{words.SYMBOLS[row.tone]} {row.advice}" for row in table])
            _numbers(axes, table, words.digits(results.main))
        _finish(axes, "gain in Acc@1, points", narrow)
        level = results.total.level
        _legend(
            figure,
            [
                Patch(facecolor=YOURS, edgecolor=YOURS, label="yours, thin line leaves out 0"),
                Patch(facecolor=PAPER, edgecolor=YOURS, label="yours, thin line holds 0"),
                Patch(facecolor=POST, label="the post (ImageNet, stacked)"),
                Line2D([], [], color=INK, lw=2.2, label=f"{words.percent(level)} interval"),
                Line2D([], [], color=INK, lw=0.8, marker="|", ms=5, label="interval for all rows at once"),
            ],
            narrow,
        )
    return figure


def waterfall(results: Results, *, narrow: bool = False) -> Figure:
    """From the baseline to the recipe, a step per technique, in the order of the recipe: it depends on that order.

    Raises RequestError where the design, or the runs so far, can't say.
    """
    found = steps(results)
    if not found:
        raise RequestError(
            f"study {results.spec.name} can't say what techniques add up to; a factorial or a ladder can"
        )
    with mpl.rc_context(STYLE):
        figure, axes = _axes(len(found) + 2, 0.36, narrow, extra=1.0)
        ends = [value for step in found for value in (step.before, step.after, step.before + step.low)]
        ends += [step.before + step.high for step in found]
        corners = results.baseline.acc["acc1"], results.recipe.acc["acc1"]
        ends += [acc for acc in corners if math.isfinite(acc)]
        low, high = max(0.0, min(ends)), min(100.0, max(ends))
        left = low - 0.12 * (high - low)
        for place, step in enumerate(found, start=1):
            gain = step.after - step.before
            axes.barh(place, gain, 0.56, left=step.before, color=YOURS if gain > 0 else PAPER, edgecolor=YOURS, lw=1.2)
            axes.plot([step.before + step.low, step.before + step.high], [place] * 2, color=INK, lw=1.6)
            axes.plot([step.after] * 2, [place - 0.28, place + 1.28], color=MUTED, lw=0.8)
        measured = [(place, acc) for place, acc in zip((0, len(found) + 1), corners, strict=True) if math.isfinite(acc)]
        for place, acc in measured:
            axes.barh(place, acc - left, 0.56, left=left, color=GRID, edgecolor=MUTED, lw=0.8)
        labels = [f"{words.title(step.technique)}  {words.signed(step.after - step.before)}" for step in found]
        labels = [f"baseline  {words.number(corners[0], 2, words.PERCENT)}", *labels]
        labels.append(f"recipe  {words.number(corners[1], 2, words.PERCENT)}")
        _name(axes, labels)
        axes.set_xlim(left, high + 0.04 * (high - low))
        _finish(axes, "Acc@1, %", narrow, zero=False)
        _legend(
            figure,
            [
                Patch(facecolor=YOURS, edgecolor=YOURS, label="gain"),
                Patch(facecolor=PAPER, edgecolor=YOURS, label="loss"),
                Patch(facecolor=GRID, edgecolor=MUTED, label="measured"),
                Line2D([], [], color=INK, lw=1.6, label=f"{words.percent(results.total.level)} interval of the step"),
            ],
            narrow,
        )
    return figure


def curves(results: Results, *, narrow: bool = False) -> Figure:
    """Training loss of the baseline's and the recipe's runs over the images seen: thin lines runs, thick their mean."""
    with mpl.rc_context(STYLE):
        figure, axes = _axes(8, 0.36, narrow)
        for name, colour, line in (("baseline", POST, "--"), ("recipe", YOURS, "-")):
            tracks = []
            for record in corner_runs(results, name == "recipe"):
                if record.losses:
                    seen = np.array(record.losses.step) * Plan.model_validate(record.plan).batch_size / 1000
                    axes.plot(seen, record.losses.loss, line, color=colour, lw=0.6, alpha=0.6)
                    tracks.append((seen, record.losses.loss))
            if tracks and all(np.array_equal(tracks[0][0], seen) for seen, _ in tracks):
                seen, mean = tracks[0][0], np.mean([loss for _, loss in tracks], axis=0)
                axes.plot(seen, mean, line, color=colour, lw=2.2, label=name)
                axes.annotate(name, (seen[-1], mean[-1]), (4, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_ylabel("training loss")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.02)
        axes.grid(color=GRID, lw=0.6)
        _finish(axes, "images seen in training, thousands", narrow, zero=False)
    return figure


def per_class(results: Results, *, narrow: bool = False) -> Figure:
    """Acc@1 of every class, from the baseline to the recipe; of many classes those that change most."""
    changes = shown_classes(class_changes(results))
    with mpl.rc_context(STYLE):
        figure, axes = _axes(len(changes), 0.32, narrow, extra=0.9)
        for place, change in enumerate(changes):
            axes.plot([change.baseline, change.recipe], [place] * 2, color=MUTED, lw=1.4, zorder=1)
            axes.plot(change.baseline, place, "o", color=PAPER, mec=POST, mew=1.6, ms=7)
            axes.plot(change.recipe, place, "o", color=YOURS, ms=7)
        labels = [f"{_short(change.name)}  {words.signed(change.gain, 1)}" for change in changes]
        _name(axes, labels)
        _finish(axes, "Acc@1 of the class, %", narrow, zero=False)
        marks = [
            Line2D([], [], ls="", marker="o", color=PAPER, mec=POST, mew=1.6, ms=7, label="baseline"),
            Line2D([], [], ls="", marker="o", color=YOURS, ms=7, label="recipe"),
        ]
        _legend(figure, marks, narrow)
    return figure


def shown_classes(changes: Sequence[Change]) -> list[Change]:
    """The classes from the largest gain to the largest loss; of many, those at both ends."""
    ranked = sorted(changes, key=lambda change: -change.gain)
    half = MOST_CLASSES // 2
    return ranked if len(ranked) <= MOST_CLASSES else ranked[:half] + ranked[-half:]


def _axes(count: int, each: float, narrow: bool, extra: float = 0.7) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_NARROW if narrow else _WIDE, each * count + extra + 0.5 * narrow), layout="constrained")
    return figure, figure.add_subplot()


def _name(axes: Axes, labels: Sequence[str]) -> None:
    """Name the bars, the first on top."""
    axes.set_yticks(range(len(labels)), labels, linespacing=1.25)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def _above(axes: Axes, table: Sequence[EffectRow], digits: int) -> None:
    """Name the bars above them, where beside them there's no room: technique, advice and gain."""
    axes.set_yticks([])
    axes.set_ylim(len(table) - 0.5, -0.75)
    for y, row in enumerate(table):
        style: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
        style["bbox"] = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}  # so that no line runs through the words
        axes.text(0, y - 0.53, f"{row.title}  {words.SYMBOLS[row.tone]} {row.advice}", **style)
        if row.effect is not None and row.measured:
            axes.text(1, y - 0.53, words.signed(row.effect.gain_pp, digits), ha="right", **style)


def _finish(axes: Axes, label: str, narrow: bool, zero: bool = True) -> None:
    axes.set_xlabel(label)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GRID, lw=0.6)
    axes.locator_params(axis="x", nbins=5 if narrow else 8)
    if zero:
        axes.axvline(0, color=INK, lw=0.9)


def _legend(figure: Figure, handles: Sequence[Patch | Line2D], narrow: bool) -> None:
    columns = (1 if len(handles) > 3 else len(handles)) if narrow else min(4, len(handles))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5)


def _numbers(axes: Axes, table: Sequence[EffectRow], digits: int) -> None:
    """The gains in figures, to the right."""
    for x, title in ((1.07, "yours"), (1.15, "post")):
        axes.text(x, 1.0, title, transform=axes.transAxes, ha="right", va="bottom", color=MUTED, fontsize=8.5)
    place = axes.get_yaxis_transform()
    for y, row in enumerate(table):
        if row.effect is not None and row.measured:
            axes.text(1.07, y, words.signed(row.effect.gain_pp, digits), transform=place, ha="right", va="center")
        if row.post:
            post = words.signed(row.post.acc1)
            axes.text(1.15, y, post, transform=place, ha="right", va="center", color=MUTED)


def _limits(table: Sequence[EffectRow]) -> tuple[float, float]:
    """Left and right end of the axis: all bars and, unless they're out of all proportion, all intervals."""
    bars = [0.0, *(row.post.acc1 for row in table if row.post)]
    ends = [0.0]
    for row in table:
        if row.effect is not None and row.measured:
            bars.append(row.effect.gain_pp)
            ends += [end for end in (row.effect.sim_low, row.effect.sim_high) if math.isfinite(end)]
    reach = 2.5 * max(0.1, *map(abs, bars))
    low, high = max(min(ends + bars), -reach), min(max(ends + bars), reach)
    room = 0.04 * max(high - low, 0.1)
    return low - room, high + room


def _short(name: str, length: int = 24) -> str:
    name = printable(name)
    return name if len(name) <= length else f"{name[: length - 1]}…"
