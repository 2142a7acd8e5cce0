"""Devices: choosing one by name, the number format that it computes in, and what makes its bits come out alike."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from bakeoff.errors import RequestError, shown
from bakeoff.plan import Precision


def resolve(name: str) -> torch.device:
    """The device of that name; `auto` is the first of cuda, mps and cpu that is there.

    Raises RequestError for a device that this machine or this torch doesn't have.
    """
    available = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        return torch.device(available[0])
    kind, colon, index = name.partition(":")
    count = {"cuda": torch.cuda.device_count()}.get(kind, 1)
    if kind not in available or (colon and index not in map(str, range(count))):
        raise RequestError(f"no device {shown(name)} here; there are: auto, {', '.join(available)}")
    return torch.device(name)


def dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The number format of a plan on a device."""
    if precision.dtype == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        native |= device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if precision.dtype == "bf16" else torch.float32


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Autocast to bf16 where the plan asks for it; nothing otherwise."""
    if dtype(precision, device) == torch.bfloat16:
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@contextmanager
def settled() -> Iterator[None]:
    """What a GPU's libraries would choose by themselves is settled, whatever the program around has set.

    Convolutions take algorithms that give the same bits every time, which are not tried against each other first; and
    fp32 is fp32: no TF32, in which cuDNN convolves by default.
    """
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        matmul.allow_tf32 = before


def network_seed(device: torch.device) -> Callable[[int], object]:
    """What seeds torch's own generators, of the CPU and of a device, from which a network draws.

    `torch.manual_seed` seeds those of every device that there is, and takes 80 times as long on a CPU.
    """
    if device.type not in ("cpu", "cuda"):
        return torch.manual_seed
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    return lambda value: [generator.manual_seed(value) for generator in generators]
