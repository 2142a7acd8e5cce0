"""Pictures of sizes: what training and evaluation show of an image, how large, and by which interpolation."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from bakeoff.data import augment, geometry
from bakeoff.plan import EvalView
from bakeoff.rng import Draws
from bakeoff.teach.pictures.canvas import INK, PAPER, WITH, WITHOUT, canvas, key, pixels, plain, rows, tiles
from bakeoff.teach.pictures.subject import Subject

_BOXES = 4000


def fixres(it: Subject) -> Figure:
    """Crops of training and evaluation, what they show at one scale, and how large objects appear in each."""
    base, plan, image = it.base, it.plan, it.images[-1:]
    short = min(image.shape[2:])
    showings = torch.zeros(_BOXES, 3, dtype=torch.int64)
    showings[:, 0] = torch.arange(_BOXES)
    sides = [torch.full((_BOXES,), side) for side in image.shape[2:]]
    boxes = geometry.resized_crop_boxes(base.op("crop"), Draws(it.seed, showings), *sides)
    size = (boxes[:, 2] * boxes[:, 3]).sqrt()  # px of the image
    figure = canvas(
        f"{it.title}: training at {plan.train_px} px instead of {base.train_px} makes objects appear about as large "
        "as at evaluation",
        7.4,
        it.credit,
    )
    above, middle, below = rows(figure, 2.2, 2.5, 2.4)

    left, right = above.subplots(1, 2)
    _photo(left, image[0], "training: a random part")
    typical = int((size.log() - size.log().mean()).abs()[:50].argmin())
    for n in (*(n for n in range(6) if n != typical), typical):
        top, start, height, width = boxes[n].tolist()
        colour, thick = (WITH, 3.0) if n == typical else (PAPER, 1.2)
        left.add_patch(Rectangle((start, top), width, height, fill=False, ec=colour, lw=thick))
    _photo(right, image[0], "evaluation: the centre")
    _outline(right, base.eval_view, image, PAPER)

    first = Draws(it.seed, showings[typical : typical + 1])
    shown = [
        augment.crop(image, base.op("crop"), first, px, base.interpolation) for px in (base.train_px, plan.train_px)
    ]
    shown.append(augment.eval_view(image, base.eval_view, base.interpolation))
    _side_by_side(
        middle.subplots(),
        shown,
        (f"training, {base.train_px} px", f"training, {plan.train_px} px", f"evaluation, {base.eval_view.crop_px} px"),
    )

    ax = below.subplots()
    evaluated = base.eval_view.resize_px / short
    for px, colour, name in (
        (base.train_px, WITHOUT, "training, baseline"),
        (plan.train_px, WITH, "training, smaller"),
    ):
        larger = px / size.numpy() / evaluated
        ax.hist(
            larger,
            bins=np.geomspace(0.3, 3.5, 40).tolist(),
            histtype="stepfilled",
            alpha=0.55,
            color=colour,
            label=f"{name}: {np.exp(np.log(larger).mean()):.2f} on average",
        )
    ax.axvline(1, color=INK, lw=2, label="evaluation: 1")
    ax.set_xscale("log")
    ax.set_xticks([0.5, 1, 2, 3], ["½", "1", "2", "3"])
    ax.minorticks_off()
    ax.set_yticks([])
    ax.set_ylim(top=1.6 * ax.get_ylim()[1])
    ax.set_xlabel("apparent size of an object, relative to evaluation")
    plain(ax, "x")
    key(ax, loc="upper right")
    return figure


def inference(it: Subject) -> Figure:
    """What evaluation shows before and after."""
    image = it.images[-1:]
    views = it.base.eval_view, it.plan.eval_view
    figure = canvas(
        f"{it.title}: resizing to {views[1].resize_px} instead of {views[0].resize_px} px before the crop of "
        f"{views[1].crop_px} keeps more of the image",
        6.6,
        it.credit,
    )
    above, below = rows(figure, 2.9, 3.0)
    ax = above.subplots()
    _photo(ax, image[0], "what is cropped")
    for view, colour in zip(views, (WITHOUT, WITH), strict=True):
        _outline(ax, view, image, colour)
    shown = [augment.eval_view(image, view, it.base.interpolation) for view in views]
    side = [view.crop_px / view.resize_px for view in views]
    names = [
        f"resize {view.resize_px}, crop {view.crop_px}:\n{100 * share**2:.0f} % of the central square"
        for view, share in zip(views, side, strict=True)
    ]
    _side_by_side(below.subplots(), shown, names, (WITHOUT, WITH))
    return figure


def interpolation(it: Subject) -> Figure:
    """An enlarged and a shrunk detail, and what a single pixel becomes."""
    kinds = (it.base.interpolation, it.plan.interpolation)
    figure = canvas(f"{it.title}: a detail enlarged, an image shrunk, beside {kinds[0]}", 7.4, it.credit)
    above, below = rows(figure, 5.2, 2.2)
    image = it.images[-1:]
    height, width = image.shape[2:]
    short = min(height, width)
    detail, small = max(8, short // 7), short // 8
    shown = (
        (
            (max(0, height // 2 - detail), max(0, width // 2 - detail), detail, detail),
            8 * detail,
            f"{detail} px enlarged",
        ),
        ((0, (width - short) // 2, short, short), small, f"shrunk to {small} px"),
    )
    for line, (box, px, what) in zip(above.subplots(2, 2), shown, strict=True):
        for ax, kind in zip(line, kinds, strict=True):
            tiles(ax, geometry.resample(image, torch.tensor([box]), px, kind), 1, share=0.5)
            ax.set_title(f"{kind}: {what}")
    ax = below.subplots()
    wide, factor = 8, 40
    dot = torch.full((1, 1, wide, wide), 100, dtype=torch.uint8)
    dot[..., wide // 2] = 200
    for kind, colour in zip(kinds, (WITHOUT, WITH), strict=True):
        line = geometry.resample(dot, torch.tensor([[0, 0, wide, wide]]), wide * factor, kind)[0, 0, 0]
        x = (torch.arange(len(line)) + 0.5) / factor - wide / 2 - 0.5
        ax.plot(x, (line.float() - 100) / 100, color=colour, lw=2.5, label=kind)
    ax.set_xlim(-3, 3)
    ax.set_xlabel("distance from a pixel, in pixels")
    ax.set_title("its weight in the new pixels around it")
    plain(ax)
    key(ax)
    return figure


def _photo(ax: Axes, image: Tensor, title: str) -> None:
    ax.imshow(pixels(image))
    ax.set_title(title)
    ax.set_axis_off()


def _outline(ax: Axes, view: EvalView, image: Tensor, colour: str) -> None:
    """Mark the part of an image that evaluation shows."""
    height, width = image.shape[2:]
    side = view.crop_px * min(height, width) / view.resize_px
    ax.add_patch(Rectangle(((width - side) / 2, (height - side) / 2), side, side, fill=False, ec=colour, lw=3))


def _side_by_side(ax: Axes, shown: Sequence[Tensor], names: Sequence[str], colours: Sequence[str] = ()) -> None:
    """Images of several sizes, (1, C, px, px) each, at one scale."""
    x, gap, most = 0.0, 14.0, max(image.shape[2] for image in shown)
    for n, (image, name) in enumerate(zip(shown, names, strict=True)):
        px = image.shape[2]
        ax.imshow(pixels(image[0]), extent=(x, x + px, most, most - px))
        if colours:
            ax.add_patch(Rectangle((x, most - px), px, px, fill=False, ec=colours[n], lw=3))
        ax.text(x + px / 2, 1.03 * most, name, ha="center", va="top")
        x += px + gap * most / 224
    ax.set_xlim(0, x - gap * most / 224)
    ax.set_ylim(1.2 * most, 0)
    ax.set_axis_off()
