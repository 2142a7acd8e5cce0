"""What a gain is worth in training time, by what the study's own long training buys."""

import math
from collections.abc import Sequence

from bakeoff.plan import Plan
from bakeoff.stats.table import Effect
from bakeoff.study.spec import StudySpec

_LENGTH = "long_training"  # the technique whose effect is the slope


def worth(spec: StudySpec, effects: Sequence[Effect]) -> dict[str, float]:
    """Technique -> times the training length that buy as much as it does; below 1 where it costs accuracy.

    A gain is taken to grow with the logarithm of the length, from the baseline's to the recipe's: where long training
    buys L for a ratio r, a gain g is worth r^(g / L). Nothing of effects larger than L, which would be beyond what was
    seen; nothing at all where L isn't beyond doubt, or the study has no long training.
    """
    slope = next((effect for effect in effects if effect.technique == _LENGTH), None)
    if slope is None or spec.program or not slope.sim_low > 0 or slope.method == "model" or spec.tuned:
        return {}
    longer, usual = (Plan.model_validate(plan).examples_seen for plan in (spec.recipe_plan, spec.base_plan))
    if longer <= usual:
        return {}
    return {
        effect.technique: math.pow(longer / usual, effect.gain_pp / slope.gain_pp)
        for effect in effects
        if effect is not slope and abs(effect.gain_pp) <= slope.gain_pp
    }
