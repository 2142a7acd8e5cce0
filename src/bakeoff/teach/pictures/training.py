"""Pictures of what acts over the whole training: schedule, length, weight decay, average, targets, statistics."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff import models
from bakeoff.engine.optim import build_optimizer, lr_factor, parameter_groups
from bakeoff.engine.state import Averager
from bakeoff.plan import DecayRule, Plan
from bakeoff.rng import generator
from bakeoff.tasks.imagenet import IMAGENET
from bakeoff.teach.pictures.canvas import WITH, WITHOUT, canvas, key, plain
from bakeoff.teach.pictures.subject import Subject, digits

_POINTS = 1500


def rates(plan: Plan, start: float = 0.0, end: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of training done and learning rate, at points of a part of it. start, end: shares of training."""
    steps = np.unique(np.linspace(start * plan.steps, end * plan.steps - 1, _POINTS).astype(int))
    return steps / plan.steps, np.array(
        [plan.peak_lr * lr_factor(plan.lr, step, plan.steps) for step in steps.tolist()]
    )


def schedule(it: Subject) -> Figure:
    """The learning rate over training, and its start or its logarithm."""
    figure = canvas(f"{it.title}: the learning rate over training", 5.6)
    top, bottom = figure.subplots(2, 1)
    warm = it.plan.lr.warmup
    lines = ((it.base, WITHOUT, "baseline", "--"), (it.plan, WITH, it.label, "-"))
    for plan, colour, name, dash in lines:
        over = 3 if plan is it.base else 2  # where both are one, both are seen
        done, rate = rates(plan)
        label = f"{name}: batches of {plan.batch_size:,}" if it.base.batch_size != it.plan.batch_size else name
        top.plot(100 * done, rate, dash, color=colour, lw=2.5, zorder=over, label=label)
        if warm:
            done, rate = rates(plan, 0, 3 * warm)
        bottom.plot(100 * done, rate, dash, color=colour, lw=2.5, zorder=over)
    if warm:
        bottom.set_title(f"its start: warm-up over {100 * warm:.2g} % of training")
    else:
        bottom.set_yscale("log")
        bottom.yaxis.set_major_formatter("{x:g}")
        bottom.minorticks_off()
        bottom.set_title("the same on a logarithmic scale")
    for ax in (top, bottom):
        ax.set_ylabel("learning rate")
        plain(ax)
    bottom.set_xlabel("% of training")
    key(top)
    return figure


def length(it: Subject) -> Figure:
    """The same schedule over more epochs."""
    ratio = it.plan.examples_seen / it.base.examples_seen
    figure = canvas(f"{it.title}: the same schedule over {ratio:.1f} times as many images", 3.6)
    ax = figure.subplots()
    for plan, colour, dash, name in ((it.base, WITHOUT, "--", "baseline"), (it.plan, WITH, "-", "long")):
        done, rate = rates(plan)
        epochs = plan.examples_seen / IMAGENET.train_examples
        ax.plot(
            epochs * done,
            rate,
            dash,
            color=colour,
            lw=2.5,
            label=f"{name}: {epochs:.0f} epochs, {plan.examples_seen / 1e6:.0f} million images",
        )
    ax.set_xlabel("epochs of ImageNet")
    ax.set_ylabel("learning rate")
    plain(ax)
    key(ax)
    return figure


def decay(it: Subject) -> Figure:
    """Which parameters are pulled how hard, and what that pull alone does in an epoch."""
    figure = canvas(f"{it.title}: weights are pulled to 0 less, normalisation layers not at all", 6.0)
    top, bottom = figure.subplots(2, 1)
    with torch.device("meta"):  # only the shapes are wanted
        model = models.build(it.base.model)
    apart = DecayRule(weight_decay=1.0, bias=2.0, norm=3.0)
    sizes = [sum(p.numel() for p in group["params"]) for group in _sorted_groups(model, apart)]
    names = [
        f"{sizes[0] / 1e6:.1f} million weights",
        f"{sizes[1]:,} biases",
        f"{sizes[2]:,} scales and\nshifts of normalisation",
    ]
    for plan, colour, shift, name in ((it.base, WITHOUT, -0.19, "baseline"), (it.plan, WITH, 0.19, "with tuning")):
        rule = plan.decay
        values = [rule.weight_decay if v is None else v for v in (rule.weight_decay, rule.bias, rule.norm)]
        places = [place + shift for place in range(3)]
        top.barh(places, values, 0.36, color=colour, label=name)
        for place, value in zip(places, values, strict=True):
            top.text(value, place, f" {_decimal(value)}", va="center")
    top.set_yticks(range(3), names)
    top.invert_yaxis()
    top.set_xticks([])
    top.set_xlim(0, 1.9 * it.base.decay.weight_decay)
    top.set_title(f"weight decay of the parameters of {it.base.model.name}")
    plain(top, "x")
    key(top, loc="lower right")

    steps = round(IMAGENET.train_examples / it.base.batch_size)
    weight, norm = _alone(it.plan, steps)
    bottom.plot(norm, ":", color=WITH, lw=3, label="normalisation, with tuning")
    bottom.plot(weight, color=WITH, lw=3, label="weights, with tuning")
    bottom.plot(_alone(it.base, steps)[0], color=WITHOUT, lw=3, label="both, baseline")
    bottom.set_ylim(0, 1.05)
    bottom.set_xlabel(f"steps: one epoch at the learning rate {it.base.peak_lr:g}")
    bottom.set_title("what is left of a parameter that gets no gradient")
    plain(bottom)
    key(bottom, loc="lower left")
    return figure


def _sorted_groups(model: nn.Module, rule: DecayRule) -> list[dict[str, Any]]:
    return sorted(parameter_groups(model, rule), key=lambda group: group["weight_decay"])


def _alone(plan: Plan, steps: int) -> NDArray[np.float64]:
    """(2, steps): a weight and a scale of a normalisation layer, both from 1, under decay alone."""
    linear, norm = nn.Linear(1, 1), nn.BatchNorm1d(1)
    net = nn.Sequential(linear, norm)
    for parameter in net.parameters():
        parameter.data.fill_(1.0)
        parameter.grad = torch.zeros_like(parameter)
    optimizer = build_optimizer(net, plan)
    left = np.empty((2, steps))
    for step in range(steps):
        left[:, step] = linear.weight.item(), norm.weight.item()
        optimizer.step()
    return left


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def average(it: Subject) -> Figure:
    """How much the weights of each moment count in the average, and a jittering weight with its average."""
    assert it.plan.average
    half_life, steps = it.plan.average.half_life, 1000
    title = f"{it.title}: the average forgets by half every {100 * half_life:.1f} % of training"
    figure = canvas(title, 5.6)
    top, bottom = figure.subplots(2, 1)
    done = 100 * (np.arange(steps) + 1) / steps

    impulses = _averaged(torch.eye(steps), half_life)[-1]
    each = 20
    counted = impulses.reshape(-1, each).sum(1)
    top.bar(done[each // 2 :: each], 100 * counted, 0.9 * 100 * each / steps, color=WITH)
    for ax in (top, bottom):
        ax.set_xlim(0, 100.5)
    top.set_ylabel("% of the average")
    top.set_title("what the weights of each moment count in the end")
    plain(top, "y")

    noise = generator(it.seed, "jitter").normal(size=steps)
    weight, live = 0.0, []
    for step, kick in enumerate(noise):
        minimum = np.tanh(3 * step / steps)  # it moves, and less and less
        weight += 0.15 * (minimum - weight) + 0.15 * kick
        live.append(weight)
    kept = _averaged(torch.tensor(live)[:, None], half_life)[:, 0]
    bottom.plot(done, live, color=WITHOUT, lw=1, label="the weight itself")
    bottom.plot(done, kept, color=WITH, lw=3, label="its average")
    bottom.set_xlabel("% of training")
    bottom.set_title("one weight that jitters around a minimum")
    plain(bottom)
    key(bottom, loc="lower right")
    return figure


def _averaged(live: Tensor, half_life: float) -> NDArray[np.float32]:
    """The average after each step, (T, n), of weights that are `live` (T, n) after each step and 0 before the first."""
    net = nn.Linear(live.shape[1], 1, bias=False)
    net.weight.data.zero_()
    averager = Averager(net, half_life * len(live))
    kept = np.empty(live.shape, np.float32)
    for step, weights in enumerate(live):
        net.weight.data.copy_(weights)
        averager.update(step + 1)
        kept[step] = next(averager.model.parameters()).numpy()
    return kept


def smoothing(it: Subject) -> Figure:
    """The target that the loss pulls to, and the loss over the margin of the right class."""
    classes, right = 10, 3
    share = it.plan.loss.label_smoothing
    figure = canvas(f"{it.title}: {100 * share:g} % of the target is spread over all classes", 5.8)
    top, bottom = figure.subplots(2, 1)
    lines = ((it.base, WITHOUT, "baseline", -0.21), (it.plan, WITH, "smoothed", 0.21))
    for plan, colour, name, shift in lines:
        logits = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
        F.cross_entropy(logits, torch.tensor([right]), label_smoothing=plan.loss.label_smoothing).backward()
        assert logits.grad is not None
        target = (logits.softmax(1) - logits.grad).detach()[0].clamp(min=0)  # the gradient is softmax - target
        top.bar(np.arange(classes) + shift, target.numpy(), 0.4, color=colour, label=name)
        margin = torch.linspace(-2, 12, 200, dtype=torch.float64)
        outputs = torch.zeros(len(margin), classes, dtype=torch.float64)
        outputs[:, right] = margin
        labels = torch.full((len(margin),), right)
        loss = F.cross_entropy(outputs, labels, label_smoothing=plan.loss.label_smoothing, reduction="none")
        bottom.plot(margin.numpy(), loss.numpy(), color=colour, lw=2.5, label=name)
        if plan is it.plan:
            top.text(right + 0.45, float(target[right]), f"{target[right]:.2f}", va="top")
            top.text(classes - 0.4, float(target[0]) + 0.03, f"{target[0]:.2f} each", ha="right")
            best = int(loss.argmin())
            bottom.plot(margin[best], loss[best], "o", color=colour, ms=8)
            bottom.annotate(
                "least here: no need\nto grow further",
                (float(margin[best]), float(loss[best])),
                (0, 14),
                textcoords="offset points",
                ha="center",
            )
    top.set_xticks(range(classes))
    top.set_xlabel(f"class, of {classes}; the right one is {right}")
    top.set_title("target")
    bottom.set_xlabel("how far the right class's logit is above the others")
    bottom.set_title("loss")
    bottom.set_ylim(bottom=0)
    for ax in (top, bottom):
        plain(ax, "y")
        key(ax, loc="upper right")
    return figure


def statistics(it: Subject) -> Figure:
    """What BatchNorm takes for the mean where each device has few images, and over all devices."""
    figure = canvas(f"{it.title}: a device that holds few images has noisy statistics; all devices together don't", 4.4)
    ax = figure.subplots()
    devices, sizes = 8, (2, 4, 8, 16, 32, 64)
    pixels = digits(devices * max(sizes))
    order = generator(it.seed, "devices").permutation(len(pixels))
    for place, size in enumerate(sizes):
        parts = (pixels[order[: devices * size]] / 255).split(size)
        ax.plot(
            [place] * devices,
            [_mean(part) for part in parts],
            "o",
            color=WITHOUT,
            ms=8,
            alpha=0.8,
            label=f"each of {devices} devices" if place == 0 else None,
        )
        ax.plot(
            [place - 0.3, place + 0.3],
            [_mean(torch.cat(parts))] * 2,
            color=WITH,
            lw=4,
            label="all together" if place == 0 else None,
        )
    ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    ax.set_xlabel("images on a device")
    ax.set_title("mean of handwritten digits that BatchNorm measures")
    plain(ax, "y")
    key(ax, loc="upper right")
    return figure


def _mean(images: Tensor) -> float:
    layer = nn.BatchNorm2d(images.shape[1], momentum=1.0)
    layer(images)
    assert layer.running_mean is not None
    return float(layer.running_mean[0])
