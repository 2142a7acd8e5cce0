"""Randomness as an argument: every draw is a function of (seed, stream, what it is for, counters).

Nothing here has state, so a result can't depend on the number of workers, on what other techniques draw, or on where
a run was interrupted. Streams: `init`, `order`, `augment`, `mix`, `drop`.

Per-image draws come from a counter-based hash on int64 tensors (SplitMix64's finalizer, Steele et al. 2014,
https://doi.org/10.1145/2660193.2660195, once per counter); per-batch draws and orders come from NumPy's Philox (Salmon
et al. 2011, https://doi.org/10.1145/2063384.2063405). All of it is drawn on the host, whatever the device that trains:
there a hash costs launches and not arithmetic, and what follows from a draw is known without asking a device.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_MIX1 = 0xBF58476D1CE4E5B9
_MIX2 = 0x94D049BB133111EB


def key(*parts: int | str) -> int:
    """A 64-bit key for a purpose, such as `key(seed, "augment", "flip")`."""
    text = "\0".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*parts: int | str) -> np.random.Generator:
    """A NumPy generator of its own for one purpose."""
    return np.random.Generator(np.random.Philox(key=key(*parts)))


@contextmanager
def torch_seeded(*parts: int | str) -> Iterator[None]:
    """Code that draws from torch's global CPU and CUDA generators does so from here, and leaves them as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(key(*parts) % 2**63)
        yield


@dataclass(frozen=True)
class Draws:
    """Uniform random numbers for a batch of images, one row per image.

    seed: the run's seed. rows: (N, 3) int64 on the host, the pass, index and copy that tell one showing of an image
    from another. scope: whose purposes these are; two scopes may call theirs alike. device: where the numbers go.
    """

    seed: int
    rows: Tensor
    scope: str = field(default="", kw_only=True)
    device: torch.device = field(default=torch.device("cpu"), kw_only=True)

    def select(self, index: Tensor) -> "Draws":
        """Those of some of the images. index: (M,) int64, or (N,) bool."""
        return replace(self, rows=self.rows[index.to(self.rows.device)])

    def __call__(self, purpose: str, lanes: int) -> Tensor:
        """(N, lanes) float32 in [0, 1), independent of every other purpose."""
        name = f"{self.scope}/{purpose}" if self.scope else purpose
        state = torch.full_like(self.rows[:, 0], _signed(key(self.seed, "augment", name)))
        for counter in self.rows.unbind(1):
            state = _mix(state + _signed(_GOLDEN) + counter)
        lane = torch.arange(1, lanes + 1) * _signed(_GOLDEN)
        bits = _shift(_mix(state[:, None] + lane), 40)  # the upper 24 bits: all that float32 can hold
        return sent(bits.to(torch.float32) * 2.0**-24, self.device)


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """What was drawn, and follows from it, on a device. The host doesn't wait for the device to take it."""
    if device.type == "cuda":
        drawn = drawn.pin_memory()
    return drawn.to(device, non_blocking=True)


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _shift(x: Tensor, bits: int) -> Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)  # torch shifts int64 arithmetically; this is the logical shift


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 30)) * _signed(_MIX1)
    x = (x ^ _shift(x, 27)) * _signed(_MIX2)
    return x ^ _shift(x, 31)
