"""Which recipe to try next: Thompson sampling on the model of all runs (STATISTICS 6.2).

A draw from the posterior is one way the world may be; its best configuration is tried. So a configuration is tried as
often as it may be the best: what is known to be worse costs no runs, what is unknown gets them.
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from bakeoff.errors import RequestError
from bakeoff.stats import designs
from bakeoff.stats import surrogate as model
from bakeoff.stats.log_error import LogError
from bakeoff.stats.noise import measure
from bakeoff.stats.outcomes import Bools, Floats, Ints, Runs
from bakeoff.stats.surrogate import Surface, features

BATCH = 4  # configurations a time, whatever the number of processes: results must not depend on it
CORNERS = 1  # more pairs of all on and all off than the factorial has: together two of each, which show the noise
MOST = 14  # techniques: all their configurations are looked at
_DRAWS = 256  # for the expected regret


@dataclass(frozen=True, eq=False)
class Incumbent:
    """What the runs so far say.

    best: (k,) the configuration with the highest expected accuracy. value, sd: that expectation, in percent, and its
    uncertainty in points. regret: by how much the true best is expected to be better, in points.
    """

    best: Bools
    value: float
    sd: float
    regret: float


def initial_design(k: int, seed: int = 0) -> designs.Design:
    """The first runs: one block of a folded factorial, and the baseline and the whole recipe once more."""
    return designs.factorial(k, corners=CORNERS, seed=seed)


def configurations(k: int) -> Bools:
    """(2^k, k) all of them. Raises RequestError for more than 14 techniques."""
    if k > MOST:
        raise RequestError(f"a search takes up to {MOST} training techniques, not {k}; leave some out (--exclude)")
    return np.array(list(itertools.product([False, True], repeat=k)))


def fit_surrogate(runs: Runs, views: Floats, short: Bools | None = None) -> Surface:
    """The model that a search goes by, for the accuracies that `views` (V,) picks: of the logarithm of the error.

    On that scale techniques nearly add up and bad configurations are as noisy as good ones, so that their runs tell
    more about the best. Main effects and interactions of two only: with the third order it finds worse recipes, even
    where there is one. Its coefficients are in points at the error of the better half of the runs. short: (N,) runs of
    another length, which say less the more they differ.
    """
    y = (runs.acc * views).sum(axis=1)
    usual = y if short is None else y[~short]
    scale = LogError.near_the_best(usual)
    points = scale.of(y)
    on_scale = Runs(runs.levels, points[:, None], runs.block, None, runs.lost)
    noise = measure(on_scale if short is None else on_scale[np.flatnonzero(~short)])
    sigma = math.sqrt(noise.replicate.value) if noise.replicate.df else noise.sigma
    if not sigma > 0:
        sigma = max(float(np.std(points)) / 4, 1e-3)
    priors = replace(model.PRIORS, triple=(0.0,)).scaled(model.unit(runs.levels, points))
    found = model.fit(runs.levels, points, runs.block, sigma=sigma, df=noise.replicate.df, priors=priors, short=short)
    return replace(found, scale=scale)


def incumbent(surface: Surface, allowed: Bools, draw: np.random.Generator) -> Incumbent:
    """The best of the `allowed` (P, k) configurations so far."""
    best, value, sd, regret = highest(surface, features(allowed), draw)
    return Incumbent(allowed[best], value, sd, regret)


def suggest(surface: Surface, allowed: Bools, draw: np.random.Generator, n: int = BATCH) -> Bools:
    """(n, k) configurations to run next, each the best in a world drawn from the posterior."""
    chosen: Bools = allowed[best_in_draws(surface, features(allowed), draw, n)]
    return chosen


def highest(surface: Surface, phi: Floats, draw: np.random.Generator) -> tuple[int, float, float, float]:
    """Which of the features (P, F) has the highest expectation, that, its sd, and the expected regret."""
    best = int(np.argmax(phi @ surface.mean))
    values = surface.draw(_DRAWS, draw) @ phi.T
    highest, chosen = values.max(axis=1), values[:, best]
    if surface.scale is not None:
        highest, chosen = surface.scale.back(highest), surface.scale.back(chosen)
    belief = surface.in_percent(surface.coefficients(phi[[best]]))
    return best, float(belief.mean[0]), float(belief.sd[0]), float(np.mean(highest - chosen))


def best_in_draws(surface: Surface, phi: Floats, draw: np.random.Generator, n: int = BATCH) -> Ints:
    """(n,) which of the features (P, F) is the best in each of n worlds drawn from the posterior."""
    return np.asarray(np.argmax(surface.draw(n, draw) @ phi.T, axis=1), np.int64)


def seeds(proposed: Bools, first: int) -> Ints:
    """(n,) training seeds, from `first` on, for configurations (n, k) that are run together.

    They share one, so that they are compared with each other where seeds matter; where a configuration comes again it
    takes the next.
    """
    before: Counter[bytes] = Counter()
    found = []
    for row in proposed:
        found.append(first + before[row.tobytes()])
        before[row.tobytes()] += 1
    return np.array(found, np.int64)
