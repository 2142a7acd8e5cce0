"""What the runs of the baseline and of the recipe say beyond Acc@1: classes, calibration, time, failures."""

import math
from dataclasses import dataclass

import numpy as np

from bakeoff.report.words import title
from bakeoff.runs.record import RunRecord, View
from bakeoff.stats.intervals import t_quantile
from bakeoff.study.analyse import Results


@dataclass(frozen=True)
class Change:
    """A mean over the baseline's and over the recipe's runs, and the interval of its change.

    low, high: NaN without two runs each, or where they all agree.
    """

    name: str
    baseline: float
    recipe: float
    low: float
    high: float

    @property
    def gain(self) -> float:
        """Recipe minus baseline."""
        return self.recipe - self.baseline


def corner_runs(results: Results, on: bool) -> list[RunRecord]:
    """The finished runs of the recipe's training techniques, or of none."""
    spec = results.spec
    wanted = tuple(bool(level) and on for level in spec.recipe_levels[: len(spec.training)])
    rows = zip(spec.rows, results.records, strict=True)
    return [r for row, r in rows if r and r.status == "done" and row.configuration == wanted]


def corner_views(results: Results, on: bool) -> list[View]:
    """Their evaluations, with the evaluation techniques on or off too."""
    levels = results.spec.recipe_levels
    wanted = results.spec.level_at(levels if on else np.zeros_like(levels)).view
    return [view for record in corner_runs(results, on) for view in record.views if view.name == wanted]


def class_changes(results: Results) -> list[Change]:
    """Acc@1 of every class that has images; empty unless baseline and recipe were both run."""
    before, after = (corner_views(results, on) for on in (False, True))
    if not before or not after:
        return []
    found = []
    for index, name in enumerate(results.spec.classes):
        pair = [[acc for view in views if (acc := view.per_class[index]) is not None] for views in (before, after)]
        if all(pair):
            found.append(_change(name, pair[0], pair[1], results.total.level))
    return found


def calibration(results: Results) -> list[Change]:
    """Cross-entropy and ECE (in percent) of baseline and recipe; empty unless both were run."""
    before, after = (corner_views(results, on) for on in (False, True))
    if not before or not after:
        return []
    level = results.total.level
    return [
        _change("Cross-entropy", [v.cross_entropy for v in before], [v.cross_entropy for v in after], level),
        _change("ECE, %", [100 * v.ece for v in before], [100 * v.ece for v in after], level),
    ]


def failures(results: Results) -> list[tuple[str, str, str]]:
    """Techniques, status and reason of every run that was lost."""
    found = []
    for row, record in zip(results.spec.rows, results.records, strict=True):
        if record and record.status in ("diverged", "crashed"):
            on = [title(name) for name, is_on in zip(results.spec.training, row.configuration, strict=True) if is_on]
            found.append((", ".join(on) or "none", record.status, record.reason))
    return sorted(found)


def _change(name: str, before: list[float], after: list[float], level: float) -> Change:
    """Welch's interval of the difference of two means."""
    a, b = np.array(before), np.array(after)
    half = math.nan
    if min(len(a), len(b)) > 1:
        parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
        variance = float(parts.sum())
        if variance:  # runs that all agree by chance don't make a change certain
            df = variance**2 / float((np.square(parts) / (np.array([len(a), len(b)]) - 1)).sum())
            half = t_quantile(level, df) * math.sqrt(variance)
    gain = float(b.mean() - a.mean())
    return Change(name, float(a.mean()), float(b.mean()), gain - half, gain + half)
