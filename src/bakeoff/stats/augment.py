"""Which runs next: those that say most about the effects inside a recipe."""

import itertools
from collections.abc import Callable

import numpy as np

from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.surrogate import Scales, features, terms

_ALL = 12  # up to here every configuration is a candidate; beyond, those that differ in at most four from the recipe


def augment_near(
    recipe: Bools,
    scales: Scales,
    n: int,
    *,
    seen: Bools | None = None,
    cost: Callable[[Bools], Floats] | None = None,
) -> Bools:
    """(n, k) configurations to run next, greedily Bayesian A-optimal for the in-recipe effects (STATISTICS 3).

    Main effects and interactions of two have prior variances scales.main^2 and scales.pair^2; every run added is the
    one that lowers the summed posterior variance of the k effects at `recipe` (k,) most per cost. seen: (N, k)
    configurations already run. cost: of each of (P, k) configurations, any unit.
    """
    k = len(recipe)
    candidates = _candidates(recipe)
    phi = features(candidates, order=2)
    per_cost = 1 / cost(candidates) if cost is not None else np.ones(len(candidates))
    order = np.array([len(term) for term in terms(k, 2)])
    covariance = np.diag(np.square(scales.prior_sd(order)))
    for row in features(seen, order=2) if seen is not None else ():
        learned = covariance @ row
        covariance -= np.outer(learned, learned) / (scales.sigma**2 + row @ learned)
    effects = features(recipe[None], order=2) - features(recipe ^ np.eye(k, dtype=bool), order=2)
    spread = phi @ covariance  # (P, F), kept up to date as runs are added
    chosen = []
    for _ in range(n):
        noise = scales.sigma**2 + np.einsum("pf,pf->p", spread, phi)
        gain = np.square(spread @ effects.T).sum(axis=1) / noise * per_cost
        best = int(np.argmax(gain))
        chosen.append(best)
        learned = spread[best].copy()
        spread -= np.outer(phi @ learned, learned / noise[best])
    return candidates[chosen]


def _candidates(recipe: Bools) -> Bools:
    k = len(recipe)
    if k <= _ALL:
        return np.array(list(itertools.product([False, True], repeat=k)))
    near = [switched for size in range(5) for switched in itertools.combinations(range(k), size)]
    candidates = np.tile(recipe, (len(near), 1))
    for row, switched in enumerate(near):
        candidates[row, list(switched)] ^= True
    return candidates
