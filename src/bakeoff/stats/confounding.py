"""What a set of runs can't tell apart: effects that come together, and interactions that look like effects."""

from dataclasses import dataclass

import numpy as np

from bakeoff.stats.outcomes import Bools, Floats

_EXACT = 1e-8


@dataclass(frozen=True, eq=False)
class Confounding:
    """Of a model's columns (q,), the constant left out.

    told: (q,) which the runs can tell. together: (q, q) bool, symmetric: of those that can't be told, which are tied to
    each other. inflation: (q,) how many times the variance of an estimate is what it would be if the column were set
    independently of the others; infinite where it can't be told. correlation: (q, q) between columns.
    """

    told: Bools
    together: Bools
    inflation: Floats
    correlation: Floats


def confounding(x: Floats) -> Confounding:
    """x: (N, q) columns of a linear model beside a constant, none of them constant."""
    centred = x - x.mean(axis=0)
    unit = centred / np.sqrt(np.square(centred).sum(axis=0))
    correlation = unit.T @ unit
    inverse = np.linalg.pinv(correlation, hermitian=True, rtol=_EXACT)
    missing = np.eye(x.shape[1]) - inverse @ correlation  # the projection on what no run shows
    told = np.abs(missing).max(axis=1) < 1e-6
    inflation = np.where(told, np.diag(inverse), np.inf)
    return Confounding(told, np.abs(missing) > 1e-6, inflation, correlation)


def mistaken(x: Floats, pairs: Floats) -> Floats:
    """(q, p) how much of an unmodelled column, such as an interaction, is read as the effect of each of the model's.

    x: (N, q) columns of the model. pairs: (N, p). The alias matrix of Box & Wilson (1951), with the constant left out.
    """
    centred = x - x.mean(axis=0)
    return np.asarray(np.linalg.pinv(centred, rtol=_EXACT) @ (pairs - pairs.mean(axis=0)))


def augmented(x: Floats, candidates: Floats, count: int) -> list[int]:
    """Rows of `candidates` that a model of the columns of `x` should be given next, one after the other.

    Each is the one that adds most to the determinant of the information (D-optimal, as in Dykstra 1971,
    https://doi.org/10.1080/00401706.1971.10488830). x: (N, q), with the constant. candidates: (C, q).
    """
    scale = np.square(candidates).sum(axis=1).max()
    information = x.T @ x + 1e-6 * scale * np.eye(x.shape[1])
    chosen: list[int] = []
    for _ in range(count):
        gain = np.einsum("ij,ij->i", candidates @ np.linalg.inv(information), candidates)
        best = int(gain.argmax())
        chosen.append(best)
        information = information + np.outer(candidates[best], candidates[best])
    return chosen
