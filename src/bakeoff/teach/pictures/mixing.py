"""Pictures of what changes a batch: mixed images with mixed targets, and copies of an image."""

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import beta
from torch import Tensor

from bakeoff import plan as slots
from bakeoff.data import augment, mix
from bakeoff.data.order import Order
from bakeoff.rng import Draws
from bakeoff.tasks.mnist import MNIST
from bakeoff.teach.pictures.canvas import INK, WITH, WITHOUT, canvas, key, plain, rows, tiles
from bakeoff.teach.pictures.subject import Subject, digits

_BATCHES = 1000
_WANTED = (0.9, 0.7, 0.5, 0.3, 0.1)  # shares of the first image, to be looked for among the first batches


def mixed(it: Subject) -> Figure:
    """Two images, what becomes of them and their targets, and how often which share is drawn."""
    (mixer,) = it.plan.mixers
    assert isinstance(mixer, slots.Mixup | slots.Cutmix)
    blend = isinstance(mixer, slots.Mixup)
    say = "blended with another, and so is its target" if blend else "given a box of another, and its target a share"
    figure = canvas(f"{it.title}: each image is {say}", 7.2, it.credit)
    above, middle, below = rows(figure, 1.9, 2.9, 2.4)
    pair = it.thumbs[:2].float() / 255
    ends = above.subplots(1, 4, width_ratios=(1, 0.8, 1, 0.8))
    for n in range(2):
        tiles(ends[2 * n], it.thumbs[n : n + 1], 1)
        _target(ends[2 * n + 1], torch.eye(2)[n], it.names)
        ends[2 * n].set_title(it.names[n])
    grid = middle.subplots(2, len(_WANTED), height_ratios=(1.2, 1))
    for column, step in enumerate(_steps(pair, mixer, it.seed)):
        images, targets = mix.mix(pair, torch.eye(2), (mixer,), it.seed, step)
        tiles(grid[0, column], (images[:1] * 255).round().to(torch.uint8), 1)
        grid[0, column].set_title(f"batch {step}", fontsize=10)
        _target(grid[1, column], targets[0], it.names)
    _shares(below.subplots(), mixer, it.seed, blend)
    return figure


def _steps(pair: Tensor, mixer: slots.Mixup | slots.Cutmix, seed: int) -> list[int]:
    """Of the first batches, those in which the first image keeps about the wanted shares."""
    kept = np.array([float(mix.mix(pair[:, :1], torch.eye(2), (mixer,), seed, step)[1][0, 0]) for step in range(200)])
    return [int(np.abs(kept - share).argmin()) for share in _WANTED]


def _target(ax: Axes, target: Tensor, names: tuple[str, ...]) -> None:
    ax.bar(range(2), target.tolist(), color=(WITH, WITHOUT), width=0.7)
    for place, value in enumerate(target.tolist()):
        ax.text(place, value + 0.04, f"{value:.2f}", ha="center", fontsize=9.5)
    ax.set_xticks(range(2), names[:2], fontsize=9.5)
    ax.set_yticks([])
    ax.set_ylim(0, 1.25)
    plain(ax, "y")


def _shares(ax: Axes, mixer: slots.Mixup | slots.Cutmix, seed: int, blend: bool) -> None:
    flat, classes = torch.zeros(8, 1, 32, 32), torch.eye(8)
    kept = [float(mix.mix(flat, classes, (mixer,), seed, step)[1].diagonal().min()) for step in range(_BATCHES)]
    often, edges = np.histogram(kept, 20, (0.0, 1.0), density=True)
    ax.bar(edges[:-1] + 0.025, often, 0.045, color=WITH, label=f"in {_BATCHES:,} batches")
    x = np.linspace(0.004, 0.996, 200)
    density = beta(mixer.alpha, mixer.alpha).pdf(x)
    ax.plot(x, density, color=INK, lw=1.8, label=f"Beta({mixer.alpha:g}, {mixer.alpha:g})")
    ax.set_ylim(0, 1.4 * float(often.max()))
    ax.set_yticks([])
    ax.set_xlabel("share that an image keeps")
    says = "mostly all or nothing" if blend else "boxes end at the border, so more is kept than drawn"
    ax.set_title(f"how often: {says}")
    plain(ax, "y")
    key(ax, loc="upper center" if blend else "upper left")


def copies(it: Subject) -> Figure:
    """One batch without and with copies, each augmented on its own."""
    count, number = 16, it.plan.sampler.copies
    enough = len(it.images) >= count
    pixels = it.thumbs if enough else F.interpolate(digits(200), (32, 32), mode="bicubic", antialias=True)
    change = slots.TrivialAugment(max_rotation=MNIST.limits.max_rotation, max_shear=MNIST.limits.max_shear)
    title = f"{it.title}: a batch holds {number} copies of each image, each changed differently"
    figure = canvas(title, 4.4, "changed by TrivialAugment")
    plans = ((it.base, f"baseline: {count} images"), (it.plan, f"{number} copies of {count // number} images"))
    for ax, (plan, says) in zip(figure.subplots(1, 2), plans, strict=True):
        rows = Order(plan.sampler, len(pixels), it.seed).rows(0, count)
        shown = augment.policy(pixels[rows[:, 1]], change, Draws(it.seed, rows), plan.interpolation)
        tiles(ax, shown, 4, labels=[f"no. {n}" for n in rows[:, 1].tolist()], share=0.5)
        ax.set_title(says)
    return figure
