"""Which image is shown when: a pure function of the seed and of the position in the stream of examples."""

import torch
from torch import Tensor

from bakeoff import rng
from bakeoff.plan import Repeated, Shuffle


class Order:
    """The endless stream of examples of one run.

    The stream is a row of passes. Each pass is a permutation of the `size` images in which every image stands
    `sampler.copies` times in a row. Batches are cut from the stream one after the other, across passes, so every
    batch is full whatever the number of images (trap 22), and no copy is ever dropped (trap 7).
    """

    def __init__(self, sampler: Shuffle | Repeated, size: int, seed: int) -> None:
        self.copies = sampler.copies
        self.size = size
        self.seed = seed
        self._pass = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def rows(self, start: int, stop: int) -> Tensor:
        """(stop - start, 3) int64: pass, image index and copy of the examples at these positions."""
        position, whole = torch.arange(start, stop), self.size * self.copies
        passes, within = position // whole, position % whole
        index = torch.empty_like(position)
        for number in range(start // whole, -(-stop // whole)):
            here = slice(max(0, number * whole - start), (number + 1) * whole - start)
            index[here] = self._of_pass(number)[within[here] // self.copies]
        return torch.stack([passes, index, within % self.copies], dim=1)

    def _of_pass(self, number: int) -> Tensor:
        if number != self._pass:
            self._permutation = torch.from_numpy(rng.generator(self.seed, "order", number).permutation(self.size))
            self._pass = number
        return self._permutation
