"""Seconds that work on a device took."""

import time

import torch


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def wall(device: torch.device) -> float:
    """The wall's clock, once the device has done what it was told."""
    finish(device)
    return time.perf_counter()


def own(device: torch.device) -> float:
    """The CPU's time of this process, which other work on the machine changes little; on a GPU the wall's."""
    return time.process_time() if device.type == "cpu" else wall(device)
