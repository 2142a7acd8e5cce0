"""What a device can do at best, measured: bf16 matrix products and copies within its memory."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from bench.clock import wall
from bench.compare import Ratio

# Published peaks of the A100-SXM4-80GB: dense bf16 operations and bytes moved per second (NVIDIA's data sheet).
A100_FLOPS, A100_BYTES = 312e12, 2039e9
REPEATS, CALLS = 5, 10


@dataclass(frozen=True)
class Rates:
    """Per second and repeat: operations of a bf16 matrix product, and bytes read and written by a copy."""

    flops: Sequence[float]
    bytes: Sequence[float]
    size: tuple[int, int]  # rows of the matrices; bytes of what is copied

    @property
    def matmul(self) -> float:
        """Operations per second, the median."""
        return statistics.median(self.flops)

    @property
    def copy(self) -> float:
        """Bytes per second, the median."""
        return statistics.median(self.bytes)

    def rows(self) -> Iterator[Ratio]:
        """Both over the A100's."""
        for name, rates, peak in (("matmul", self.flops, A100_FLOPS), ("copy", self.bytes, A100_BYTES)):
            unit = "bf16 operations/s" if name == "matmul" else "bytes read and written/s"
            yield Ratio(
                name=f"gpu_{name}",
                over=f"{unit}, measured / A100's published {peak:.4g}",
                ratios=[rate / peak for rate in rates],
                bound="at least",
                detail={"per_second": list(rates), "rows_and_bytes": self.size},
            )


def seconds_per_call(run: Callable[[], object], device: torch.device) -> list[float]:
    """REPEATS times the mean over CALLS calls, after as many to warm up."""
    found = []
    for _ in range(1 + REPEATS):
        start = wall(device)
        for _ in range(CALLS):
            run()
        found.append((wall(device) - start) / CALLS)
    return found[1:]


def measure_rates(device: torch.device, n: int, copied: int) -> Rates:
    """Of n x n matrices of random numbers (zeros run faster), and of `copied` bytes."""
    random = torch.Generator(device).manual_seed(0)
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16, generator=random) for _ in range(2))
    product = torch.empty_like(a)
    flops = [2 * n**3 / s for s in seconds_per_call(lambda: torch.mm(a, b, out=product), device)]
    source = torch.randint(256, (copied,), device=device, dtype=torch.uint8, generator=random)
    target = torch.empty_like(source)
    moved = [2 * copied / s for s in seconds_per_call(lambda: target.copy_(source), device)]
    return Rates(flops, moved, (n, copied))
