"""The picture of any technique: the baseline beside it, by the code that trains, from how the two plans differ.

Where the plans give the network other images, these are drawn; where the learning rate differs, both schedules; and
for everything else the training loss of two short runs on handwritten digits.
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.data import augment, loader, mix
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.evaluate import evaluate
from bakeoff.engine.train import Diverged, train
from bakeoff.plan import Plan, diff
from bakeoff.report import words
from bakeoff.tasks.digits import DIGITS
from bakeoff.teach.pictures.canvas import WITH, WITHOUT, canvas, key, plain, rows, tiles
from bakeoff.teach.pictures.subject import Subject, plans
from bakeoff.teach.pictures.training import rates

_TRAINING_VIEW = {"sampler", "image_ops", "mixers", "train_px", "interpolation"}  # what the network trains on
_EVAL_VIEW = {"eval_view", "interpolation"}  # what it is evaluated on
_SEEN = _TRAINING_VIEW | _EVAL_VIEW
_COLUMNS, _BATCH = 6, 12
_TRIED = 8  # batches, of which the one is shown that changes most: many operations are rare
_FAINT = 4  # a difference that can be enlarged so many times is hard to see
_SHORT = 20  # epochs of digits, after which the baseline's loss doesn't fall any more
_SMOOTH = 10  # steps over which the training loss is averaged
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class _Run:
    """A short run on digits. losses: of every step; acc1: in percent, on the split select; NaN: it diverged."""

    losses: NDArray[np.float64]
    acc1: float


def beside(it: Subject) -> Figure:
    """All that the technique changes, without and with it; of one that changes nothing, what it could."""
    changed = set(diff(it.base, it.plan)) - {"sources"} or {slot.partition(".")[0] for slot in it.technique.slots}
    base = DIGITS.base_plan()
    digits = plans(DIGITS, it.technique, base.model_copy(update={"examples_seen": _SHORT * DIGITS.train_examples}))
    parts: list[tuple[str, float]] = []
    if changed & _TRAINING_VIEW:
        parts.append(("training", 5.0))
    if changed & _EVAL_VIEW:
        parts.append(("evaluation", 2.2))
    if _rates_differ(it.base, it.plan) or changed == {"lr"}:
        parts.append(("schedule", 2.6))
    if changed - _SEEN - {"lr"} or not parts:
        parts.append(("runs", 2.8))
    seen = bool(changed & _SEEN)
    what = {"training": "what the network sees", "evaluation": "what is evaluated", "schedule": "the learning rate"}
    title = f"{it.title}: {what.get(parts[0][0], 'training on handwritten digits')}, without and with it"
    figure = canvas(title, 0.9 + sum(height for _, height in parts), it.credit if seen else "")
    for (part, _), place in zip(parts, rows(figure, *(height for _, height in parts)), strict=True):
        if part == "training":
            _training_view(place, it)
        elif part == "evaluation":
            _evaluation_view(place, it)
        elif part == "schedule":
            _schedules(place.subplots(), it)
        else:
            _two_runs(place.subplots(), it, digits)
    return figure


def _training_view(place: SubFigure, it: Subject) -> None:
    """A training batch of both plans; what differs a little is shown enlarged as well."""
    without, with_ = (_batches(it, plan) for plan in (it.base, it.plan))
    same_size = without.shape == with_.shape
    apart = (without != with_).flatten(2).any(2) if same_size else torch.ones(without.shape[:2], dtype=torch.bool)
    step = _newest(without, with_) if same_size else 0
    framed = apart[step].nonzero()[:, 0].tolist()
    shown = [(without[step], "training, baseline", []), (with_[step], f"training, {it.label}", framed)]
    if same_size:
        shown[1] = (with_[step], f"training, {it.label}: {len(framed)} of {_BATCH} images differ", framed)
        gap = (with_[step].int() - without[step].int()).abs()
        if framed and (times := 255 // int(gap.max())) >= _FAINT:
            shown.append(((gap * times).to(torch.uint8), f"the difference, times {times}", []))
    elif it.base.train_px != it.plan.train_px:
        sizes = (it.base.train_px, it.plan.train_px)
        shown = [(images, f"{title}: {px} px", []) for (images, title, _), px in zip(shown, sizes, strict=True)]
    for ax, (images, title, frames) in zip(place.subplots(len(shown), 1), shown, strict=True):
        tiles(ax, images, _COLUMNS, framed=frames if len(frames) < _BATCH else ())
        ax.set_title(title)


def _newest(without: Tensor, with_: Tensor) -> int:
    """The batch that is farthest from what the baseline shows: an image that only changed its place isn't new."""
    small = [F.adaptive_avg_pool2d(images.flatten(0, 1).float(), 16) for images in (without, with_)]
    before, after = (images.unflatten(0, without.shape[:2]).flatten(2) for images in small)  # (T, B, C * 16 * 16)
    gaps = (after[:, :, None] - before[:, None]).abs().mean(3)  # (T, B, B)
    return int(gaps.amin(2).mean(1).argmax())


def _batches(it: Subject, plan: Plan) -> Tensor:
    """The first batches of a plan as the network sees them, as pixels: (T, B, C, train_px, train_px) uint8."""
    images = it.images[torch.arange(_BATCH) % len(it.images)]
    pixels = images.float().div(255).flatten(2)
    mean, std = pixels.mean((0, 2)), pixels.std((0, 2)).clamp(min=1e-3)
    split = Resident(images, torch.arange(_BATCH))
    dataset = Dataset(tuple(map(str, range(_BATCH))), {"train": split}, tuple(mean.tolist()), tuple(std.tolist()), "")
    short = plan.model_copy(update={"batch_size": _BATCH, "examples_seen": _BATCH * _TRIED})
    shown = []
    for step, (batch, labels) in enumerate(islice(loader.batches(dataset, short, it.seed, 0, _CPU, 0), _TRIED)):
        batch, _ = mix.mix(batch, F.one_hot(labels, _BATCH).float(), plan.mixers, it.seed, step)
        shown.append(((batch * std[:, None, None] + mean[:, None, None]) * 255).round().clamp(0, 255).to(torch.uint8))
    return torch.stack(shown)


def _evaluation_view(place: SubFigure, it: Subject) -> None:
    once = it.base.eval_view.times == it.plan.eval_view.times == 1
    for ax, plan, name in zip(place.subplots(1, 2), (it.base, it.plan), ("baseline", it.label), strict=True):
        view = plan.eval_view
        shown = augment.eval_view(it.images[: 2 if once else 1], view, plan.interpolation)
        tiles(ax, torch.cat(list(augment.versions(shown, view))), 2 if once else 5, share=0.5)
        ax.set_title(f"evaluation, {name}:\n{words.size(view)}, {plan.interpolation}")


def _rates_differ(base: Plan, plan: Plan) -> bool:
    (_, before), (_, after) = rates(base), rates(plan)
    return len(before) != len(after) or not np.allclose(before, after)


def _schedules(ax: Axes, it: Subject) -> None:
    for plan, colour, dash, name in ((it.base, WITHOUT, "--", "baseline"), (it.plan, WITH, "-", it.label)):
        done, rate = rates(plan)
        ax.plot(100 * done, rate, dash, color=colour, lw=2.5, label=name, zorder=3 if plan is it.base else 2)
    ax.set_title("learning rate")
    ax.set_xlabel("% of training")
    plain(ax)
    key(ax)


def _two_runs(ax: Axes, it: Subject, both: tuple[Plan, Plan]) -> None:
    """The training loss of two runs with one seed, and how good each is on other images."""
    dataset = DIGITS.load(Path())
    for plan, colour, dash, name in zip(both, (WITHOUT, WITH), ("--", "-"), ("baseline", it.label), strict=True):
        run = _run(plan, dataset, it.seed)
        smooth = np.convolve(run.losses, np.ones(_SMOOTH) / _SMOOTH, "valid") if len(run.losses) else run.losses
        seen = (np.arange(len(smooth)) + _SMOOTH) * plan.batch_size
        says = f"Acc@1 {run.acc1:.1f} %" if np.isfinite(run.acc1) else "the loss exploded"
        ax.plot(seen, smooth, dash, color=colour, lw=2.5, label=f"{name}: {says}", zorder=3 if dash == "--" else 2)
    ax.set_title(f"training loss{', each its own' * (both[0].loss != both[1].loss)}; Acc@1 on other digits")
    ax.set_xlabel("images seen")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    plain(ax)
    key(ax)


def _run(plan: Plan, dataset: Dataset, seed: int) -> _Run:
    try:
        state = train(plan, dataset, seed, _CPU)
    except Diverged:
        return _Run(np.empty(0), np.nan)
    model = state.average.model if plan.average else state.model
    found = evaluate(model, dataset.splits["select"], dataset, plan, plan.eval_view, _CPU, topk=(1,))
    return _Run(np.array(state.losses), found.acc[1])
