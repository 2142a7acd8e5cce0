"""Devices: choosing one by name, and the number format that it computes in."""

from contextlib import AbstractContextManager, nullcontext

import torch

from bakeoff.errors import RequestError
from bakeoff.plan import Precision


def resolve(name: str) -> torch.device:
    """The device of that name; `auto` is the first of cuda, mps and cpu that is there.

    Raises RequestError for a device that this machine or this torch doesn't have.
    """
    available = ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        return torch.device(available[0])
    kind, _, index = name.partition(":")
    count = {"cuda": torch.cuda.device_count()}.get(kind, 1)
    if kind not in available or (index and not (index.isdecimal() and int(index) < count)):
        raise RequestError(f"no device '{name}' here; there are: auto, {', '.join(available)}")
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
