"""The page of a run: its mistakes as pictures, what it mixes up, how far it can be believed, what it sees."""

import base64
import io
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from bakeoff.files import printable
from bakeoff.report import words
from bakeoff.report.chart import GRID, INK, MUTED, PAPER, STYLE, YOURS
from bakeoff.report.page import Block, Cell, Column, Grid, Page, Picture, Section, Table, Text, Tile, code, strong, term
from bakeoff.stats.proportions import interval, paired_interval

if TYPE_CHECKING:
    from bakeoff.inference.inspect import Comparison, Inspection

_THUMB = 96  # px
_GRID, _PAIRS, _OF_A_PAIR, _SEEN, _SAMPLES = 24, 8, 4, 8, 6
_BINS = 10
_MOST_CLASSES, _MOST_NUMBERS = 20, 10  # of a matrix that can be read, and of one with numbers


def page(found: "Inspection", compared: "Comparison | None" = None) -> Page:
    """The page as data."""
    record, view = found.record, found.view
    right = int(found.right.sum())
    low, high = interval(right, len(found.right))
    names = [name for item in record.recipe for name in item]
    headline = (
        Text.of(
            strong(f"{100 * right / len(found.right):.2f} %"), f" of {words.counted(len(found.right), 'image')} of "
            f"{found.split} are classified correctly ({100 * low:.2f} to {100 * high:.2f} %, 95 % interval for other "
            f"images of the same kind): {words.counted(len(found.right) - right, 'mistake')}.",
        ),
        Text.of(
            f"{record.plan['model']['name']} trained on {words.dataset(record.task)}, "
            f"{', '.join(names) or 'no techniques'}, seed {record.seed}; shown at {words.size(found.plan.eval_view)}, "
            f"{'averaged' if view.ema else 'last'} weights. Run ", code(record.run_id), ".",
        ),
    )  # fmt: skip
    sections = [
        _compared(compared) if compared else None,
        _mistakes(found),
        _confusion(found),
        _classes(found),
        _reliability(found),
        _sizes(found),
        _seen(found),
        _augmented(found),
        _training(found),
    ]
    kept = tuple(section for section in sections if section)
    return Page(f"What run {record.run_id} learned", (), headline, kept)


def thumbnail(image: NDArray[np.uint8]) -> str:
    """An image, (H, W, C) uint8, as the address of a PNG inside the page."""
    made = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    made.thumbnail((_THUMB, _THUMB))
    buffer = io.BytesIO()
    made.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _tile(found: "Inspection", index: int, answer: bool = True) -> Tile:
    said = f"{printable(found.classes[found.predicted[index]])}, {100 * found.confidence[index]:.1f}\u00a0%"
    label = printable(found.classes[found.labels[index]])
    lines = (f"says {said}", f"is {label}") if answer else (label,)
    return Tile(thumbnail(found.image(index)), f"{printable(found.names[index])}: is {label}, says {said}", lines)


def _grid(found: "Inspection", which: Iterable[int], answer: bool = True) -> Grid:
    return Grid(tuple(_tile(found, int(index), answer) for index in which))


def _mistakes(found: "Inspection") -> Section:
    wrong, right = np.flatnonzero(~found.right), np.flatnonzero(found.right)
    surest = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:_GRID]
    doubtful = right[np.argsort(found.confidence[right], kind="stable")][: _GRID // 2]
    blocks: list[Block] = []
    if len(surest):
        blocks += [Text.of(strong("Most confident mistakes"), ": wrong, and sure of it. Some may be wrong labels."),
                   _grid(found, surest)]  # fmt: skip
    else:
        blocks.append(Text.of("No mistake was made."))
    if len(doubtful):
        blocks += [Text.of(strong("Least confident hits"), ": right, with hardly more than a guess."),
                   _grid(found, doubtful)]  # fmt: skip
    return Section("mistakes", "Mistakes and near misses", tuple(blocks))


def _matrix(found: "Inspection") -> NDArray[np.int64]:
    """(K, K) how many images of each class (rows) were taken for each."""
    k = len(found.classes)
    counts = np.bincount(found.labels * k + found.predicted, minlength=k * k)
    return counts.reshape(k, k)


def _confusion(found: "Inspection") -> Section:
    matrix, k = _matrix(found), len(found.classes)
    blocks: list[Block] = []
    if k <= _MOST_CLASSES:
        blocks.append(
            Picture(
                "confusion",
                lambda narrow: _draw_matrix(found, matrix, narrow),
                f"Confusion matrix of {k} classes; the pairs below are its largest entries off the diagonal",
                Text.of("Rows are the true classes, columns what was said; each row in percent of its images."),
            )
        )
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[:_PAIRS]
    pairs = [(int(at) // k, int(at) % k) for at in order if off.flat[at]]
    for true, said in pairs:
        which = np.flatnonzero((found.labels == true) & (found.predicted == said))
        shown = which[np.argsort(-found.confidence[which], kind="stable")][:_OF_A_PAIR]
        blocks += [
            Text.of(strong(f"{printable(found.classes[true])} taken for {printable(found.classes[said])}"),
                    f": {len(which)} of {words.counted(int(matrix[true].sum()), 'image')}."),
            _grid(found, shown),
        ]  # fmt: skip
    return Section("confusion", "What it mixes up", tuple(blocks or [Text.of("Nothing.")]))


def _classes(found: "Inspection") -> Section:
    matrix = _matrix(found)
    totals, hits = matrix.sum(1), np.diag(matrix)
    body = []
    for index in sorted(np.flatnonzero(totals), key=lambda i: hits[i] / totals[i]):
        low, high = interval(int(hits[index]), int(totals[index]))
        body.append((
            Cell(printable(found.classes[index])), Cell(f"{100 * hits[index] / totals[index]:.1f}"),
            Cell(f"{100 * low:.1f} to {100 * high:.1f}"), Cell(f"{totals[index]:,}"),
        ))  # fmt: skip
    columns = (Column("Class"), Column("Acc@1 %", True), Column("95 % interval", True), Column("Images", True))
    told = Text.of("The worst first. With few images of a class its interval is wide: Wilson's, of each class alone.")
    return Section("classes", "Class by class", (told, Table(columns, tuple(body))))


def _reliability(found: "Inspection") -> Section:
    intro = Text.of(
        "Where the network says 80 %, is it right in 80 % of the cases? Bars are how often it was right, with 95 % "
        "intervals; on the line it can be believed, below it, it is too sure. ", term("ECE"),
        f", the mean gap, is {100 * found.view.ece:.2f} %.",
    )  # fmt: skip
    alt = "How often it was right, by how sure it was"
    picture = Picture("reliability", lambda narrow: _draw_reliability(found, narrow), alt, Text.of("Ten bins."))
    return Section("reliability", "How far it can be believed", (intro, picture))


def _sizes(found: "Inspection") -> Section | None:
    if len(found.sizes) < 2:
        return None
    picture = Picture(
        "sizes",
        lambda narrow: _draw_sizes(found, narrow),
        "Accuracy over the size at which images are evaluated: "
        + ", ".join(f"{px} px {view.acc['acc1']:.2f} %" for px, view in found.sizes),
        Text.of("On the split select, since a size is chosen by it; 95 % intervals for other images. Try one with ",
                code(f"bakeoff evaluate {found.record.run_id} --crop PX --resize PX"), "."),
    )  # fmt: skip
    told = Text.of(
        "Objects look larger in training's random crops than at evaluation, so that a larger size than that of "
        "training is often better."
    )
    return Section("sizes", "Accuracy over the inference size", (told, picture))


def _seen(found: "Inspection") -> Section:
    tiles = []
    for index in range(min(_SEEN, len(found.labels))):
        image, shown = found.image(index), found.shown(index)
        tiles.append(Tile(thumbnail(image), "as it is", (f"{image.shape[1]} x {image.shape[0]}",)))
        tiles.append(Tile(thumbnail(shown), "as the network sees it", (f"seen: {shown.shape[1]} px",)))
    told = Text.of("Each image as it is, and beside it what the network sees of it.")
    return Section("seen", "What the network sees", (told, Grid(tuple(tiles), pairs=True)))


def _augmented(found: "Inspection") -> Section | None:
    if len(found.labels) < _SAMPLES:
        return None
    blocks: list[Block] = []
    for kind, images in found.augmented():
        tiles = tuple(Tile(thumbnail(image), f"{kind}, image {number}", ()) for number, image in enumerate(images))
        blocks += [Text.of(code(kind), ":"), Grid(tiles)]
    told = Text.of("The same images as training would show them, by each of its operations alone; drawn by its seed.")
    return Section("augmented", "What training makes of them", (told, *blocks)) if blocks else None


def _training(found: "Inspection") -> Section | None:
    if not found.record.losses:
        return None
    caption = Text.of("Mean over the steps since the point before; of the batches as they were augmented.")
    picture = Picture("loss", lambda narrow: _draw_loss(found, narrow), "Training loss over the steps", caption)
    return Section("training", "Training", (picture,))


def _compared(both: "Comparison") -> Section:
    first, second, n = both.first, both.second, len(both.first.labels)
    low, high = (100 * end for end in paired_interval(len(both.gained), len(both.lost), n))
    gain = 100 * (len(both.gained) - len(both.lost)) / n
    blocks: list[Block] = [
        Text.of(
            "Run ", code(second.record.run_id), f" has {second.view.acc['acc1']:.2f} % right where this one has "
            f"{first.view.acc['acc1']:.2f} %: a difference of ", strong(f"{gain:+.2f} points"), f" ({low:+.2f} to "
            f"{high:+.2f}, the 95 % interval for the same images asked twice, Bonett and Price 2012; it says nothing "
            f"of other seeds). It has {words.counted(len(both.gained), 'image')} right that were wrong, and "
            f"{len(both.lost)} wrong that were right.",
        )
    ]  # fmt: skip
    for title, which in (("Right there, wrong here", both.gained), ("Wrong there, right here", both.lost)):
        if len(which):
            surest = which[np.argsort(-second.confidence[which], kind="stable")][:_GRID]
            blocks += [Text.of(strong(title), ":"), _grid(second, surest)]
    return Section("compared", f"Beside run {second.record.run_id}", tuple(blocks))


def _drawn(narrow: bool, height: float, draw: Callable[[Axes], None]) -> Figure:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.1 if narrow else 8.4, height), layout="constrained")
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        draw(axes)
    return figure


def _draw_matrix(found: "Inspection", matrix: NDArray[np.int64], narrow: bool) -> Figure:
    k = len(found.classes)
    share = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    length = 8 if narrow else 14

    def draw(axes: Axes) -> None:
        axes.set_xlim(-0.5, k - 0.5)
        axes.set_ylim(k - 0.5, -0.5)
        names = [name if len(name) <= length else f"{name[: length - 1]}…" for name in map(printable, found.classes)]
        axes.set_xticks(range(k), names, rotation=90 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(range(k), names)
        axes.set_xlabel("said")
        axes.set_ylabel("is")
        axes.set_aspect("equal", anchor="W")
        mistake = MUTED if k > _MOST_NUMBERS else GRID  # on which a number can be read
        for true, said in zip(*np.nonzero(matrix), strict=True):
            if k <= _MOST_NUMBERS and true != said and share[true, said] < 0.05:
                continue  # its number would be larger than its square
            side = 0.96 * np.sqrt(share[true, said])  # by area, so that rare mistakes are seen
            corner = (said - side / 2, true - side / 2)
            axes.add_patch(mpl.patches.Rectangle(corner, side, side, color=YOURS if true == said else mistake, lw=0))
        for true, said in zip(*np.nonzero(share >= 0.005), strict=True):
            if k <= _MOST_NUMBERS:
                percent = f"{100 * share[true, said]:.0f}"
                axes.text(said, true, percent, color=INK, ha="center", va="center", fontsize=7 if narrow else 9)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(np.arange(-0.5, k), minor=True)  # lines between the numbers, not through them
        axes.tick_params(which="minor", length=0)
        axes.grid(which="minor", color=GRID, lw=0.5)

    return _drawn(narrow, min(4.2 if narrow else 6.4, 1.2 + 0.6 * k), draw)


def _draw_reliability(found: "Inspection", narrow: bool) -> Figure:
    bins = np.minimum((found.confidence * _BINS).astype(int), _BINS - 1)

    def draw(axes: Axes) -> None:
        for place in range(_BINS):
            inside = bins == place
            n, hits = int(inside.sum()), int(found.right[inside].sum())
            if not n:
                continue
            low, high = interval(hits, n)
            x = (place + 0.5) / _BINS
            axes.bar(x, hits / n, 0.9 / _BINS, color=PAPER if n < 10 else YOURS, edgecolor=YOURS)
            axes.plot([x, x], [low, high], color=INK, lw=1.6)
            axes.text(x, 1.03, f"{n:,}", ha="center", fontsize=6.5 if narrow else 8.5, color=MUTED)
        axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls="--")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.1)
        axes.set_xlabel("what it says (above: images)")
        axes.set_ylabel("how often it is right")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(np.arange(0, 1.01, 0.2))
            axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axes.tick_params(pad=5)  # two noughts meet in the corner

    return _drawn(narrow, 3.4 if narrow else 4.2, draw)


def _draw_sizes(found: "Inspection", narrow: bool) -> Figure:
    def draw(axes: Axes) -> None:
        for px, view in found.sizes:
            low, high = interval(view.acc["acc1"] / 100 * view.n, view.n)
            axes.plot([px, px], [100 * low, 100 * high], color=INK, lw=1.6)
        sides = [px for px, _ in found.sizes]
        axes.plot(sides, [view.acc["acc1"] for _, view in found.sizes], "o-", color=YOURS)
        axes.axvline(found.plan.eval_view.crop_px, color=MUTED, lw=1, ls="--", label="as planned")
        axes.set_xticks(sides)
        axes.set_xlabel("side of what the network sees, px")
        axes.set_ylabel("Acc@1 %")
        axes.grid(axis="y", color=GRID, lw=0.6)
        axes.legend(frameon=False)

    return _drawn(narrow, 3.0 if narrow else 3.6, draw)


def _draw_loss(found: "Inspection", narrow: bool) -> Figure:
    def draw(axes: Axes) -> None:
        axes.plot(found.record.losses.step, found.record.losses.loss, color=YOURS, lw=1.4)
        axes.set_xlabel("step")
        axes.set_ylabel("training loss")
        axes.grid(axis="y", color=GRID, lw=0.6)

    return _drawn(narrow, 3.0 if narrow else 3.6, draw)
