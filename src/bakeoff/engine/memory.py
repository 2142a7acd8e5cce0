"""Will a plan fit in memory? Asked before training, because an operating system that runs out kills without a word."""

import copy

import psutil
import torch
from torch import Tensor, nn

from bakeoff.data import reduced
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.device import dtype
from bakeoff.errors import BakeoffError
from bakeoff.plan import Plan


def bytes_needed(model: nn.Module, plan: Plan, device: torch.device, dataset: Dataset | None = None) -> int:
    """Bytes of the training state, of what a batch's backward pass needs and of the images in memory: a lower bound.

    What the backward pass needs is what autograd keeps of two images that have shapes and no data (torch's meta
    device).
    """
    kept: dict[int, tuple[torch.UntypedStorage, float]] = {}
    width = dtype(plan.precision, device).itemsize

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        size = width / tensor.element_size() if tensor.is_floating_point() else 1.0
        kept[storage._cdata] = (storage, size * storage.nbytes())  # alive, so that no other has its address
        return tensor

    shadow = copy.deepcopy(model).to("meta").train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        shadow(torch.empty(2, plan.model.channels, plan.train_px, plan.train_px, device="meta"))
    for tensor in (*shadow.parameters(), *shadow.buffers()):
        kept.pop(tensor.untyped_storage()._cdata, None)
    activations = sum(size for _, size in kept.values()) / 2
    weights = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    split = reduced.split(dataset, "train", plan.read_px) if dataset else None
    resident = split.images.numel() if isinstance(split, Resident) else 0
    return int(4 * weights + activations * plan.batch_size + resident)  # weights, gradient, momentum, average


def check_memory(model: nn.Module, plan: Plan, dataset: Dataset, device: torch.device) -> None:
    """Raise BakeoffError if the plan needs more than the device has."""
    if device.type == "cuda":  # what this process got and doesn't use counts as free, such as the last run's
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        have = torch.cuda.mem_get_info(device)[0] + unused
    else:
        have = psutil.virtual_memory().available
    need = bytes_needed(model, plan, device, dataset)
    if need > have:
        raise BakeoffError(
            f"the plan needs at least {need / 2**30:.1f} GiB of memory and {device} has {have / 2**30:.1f} GiB free; "
            f"try --set batch_size={max(1, plan.batch_size * have // (2 * need))} or a smaller model"
        )
