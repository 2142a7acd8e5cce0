"""The stacked view: the techniques added one after the other, in the order of the recipe."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bakeoff.stats import effects
from bakeoff.stats.log_error import LogError
from bakeoff.study.analyse import Results


@dataclass(frozen=True)
class Step:
    """One step. before, after: accuracy in percent; low, high: interval of the step's gain, in points."""

    technique: str
    before: float
    after: float
    low: float
    high: float


@lru_cache(maxsize=4)  # one page asks for them several times, and the model takes a while
def steps(results: Results) -> tuple[Step, ...]:
    """The steps from the baseline to the recipe; none where the design can't say.

    Of a ladder as measured. Of a factorial or a derived recipe from the model of all runs, which aren't a ladder: any
    order could be drawn from them.
    """
    spec, runs = results.spec, results.known
    if spec.design == "ladder":
        gains = results.main
        start = results.baseline.acc["acc1"]
    elif spec.design in ("factorial", "proof") and len(runs):
        names, k = list(spec.names), len(spec.training)
        on = np.zeros(len(names), bool)
        scale = LogError.near_the_best((runs.acc * runs.view_at(spec.recipe_levels[k:])).sum(axis=1))
        gains, fitted = [], None
        for name in spec.order:
            index = names.index(name)
            if not spec.recipe_levels[index]:
                continue
            on[index] = True
            if index >= k or fitted is None:
                views = runs.view_at(on[k:])
                fitted = effects.surface(runs, views, scale)
            gains.append(effects.modelled(runs, names, on, fitted, "stacked")[index])
        off = np.zeros(len(names), bool)
        views = runs.view_at(off[k:])
        start = float(effects.surface(runs, views, scale).accuracy(off[None, :k]).mean[0])
    else:
        return ()
    heights = start + np.cumsum([0.0, *(gain.gain_pp for gain in gains)])
    if not np.isfinite(heights).all():
        return ()
    return tuple(
        Step(gain.technique, float(before), float(after), gain.low, gain.high)
        for gain, before, after in zip(gains, heights, heights[1:], strict=False)
    )
