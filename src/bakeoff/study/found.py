"""How a derived recipe was found, for its report."""

from dataclasses import dataclass

import numpy as np

from bakeoff.stats import level_sweep as strengths
from bakeoff.stats.outcomes import Floats
from bakeoff.stats.surrogate import PosteriorSummary, features
from bakeoff.study import decide, sweep
from bakeoff.study.decide import SearchState
from bakeoff.study.gather import Derived
from bakeoff.study.search import SPLIT, SearchSpec
from bakeoff.study.spec import StudySpec


@dataclass(frozen=True, eq=False)
class Found:
    """How a recipe was found.

    look: what the search knew when it ended. fresh: (R,) accuracy of the proof's runs of the recipe on the split that
    the search looked at, in percent: with the same images and other seeds. in_recipe: what the search believed of each
    training technique beside its choice. strengths: what it believed that the strengths which were taken gain over the
    published ones; None where none was tried. seconds: of training, all runs of the search together.
    """

    asked: SearchSpec
    look: SearchState
    fresh: Floats
    in_recipe: PosteriorSummary
    strengths: PosteriorSummary | None
    seconds: float


def found_by(proof: StudySpec, derived: Derived) -> Found:
    """How the recipe of a proof was found."""
    asked = derived.asked
    now = decide.update(asked, derived.search, proof.recipe_levels)
    best, k = now.incumbent.best, len(now.incumbent.best)
    rows = np.where(best, 1.0, -1.0)[:, None] * (features(best[None]) - features(best ^ np.eye(k, dtype=bool)))
    records = [
        record
        for row, record in zip(proof.rows, derived.proof, strict=True)
        if record and record.status == "done" and row.configuration == now.reference[:k]
    ]
    view = proof.level_at(proof.recipe_levels).view_of(SPLIT)
    fresh = [view_.acc[f"acc{asked.k}"] for record in records for view_ in record.views if view_.name == view]
    tuned = None
    if proof.knobs:
        seen = sweep.update(asked, derived.search, now, proof.knobs, proof.sweep_points, derived.swept)
        chosen, usual = (np.array([[getattr(knob, at) for knob in proof.knobs]]) for at in ("chosen", "usual"))
        tuned = seen.surface.coefficients(strengths.features(chosen) - strengths.features(usual))
    made = derived.search.records[: len(derived.search.rows)]
    seconds = sum(record.seconds for record in (*made, *derived.swept) if record)
    return Found(asked, now, np.array(fresh), _in_percent(now, rows), tuned, seconds)


def _in_percent(now: SearchState, rows: Floats) -> PosteriorSummary:
    """Effects beside the best recipe, `rows` (k, F) of the surface's coefficients, in points of accuracy."""
    best = now.incumbent.best
    toggled = best ^ np.eye(len(best), dtype=bool)
    gain = now.surface.accuracy(best[None]).mean - now.surface.accuracy(toggled).mean
    belief, scale = now.surface.coefficients(rows), now.surface.scale
    slope = 1.0 if scale is None else scale.slope(now.surface.coefficients(features(best[None])).mean)
    return PosteriorSummary(np.where(best, gain, -gain), belief.sd * slope, belief.positive)
