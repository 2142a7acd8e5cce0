"""The optimizer and schedule slots of a plan as torch objects and a function of the step."""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bakeoff.plan import Adam, DecayRule, Plan, RMSProp, Schedule

_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def parameter_groups(model: nn.Module, rule: DecayRule) -> list[dict[str, Any]]:
    """Parameters grouped by the weight decay that the rule gives them: by module type, not by their name (trap 9).

    Parameters of normalisation layers take `rule.norm`; biases of all other layers `rule.bias`; the rest
    `rule.weight_decay`. A normalisation layer is one of torch's, or a subclass; or a layer of another class that is
    called one, as timm's RmsNorm and GlobalResponseNorm, if all that it has are scales and shifts.
    """
    norm = rule.weight_decay if rule.norm is None else rule.norm
    bias = rule.weight_decay if rule.bias is None else rule.bias
    decay_of: dict[nn.Parameter, float] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            decay = norm if _normalises(module) else bias if name.endswith("bias") else rule.weight_decay
            decay_of.setdefault(parameter, decay)
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        groups.setdefault(decay_of[parameter], []).append(parameter)
    return [{"params": parameters, "weight_decay": decay} for decay, parameters in groups.items()]


def _normalises(module: nn.Module) -> bool:
    if isinstance(module, _NORMS):
        return True
    own = list(module.parameters(recurse=False))
    called = any(word in base.__name__ for base in type(module).__mro__ for word in ("Norm", "Abn"))
    return called and all(parameter.numel() == max(parameter.shape, default=1) for parameter in own)


def build_optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The plan's optimizer over the model's parameters; its learning rate is set before each step."""
    groups, slot, lr = parameter_groups(model, plan.decay), plan.optimizer, plan.peak_lr
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    if isinstance(slot, Adam):
        kind = torch.optim.AdamW if slot.decoupled else torch.optim.Adam
        return kind(groups, lr=lr, betas=slot.betas, eps=slot.eps, fused=fused)
    if isinstance(slot, RMSProp):
        return torch.optim.RMSprop(groups, lr=lr, alpha=slot.alpha, eps=slot.eps, momentum=slot.momentum)
    return torch.optim.SGD(groups, lr=lr, momentum=slot.momentum, nesterov=slot.nesterov, fused=fused)


def bare_step(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """A function that makes one step with the gradients that are there, and forgets them.

    It leaves out what torch puts around a step, hooks for profilers and compilers first of all: 95 us of the 260 us
    that a step of a softmax would take.
    """
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    if isinstance(optimizer, torch.optim.SGD) and optimizer.defaults["fused"]:
        steps = [_fused_sgd(optimizer, group) for group in groups]
    else:
        steps = [torch.no_grad()(partial(inspect.unwrap(type(optimizer).step), optimizer))]

    def apply() -> None:
        for step in steps:
            step()
        for parameter in parameters:
            parameter.grad = None

    return apply


def _fused_sgd(optimizer: torch.optim.SGD, group: dict[str, Any]) -> Callable[[], None]:
    """A step of one group by the kernel that torch.optim.SGD calls, whose state it shares."""
    momentum = group["momentum"]
    slots: list[tuple[nn.Parameter, Tensor, Tensor | None]] = []
    for parameter in group["params"]:
        weight = parameter.detach()  # the same memory, which autograd doesn't watch
        if momentum:  # a buffer of zeros makes the first step like every other
            optimizer.state[parameter].setdefault("momentum_buffer", torch.zeros_like(weight))
        slots.append((parameter, weight, optimizer.state[parameter].get("momentum_buffer")))

    def step() -> None:
        used = [(w, p.grad, buffer) for p, w, buffer in slots if p.grad is not None]
        if not used:
            return
        weights, gradients, buffers = zip(*used, strict=True)
        torch._fused_sgd_(
            weights,
            gradients,
            buffers if momentum else (),
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            momentum=momentum,
            dampening=0.0,
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=False,
        )

    return step


def lr_factor(schedule: Schedule, step: int, steps: int) -> float:
    """Learning rate at a step (0-based, of `steps`) relative to the peak.

    Warm-up and cosine equal torch's SequentialLR(LinearLR, CosineAnnealingLR), stepped after every batch.
    """
    warmup = round(schedule.warmup * steps)
    if step < warmup:
        return schedule.warmup_start + (1.0 - schedule.warmup_start) * step / warmup
    progress = (step - warmup) / (steps - warmup)
    match schedule.shape:
        case "constant":
            return 1.0
        case "step":
            return math.pow(schedule.gamma, math.floor(progress * 3 + 1e-9))
        case "cosine":
            return (1.0 + math.cos(math.pi * progress)) / 2
        case "exponential":
            return math.pow(schedule.gamma, progress)
