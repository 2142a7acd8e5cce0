"""Will a plan fit in memory? Asked before training, because an operating system that runs out kills without a word."""

import copy

import psutil
import torch
from torch import Tensor, nn

from bakeoff.data.dataset import Dataset, Resident
from bakeoff.errors import BakeoffError
from bakeoff.plan import Plan


def bytes_needed(model: nn.Module, plan: Plan, dataset: Dataset) -> int:
    """Bytes of the training state, of one batch's activations and of the images in memory: a lower bound.

    Activations are counted on a shadow of the model that has shapes and no data (torch's meta device).
    """
    values = 0

    def count(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal values
        values += output.numel() if isinstance(output, Tensor) else 0

    shadow = copy.deepcopy(model).to("meta").eval()
    for module in shadow.modules():
        if not list(module.children()):
            module.register_forward_hook(count)
    with torch.no_grad():
        shadow(torch.empty(1, plan.model.channels, plan.train_px, plan.train_px, device="meta"))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    width = 2 if plan.precision.dtype == "bf16" else 4
    split = dataset.splits["train"]
    resident = split.images.numel() if isinstance(split, Resident) else 0
    return int(4 * weights + width * values * plan.batch_size + resident)  # weights, gradient, momentum, average


def check_memory(model: nn.Module, plan: Plan, dataset: Dataset, device: torch.device) -> None:
    """Raise BakeoffError if the plan needs more than the device has."""
    if device.type == "cuda":
        have = torch.cuda.mem_get_info(device)[0]
    else:
        have = psutil.virtual_memory().available
    need = bytes_needed(model, plan, dataset)
    if need > have:
        raise BakeoffError(
            f"the plan needs at least {need / 2**30:.1f} GiB of memory and {device} has {have / 2**30:.1f} GiB free; "
            f"try --set batch_size={max(1, plan.batch_size // (2 * need // have))} or a smaller model"
        )
