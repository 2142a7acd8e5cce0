"""What all pictures share: the width of a page's column, letters for a phone's screen, and tiles of images."""

import textwrap
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from torch import Tensor

from bakeoff.report import chart
from bakeoff.report.chart import GRID, INK, MUTED, PAPER, POST, YOURS

__all__ = [
    "GRID", "INK", "MUTED", "PAPER", "STYLE", "WITH", "WITHOUT", "canvas", "key", "pixels", "plain", "rows", "tiles",
]  # fmt: skip

WIDTH = 6.0  # inches: a printed page's column; 11 pt of it stay legible on a phone
STYLE: dict[Any, Any] = {**chart.STYLE, "font.size": 11, "axes.titlesize": 11, "axes.titlelocation": "left"}
WITH, WITHOUT = YOURS, POST  # the colours of the technique and of the baseline
_GAP = 0.06  # between tiles, in tiles


def canvas(title: str, height: float, note: str = "") -> Figure:
    """An empty picture of `height` inches. Its title says what is to be seen; the note stands below it, small."""
    figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))
    figure.suptitle(textwrap.fill(title, 50), x=0.012, ha="left", fontsize=13, fontweight="bold")
    if note:
        figure.supxlabel(textwrap.fill(note, 96), x=0.988, ha="right", fontsize=8, color=MUTED)
    return figure


def rows(figure: Figure, *heights: float) -> list[SubFigure]:
    """Parts of a picture, one below the other."""
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    return [figure.add_subfigure(grid[n]) for n in range(len(heights))]


def tiles(
    axes: Axes,
    images: Tensor,
    columns: int,
    *,
    labels: Sequence[str] = (),
    framed: Collection[int] = (),
    size: float = 9.5,
    share: float = 1.0,
) -> None:
    """Images in rows, with a line or two below each and a frame around some.

    images: (N, C, H, W) uint8. framed: which of them. size: of the labels, in points. share: of the picture's width
    that the tiles have.
    """
    height, width = images.shape[2:]
    tall = height / width
    lines = max((label.count("\n") + 1 for label in labels), default=0)
    line = 1.25 * size * columns / (0.95 * share * WIDTH * 72)  # in tiles
    pitch = tall + _GAP + lines * line
    for place, image in enumerate(images):
        x, y = (place % columns) * (1 + _GAP), (place // columns) * pitch
        smooth = "antialiased" if min(height, width) > 64 else "nearest"
        axes.imshow(pixels(image), extent=(x, x + 1, y + tall, y), interpolation=smooth)
        if place in framed:
            axes.add_patch(Rectangle((x, y), 1, tall, fill=False, ec=WITH, lw=2.5, clip_on=False))
        if labels:
            axes.text(x + 0.5, y + tall + 0.03, labels[place], ha="center", va="top", fontsize=size, linespacing=1.1)
    rows = -(-len(images) // columns)
    axes.set_xlim(0, columns * (1 + _GAP) - _GAP)
    axes.set_ylim(rows * pitch - _GAP, 0)
    axes.set_aspect("equal")
    axes.set_axis_off()


def pixels(image: Tensor) -> Any:
    """(C, H, W) uint8 as (H, W, 3) for imshow: gray as gray."""
    return np.asarray(image.expand(3, -1, -1).permute(1, 2, 0))


def plain(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """No box, no ticks, a light grid."""
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=GRID, lw=0.7)


def key(axes: Axes, **options: Any) -> None:
    """A legend without a frame."""
    axes.legend(frameon=False, fontsize=10, **options)
