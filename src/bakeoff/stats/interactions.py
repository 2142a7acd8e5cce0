"""Which techniques work with each other, and which fight."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bakeoff.stats import distributions
from bakeoff.stats.noise import odd_space
from bakeoff.stats.outcomes import Runs
from bakeoff.stats.surrogate import Surface, terms

SURE = 0.95  # probability of the sign from which on a pair is named


@dataclass(frozen=True)
class Interaction:
    """How much more one technique buys where the other is on than where it's off, averaged over the rest, in points.

    Of a model on the scale of the error: beyond what shares of the error multiply to, in points at its reference.
    probability: that the sign is right. Exploratory: of the pairs named about one in twenty may have the wrong sign.
    established: of all pairs that were looked at, as good as none has.
    """

    first: str
    second: str
    gain_pp: float
    low: float
    high: float
    level: float
    probability: float
    established: bool = False

    @property
    def relation(self) -> Literal["works with", "fights with"]:
        """In words."""
        return "works with" if self.gain_pp > 0 else "fights with"


def interactions(
    runs: Runs, names: Sequence[str], fitted: Surface, *, sure: float = SURE, level: float = 0.95
) -> list[Interaction]:
    """The pairs whose sign is `sure`, the strongest first; with sure=0 all that can be estimated.

    Two training techniques: from the model of all runs, `effects.surface`. A training and an evaluation technique: from
    the fold pairs, the effect of one on the difference that the other makes within a run. names: k + E.
    """
    k = runs.levels.shape[1]
    found = []
    pairs = [term for term in terms(k, 2) if len(term) == 2]
    if pairs:
        rows = np.zeros((len(pairs), len(terms(k))))
        rows[np.arange(len(pairs)), 1 + k + np.arange(len(pairs))] = 4  # on/off coding
        belief = fitted.coefficients(rows)
        wide = distributions.normal_ppf(0.5 + level / 2) * belief.sd
        for (a, b), gain, half, positive in zip(pairs, belief.mean, wide, belief.positive, strict=True):
            sign = float(max(positive, 1 - positive))
            found.append(_named(names[a], names[b], float(gain), float(half), level, sign))
    bare = replace(runs, hits=None)  # what single images say isn't asked
    if fitted.scale is not None:
        bare = fitted.scale.runs(runs)
    for technique in range(runs.evaluations):
        odd = odd_space(bare, runs.view_effect(technique))
        if odd is None or not odd.df:
            continue
        se = np.sqrt(odd.s2 * np.diag(odd.cov))
        for j, (gain, error) in enumerate(zip(odd.beta, se, strict=True)):
            sign = 1 - distributions.t_sf(abs(gain) / error, odd.df) if error else 1.0 if gain else 0.5
            half = distributions.t_ppf(0.5 + level / 2, odd.df) * float(error)
            found.append(_named(names[j], names[k + technique], float(gain), half, level, sign))
    beyond = 1 - (1 - level) / 2 / max(1, len(found))  # Bonferroni
    named = (replace(pair, established=pair.probability >= beyond) for pair in found if pair.probability >= sure)
    return sorted(named, key=lambda pair: -abs(pair.gain_pp))


def _named(first: str, second: str, gain: float, half: float, level: float, probability: float) -> Interaction:
    return Interaction(first, second, gain, gain - half, gain + half, level, probability)
