"""Simulated worlds in which the truth is known: what each configuration is worth, and how noisy a run is.

After the worlds of STATISTICS: effects of about 0.36 points, interactions of about 0.12 (on/off coding), small terms of
order three; `structured` has seven regularisers that are redundant with each other and helped by long training.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bakeoff.stats import outcomes as runs
from bakeoff.stats.designs import Design
from bakeoff.stats.outcomes import Bools, Floats
from bakeoff.stats.surrogate import features, terms

K = 12
NAMES = [f"technique-{number}" for number in range(K)]
ON, OFF = np.ones(K, bool), np.zeros(K, bool)
ALL = np.array(list(itertools.product([False, True], repeat=K)))


@dataclass(frozen=True, eq=False)
class World:
    """f(x), by its coefficients in +-1 coding, `terms(K)`."""

    coefficients: Floats

    def value(self, levels: Bools) -> Floats:
        return features(levels) @ self.coefficients

    @property
    def averaged(self) -> Floats:
        """M_j, which is twice the coefficient."""
        return 2 * self.coefficients[1 : K + 1]

    def averaged_slowly(self) -> Floats:
        """M_j, by going through all configurations."""
        everywhere = self.value(ALL)
        return np.array([everywhere[ALL[:, j]].mean() - everywhere[~ALL[:, j]].mean() for j in range(K)])

    def beside(self, reference: Bools) -> Floats:
        """R_j at a configuration, A_j at all off."""
        toggled = self.value(reference ^ np.eye(K, dtype=bool))
        return np.where(reference, 1, -1) * (self.value(reference[None]) - toggled)


def unstructured(draw: np.random.Generator, pair: float = 0.03, triple: float = 0.006) -> World:
    size = np.array([len(term) for term in terms(K)])
    scale = np.array([0.0, 0.18, pair, triple])[size]
    coefficients = scale * draw.standard_normal(len(scale))
    coefficients[0] = 90
    return World(coefficients)


def additive(draw: np.random.Generator) -> World:
    return unstructured(draw, 0, 0)


def structured(draw: np.random.Generator) -> World:
    """Technique 0 is long training, 1 to 7 the regularisers."""
    alone = draw.uniform(0.1, 0.5, K)
    pairs = draw.normal(0, 0.03, (K, K))
    pairs[1:8, 1:8] -= draw.uniform(0.03, 0.13, (7, 7))
    pairs[0, 1:8] += draw.uniform(0.05, 0.25, 7)
    pairs = np.triu(pairs, 1)
    coefficients = np.zeros(len(terms(K)))
    for index, term in enumerate(terms(K)):
        if len(term) == 1:
            coefficients[index] = alone[term[0]] / 2 + (pairs[term[0]].sum() + pairs[:, term[0]].sum()) / 4
        elif len(term) == 2:
            coefficients[index] = pairs[term] / 4
        elif len(term) == 3:
            coefficients[index] = draw.normal(0, 0.006)
    coefficients[0] = 90
    return World(coefficients)


def pack(hits: Bools) -> runs.Hits:
    """From (N, n) or (N, 2, ..., 2, n) bool."""
    packed = np.packbits(hits, axis=-1)
    return runs.Hits(packed.reshape(len(hits), -1, packed.shape[-1]), hits.shape[-1])


def scattered(count: int, draw: np.random.Generator) -> Design:
    """Runs of random configurations, each with a seed of its own: no two are compared, and no effects are separate."""
    return Design("toggles", draw.random((count, K)) < 0.5, np.arange(count), 0)


def measured(
    world: World, design: Design, sigma: float, draw: np.random.Generator, *, rho: float = 0.0, heavy: bool = False
) -> runs.Runs:
    """The runs of a design. rho: correlation of runs that share a seed. heavy: t3 noise that techniques amplify."""
    seeds, block = np.unique(design.block, return_inverse=True)
    noise = draw.standard_normal(len(design))
    if heavy:
        noise = draw.standard_t(3, len(design)) / np.sqrt(3) * np.sqrt(0.5 + design.levels.mean(axis=1))
    noise = np.sqrt(rho) * draw.standard_normal(len(seeds))[block] + np.sqrt(1 - rho) * noise
    return runs.Runs.collect(design.levels, world.value(design.levels) + sigma * noise, design.block)


def classified(
    chance: npt.NDArray[np.float64], sigma_d: float, draw: np.random.Generator, count: int
) -> npt.NDArray[np.bool_]:
    """(count, n) correctness of images with `chance` (n,) each, in runs whose quality has an sd of sigma_d points."""
    quality = draw.normal(0, sigma_d / 100, (count, 1))
    return draw.random((count, len(chance)), dtype=np.float32) < chance + quality
