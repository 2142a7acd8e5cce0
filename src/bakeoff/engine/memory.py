"""Will a plan fit in memory? Asked before training, because an operating system that runs out kills without a word."""

import copy
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from bakeoff.data import reduced
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.device import dtype
from bakeoff.engine.evaluate import batch_size
from bakeoff.errors import BakeoffError, RequestError
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


def check_view(model: nn.Module, plan: Plan, dataset: Dataset, device: torch.device) -> None:
    """Raise RequestError if evaluating at the plan's view needs more than the device has: a lower bound again.

    Needed are the images that are resized together, of the shape of those to train on, and what the network's largest
    layer reads and writes.
    """
    view, split, channels = plan.eval_view, dataset.splits["train"], plan.model.channels
    together = batch_size(view, device)
    if isinstance(split, Resident):
        resized, ratio = together, max(split.images.shape[2:]) / min(split.images.shape[2:])
    else:
        resized, ratio = 1, 1.0 if split.sizes is None else float((split.sizes.max(1) / split.sizes.min(1)).max())
    pixels = resized * channels * view.resize_px**2 * ratio + 5 * together * channels * view.crop_px**2
    largest = 0

    def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal largest
        tensors = [each for each in (*inputs, output) if isinstance(each, Tensor)]
        largest = max(largest, sum(each.numel() * each.element_size() for each in tensors))

    shadow = copy.deepcopy(model).to("meta").eval()
    for module in shadow.modules():
        if not list(module.children()):
            module.register_forward_hook(look)
    shadow(torch.empty(1, channels, view.crop_px, view.crop_px, device="meta"))
    need, have = pixels + together * largest, _free(device)
    if need > have:
        raise RequestError(
            f"to evaluate at {view.crop_px} px, resized to {view.resize_px} px, takes at least {need / 2**30:,.1f} GiB "
            f"of memory, and {device} has {have / 2**30:.1f} GiB free: evaluate at a smaller size"
        )


def _free(device: torch.device) -> int:
    """Bytes that a device has."""
    if device.type != "cuda":
        return psutil.virtual_memory().available
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused  # what this process got and doesn't use, such as the last run's


def check_memory(model: nn.Module, plan: Plan, dataset: Dataset, device: torch.device) -> None:
    """Raise BakeoffError if the plan needs more than the device has, and RequestError as `check_view` does."""
    check_view(model, plan, dataset, device)
    need, have = bytes_needed(model, plan, device, dataset), _free(device)
    if need > have:
        raise BakeoffError(
            f"the plan needs at least {need / 2**30:.1f} GiB of memory and {device} has {have / 2**30:.1f} GiB free; "
            f"try --set batch_size={max(1, plan.batch_size * have // (2 * need))} or a smaller model"
        )
