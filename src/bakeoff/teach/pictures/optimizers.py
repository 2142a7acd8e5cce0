"""Pictures of optimizers: torch's own, built as the engine builds them, on problems small enough to watch."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import nn

from bakeoff.engine.optim import build_optimizer
from bakeoff.plan import Adam, DecayRule, Plan
from bakeoff.rng import generator
from bakeoff.teach.pictures.canvas import GRID, INK, MUTED, WITH, WITHOUT, canvas, key, plain
from bakeoff.teach.pictures.subject import Subject

_CURVES = np.array([0.4, 6.0])  # a valley: flat along, steep across
_START = (-0.06, 0.02)
_STEPS, _SHOWN = 120, 60


def paths(it: Subject) -> Figure:
    """The way down a narrow valley beside the baseline's; below, the loss on it, or what weight decay does."""
    slot = it.plan.optimizer
    decoupled = isinstance(slot, Adam) and slot.decoupled
    figure = canvas(f"{it.title}: the way down a narrow valley, beside SGD with momentum", 6.4)
    top, bottom = figure.subplots(2, 1)
    x, y = np.meshgrid(np.linspace(-0.075, 0.055, 100), np.linspace(-0.03, 0.045, 100))
    height = 0.5 * (_CURVES[0] * x**2 + _CURVES[1] * y**2)
    top.contour(x, y, height, levels=np.geomspace(1e-5, 8e-3, 8), colors=GRID, linewidths=1)
    for plan, colour, name, mark in ((it.base, WITHOUT, "SGD with momentum", "o"), (it.plan, WITH, it.title, "s")):
        way = _way(plan)
        label = f"{name}, learning rate {plan.peak_lr:g}"
        top.plot(*way.T, "-", marker=mark, color=colour, ms=3.5, lw=1.5, label=label)
        if not decoupled:
            bottom.plot(way[:_SHOWN, 1], color=colour, lw=2.5)
    top.plot(*_START, "o", color=INK, ms=7)
    top.plot(0, 0, "x", color=INK, ms=9, mew=2.5)
    top.set_axis_off()
    top.set_ylim(-0.03, 0.045)
    key(top, loc="upper right")
    if decoupled:
        _decoupling(bottom, it)
    else:
        bottom.set_xlabel("step")
        bottom.set_yticks([0], ["middle"])
        bottom.set_title("from side to side of the valley")
    plain(bottom)
    return figure


def _way(plan: Plan) -> NDArray[np.float64]:
    """(steps + 1, 2): the path of two weights under the plan's optimizer at its peak rate, without weight decay."""
    net = nn.Linear(2, 1, bias=False)
    net.weight.data.copy_(torch.tensor([_START]))
    optimizer = build_optimizer(net, plan.model_copy(update={"decay": DecayRule(weight_decay=0.0)}))
    way = [_START]
    for _ in range(_STEPS):
        net.weight.grad = net.weight.detach() * torch.from_numpy(_CURVES).float()
        optimizer.step()
        way.append(tuple(net.weight.detach()[0].tolist()))
    return np.array(way)


def _decoupling(ax: Axes, it: Subject) -> None:
    """Weights with small and with large gradients of mean 0 under decay: through the gradient, and on its own."""
    rule, steps, copies = DecayRule(weight_decay=0.2), 1000, 200
    kicks = torch.from_numpy(generator(it.seed, "kicks").normal(size=(steps, 1, copies))).float()
    sizes = torch.tensor([[0.1], [10.0]])
    for decoupled, colour in ((False, MUTED), (True, WITH)):
        slot = Adam(decoupled=decoupled)
        net = nn.Linear(copies, 2, bias=False)
        net.weight.data.fill_(1.0)
        optimizer = build_optimizer(net, it.plan.model_copy(update={"decay": rule, "optimizer": slot}))
        left = []
        for kick in kicks:
            left.append(net.weight.detach().mean(1).tolist())
            net.weight.grad = sizes * kick
            optimizer.step()
        name = "AdamW" if decoupled else "Adam"
        for values, dash, what in zip(np.array(left).T, ("--", "-"), ("small", "large"), strict=True):
            ax.plot(values, dash, color=colour, lw=3, label=f"{name}, {what} gradients")
    ax.set_xlabel("step")
    ax.set_title(f"what weight decay of {rule.weight_decay:g} leaves of a weight; AdamW's two lines are one")
    ax.set_ylim(0, 1.08)
    key(ax, loc="lower left", ncols=2)
