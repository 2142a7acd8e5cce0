"""How strong: three strengths of each technique of a recipe, by a definitive screening design and a quadratic model.

Strengths are coded -1, 0, 1. A definitive screening design has 2m + 1 runs for an even number m of them: main effects
are clear of each other, of squares and of interactions (STATISTICS 6.5; Jones & Nachtsheim 2011,
https://doi.org/10.1080/00224065.2011.11917841).
"""

import itertools

import numpy as np

from bakeoff.errors import RequestError
from bakeoff.stats import hadamard
from bakeoff.stats.outcomes import Floats, Ints
from bakeoff.stats.surrogate import Priors, Surface, fit_features

MOST = 10  # techniques: all their combinations are looked at
# Of strengths, their products and, where techniques have triples, their squares.
PRIORS = Priors((0.05, 0.1, 0.2), (0.005, 0.02, 0.06), (0.02, 0.06, 0.15), (0.1, 0.02))


def design(m: int, seed: int = 0) -> Ints:
    """(2c + 1, m) of -1, 0 and 1, c the smallest order of a conference matrix that is at least m; the centre is last.

    Columns, levels and order are drawn. Raises RequestError for more than 10 strengths.
    """
    if not 1 <= m <= MOST:
        raise RequestError(f"a search takes 1 to {MOST} strengths, not {m}")
    draw = np.random.default_rng([*b"strengths", seed, m])
    core = hadamard.conference(max(m, 4))
    half = core[:, draw.permutation(len(core))[:m]] * np.where(draw.random(m) < 0.5, -1, 1)
    rows = np.concatenate([half, -half])[draw.permutation(2 * len(core))]
    return np.concatenate([rows, np.zeros((1, m), np.int64)]).astype(np.int64)


def combinations(m: int) -> Ints:
    """(3^m, m) all of them."""
    return np.array(list(itertools.product((-1, 0, 1), repeat=m)), np.int64)


def features(coded: Ints) -> Floats:
    """(N, F) constant, strengths, their products, their squares."""
    x = coded.astype(np.float64)
    pairs = [x[:, i] * x[:, j] for i, j in itertools.combinations(range(x.shape[1]), 2)]
    return np.column_stack([np.ones(len(x)), x, *pairs, np.square(x)])


def fit(coded: Ints, y: Floats, block: Ints, *, sigma: float, df: float, unit: float) -> Surface:
    """The model of accuracies y (N,) at strengths (N, m). unit: of effects, as of the techniques they are strengths of.

    sigma, df: see `model.fit`.
    """
    m = coded.shape[1]
    order = np.repeat([0, 1, 2, 3], [1, m, m * (m - 1) // 2, m])
    return fit_features(features(coded), order, y, block, sigma=sigma, df=df, priors=PRIORS.scaled(unit))


def settle(surface: Surface, usual: Ints, worth: float, sure: float = 0.9) -> Ints:
    """(m,) the strengths to take: the best expected, but as published, `usual` (m,), where that is as good.

    Only if it is better with probability `sure`; and each strength goes back to the published one if that is expected
    to lose less than `worth` points.
    """
    every = combinations(len(usual))
    best = every[int(np.argmax(features(every) @ surface.mean))].copy()
    if surface.coefficients(features(best[None]) - features(usual[None])).positive[0] < sure:
        return usual.copy()
    for _ in usual:
        back = np.repeat(best[None], len(usual), axis=0)
        np.fill_diagonal(back, usual)
        loss = (features(best[None]) - features(back)) @ surface.mean
        loss[best == usual] = np.inf
        if not loss.min() < worth:
            break
        best[int(np.argmin(loss))] = usual[int(np.argmin(loss))]
    return np.asarray(best, np.int64)
