"""Orthogonal arrays: Hadamard and conference matrices.

Constructions after Hedayat, Sloane & Stufken, Orthogonal Arrays (Springer 1999),
https://doi.org/10.1007/978-1-4612-1478-6, chapter 7.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Signs = npt.NDArray[np.int8]


@cache
def exists(order: int) -> bool:
    """Whether `hadamard(order)` can construct a matrix: by doubling, or by Paley from a prime."""
    if order in (1, 2):
        return True
    return order % 4 == 0 and (_prime(order - 1) or (_prime(order // 2 - 1) and order % 8 == 4) or exists(order // 2))


def smallest(k: int) -> int:
    """The smallest order of at least `k` that can be constructed."""
    return next(order for order in range(max(k, 1), 4 * k + 5) if exists(order))


def hadamard(order: int) -> Signs:
    """(order, order) of -1 and +1 with H'H = order I, first row and first column all +1.

    Raises ValueError where no construction here gives that order.
    """
    if not exists(order):
        raise ValueError(f"no Hadamard matrix of order {order} by doubling or by Paley from a prime")
    if order <= 2:
        matrix = np.array([[1, 1], [1, -1]], np.int8)[:order, :order]
    elif _prime(order - 1):  # Paley I: the prime is 3 modulo 4
        core = np.eye(order, dtype=np.int8) + _bordered(order - 1, -1)
        matrix = core
    elif order % 8 == 4 and _prime(order // 2 - 1):  # Paley II: the prime is 1 modulo 4
        conference = _bordered(order // 2 - 1, 1)
        matrix = np.kron(conference, [[1, 1], [1, -1]]) + np.kron(np.eye(order // 2, dtype=int), [[1, -1], [-1, -1]])
    else:  # Sylvester and Kronecker
        matrix = np.kron([[1, 1], [1, -1]], hadamard(order // 2))
    matrix = matrix * matrix[:1]
    return (matrix * matrix[:, :1]).astype(np.int8)


def conference(order: int) -> Signs:
    """(c, c) of -1 and +1 with 0 on the diagonal and C'C = (c - 1) I, for the least such c of at least `order` here.

    c is one more than an odd prime (Paley).
    """
    prime = next(number for number in range(max(order, 4) - 1, 4 * order + 8) if number > 2 and _prime(number))
    return _bordered(prime, 1 if prime % 4 == 1 else -1).astype(np.int8)


def _prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


def _bordered(prime: int, corner: int) -> npt.NDArray[np.int_]:
    """Quadratic characters of the differences, bordered by ones above and by `corner` on the left."""
    character = np.full(prime, -1)
    character[np.arange(1, prime) ** 2 % prime] = 1
    character[0] = 0
    index = np.arange(prime)
    matrix = np.zeros((prime + 1, prime + 1), int)
    matrix[0, 1:], matrix[1:, 0] = 1, corner
    matrix[1:, 1:] = character[(index[:, None] - index) % prime]
    return matrix
