"""The pictures of the statistics pages, drawn while the site is built, with captions that hold what they show.

All but the simulated ones are computed from the real ground truth in studies/: every combination of nine training
techniques on the digits, trained with six seeds each (`bench.ground_truth`).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from bakeoff.report import words
from bakeoff.report.chart import GRID, INK, MUTED, PAPER, POST, STYLE, YOURS, effects_chart
from bakeoff.report.render import markdown
from bakeoff.report.rows import rows
from bakeoff.report.sections.summary import headline
from bakeoff.runs.store import Store
from bakeoff.stats import designs, effects, thompson
from bakeoff.stats.outcomes import Runs
from bakeoff.study.analyse import analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec
from bench import ground_truth

Floats = npt.NDArray[np.float64]
WIDE, NARROW = 8.4, 4.1  # inches


@dataclass(frozen=True)
class Picture:
    """A drawing with its caption. narrow: the same for a phone, where `narrowed` isn't enough."""

    figure: Figure
    caption: str
    narrow: Figure | None = None


@cache
def table() -> tuple[Floats, npt.NDArray[np.bool_], list[str]]:
    """Acc@1 (2^k, seeds) on the report split, levels (2^k, k), titles of the techniques."""
    acc, levels, names = ground_truth.load()
    return ground_truth.reported(acc), levels, [words.title(name) for name in names]


def at(levels: npt.ArrayLike) -> Any:
    """Rows of the table with these levels (..., k)."""
    on = np.asarray(levels, np.int64)
    return on @ (2 ** np.arange(on.shape[-1])[::-1])


def answer() -> Picture:
    """The kept study's chart, and its answer in a sentence."""
    store = Store(ground_truth.TABLE.with_name("digits"))
    found = analyse(gather(store, StudySpec.load(store, "")))
    told = " ".join(markdown.words(text) for text in headline(found, rows(found)))
    caption = f"{told} From `{found.spec.command}`, {len(found.runs)} runs."
    return Picture(effects_chart(found), caption, effects_chart(found, narrow=True))


def estimands() -> Picture:
    """What each technique buys: alone, averaged, in the recipe, and stacked in every order."""
    acc, levels, titles = table()
    mean, k = acc.mean(axis=1), len(titles)
    alone = mean[at(np.eye(k, dtype=bool))] - mean[0]
    average, beside = ground_truth.truth(acc, levels), ground_truth.in_recipe(acc)
    draw = np.random.default_rng(0)
    orders = [np.arange(k), *(draw.permutation(k) for _ in range(500))]
    stacks = np.array([_stacked(mean, order) for order in orders])
    figure, axes = _figure(0.5 * k + 1.1)
    axes.hlines(range(k), stacks.min(axis=0), stacks.max(axis=0), color=GRID, lw=5, label="stacked: 500 random orders")
    axes.plot(stacks[0], range(k), "|", color=MUTED, ms=12, mew=2, label="stacked: the post's order")
    axes.plot(alone, range(k), "o", color=PAPER, mec=YOURS, mew=1.6, ms=8, label="alone")
    axes.plot(average, range(k), "D", color=YOURS, ms=7, label="averaged")
    axes.plot(beside, range(k), "s", color=POST, ms=7, label="in the recipe")
    axes.axvline(0, color=INK, lw=0.9)
    axes.set_yticks(range(k), titles)
    axes.invert_yaxis()
    _finish(figure, axes, "gain in Acc@1, points", legend=5)
    j = int(np.argmax(np.ptp(stacks, axis=0)))
    return Picture(
        figure,
        f"Four true answers to one question, from all {len(acc)} combinations of {k} techniques, {acc.shape[1]} runs "
        f"each. {titles[j]} buys {_points(alone[j])} alone, {_points(average[j])} averaged over all settings of the "
        f"others, {_points(beside[j])} in the recipe, and stacked anything from {_points(stacks[:, j].min())} to "
        f"{_points(stacks[:, j].max())}, by its place in the order. The averaged gains add up to "
        f"{_points(average.sum())}; all techniques together gain {_points(mean[-1] - mean[0])}.",
    )


def _stacked(mean: Floats, order: npt.NDArray[np.int64]) -> Floats:
    on = np.zeros((len(order) + 1, len(order)), bool)
    for rung, technique in enumerate(order, start=1):
        on[rung:, technique] = True
    found = np.empty(len(order))
    found[order] = np.diff(mean[at(on)])
    return found


def design() -> Picture:
    """24 runs of leave-one-out and 24 of a factorial, and which of them tell about one technique."""
    _, _, titles = table()
    k = len(titles)
    drawn = (designs.leave_one_out(k, 2), designs.factorial(k, 24))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDE, 4.6), layout="constrained")
        for made in drawn:
            axes = figure.add_subplot(1, 2, len(figure.axes) + 1)
            on = made.levels[np.lexsort([*made.levels.T[::-1], made.levels[:, 0]])][::-1]
            others: npt.NDArray[np.bool_] = np.all(on[:, 1:], axis=1)
            tells = others if made.kind == "leave-one-out" else np.ones_like(others)
            for row, technique in itertools.product(range(len(on)), range(k)):
                colour = YOURS if tells[row] else POST
                box = (technique - 0.42, row - 0.36), 0.84, 0.72
                axes.add_patch(mpl.patches.Rectangle(*box, fc=colour if on[row, technique] else PAPER, ec=colour, lw=1))
            axes.set_title(f"{made.kind}: {tells.sum()} of {len(on)} runs tell", fontsize=10)
            axes.set(xlim=(-0.6, k - 0.4), ylim=(len(on) - 0.4, -0.6))
            axes.set_xticks(range(k), titles, rotation=60, ha="right", rotation_mode="anchor")
            axes.set_yticks([])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
    figure.axes[0].set_ylabel("runs")
    return Picture(
        figure,
        f"Two plans of 24 runs; a full box is a technique that is on. What tells about {titles[0]}, the first column, "
        "is blue: in the first only the runs with everything else on, in the second all of them, half with it and half "
        "without, while every other technique is on equally often in both halves.",
    )


def precision(times: int = 400) -> Picture:
    """The error of three designs, each at what it estimates, over the number of runs."""
    acc, levels, titles = table()
    k, mean = len(titles), acc.mean(axis=1)
    spread = acc.std(axis=1, ddof=1)
    noise = np.random.default_rng(0).standard_normal((len(acc), 64)) * np.sqrt(np.mean(spread**2))
    truths = {
        "add-one": mean[at(np.eye(k, dtype=bool))] - mean[0],
        "leave-one-out": ground_truth.in_recipe(acc),
        "factorial": ground_truth.truth(acc, levels),
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDE, 3.4), layout="constrained")
        both = figure.subplots(1, 2, sharey=True)
    found: dict[tuple[str, str], Floats] = {}
    panels = (("the noise as it is", acc), ("the same noise everywhere", mean[:, None] + noise))
    for axes, (panel, values) in zip(both, panels, strict=True):
        for name, colour, mark in (("add-one", MUTED, "o"), ("leave-one-out", POST, "s"), ("factorial", YOURS, "D")):
            curve = np.array([_error(values, name, size, truths[name], times) for size in (1, 2, 4)])
            axes.plot(*curve.T, color=colour, marker=mark, ms=7, lw=2, label=None if axes is both[1] else name)
            found[panel, name] = curve
        axes.set_title(panel, fontsize=10)
        axes.set_xlim(0, 104)
        axes.grid(axis="y", color=GRID, lw=0.6)
        _finish(figure, axes, "runs in all", legend=3 if axes is both[1] else 0)
    both[0].set(ylabel="typical error, points", ylim=(0, None))
    equal = [found[panels[1][0], name][0, 1] ** 2 for name in ("leave-one-out", "factorial")]
    return Picture(
        figure,
        f"The root mean square error of one technique's gain, {times} studies of each size replayed, each design at "
        f"what it estimates. First: real runs. Here runs with everything on are quiet (their standard deviation is "
        f"{spread[-1]:.2f} points) and others are not ({spread[0]:.2f} with nothing on, {spread.mean():.2f} on "
        f"average), which favours leave-one-out. Second: the same gains with noise of one size everywhere. There "
        f"leave-one-out needs {equal[0] / equal[1]:.1f} times the runs of the factorial for the same error.",
    )


def _error(acc: Floats, name: str, size: int, truth: Floats, times: int) -> tuple[int, float]:
    """Runs of a design, and its root mean square error."""
    k, errors = len(truth), []
    for seed in range(times):
        if name == "factorial":
            made = designs.factorial(k, 24 * size, seed=seed)
            y = _runs(acc, made, seed)
            found = [y[on].mean() - y[~on].mean() for on in made.levels.T]
        else:
            made = (designs.leave_one_out if name == "leave-one-out" else designs.add_one)(k, 2 * size, seed=seed)
            y, count = _runs(acc, made, seed), made.levels.sum(axis=1)
            usual, sign = (k, 1) if name == "leave-one-out" else (0, -1)
            odd = made.levels ^ (usual == k)
            found = [sign * (y[count == usual].mean() - y[row].mean()) for row in odd.T]
        errors.append(np.array(found) - truth)
    return len(made), float(np.sqrt(np.mean(np.square(errors))))


def _runs(acc: Floats, made: designs.Design, seed: int) -> Floats:
    """Their accuracies with random ones of the table's seeds."""
    column = np.random.default_rng([seed, 7]).integers(acc.shape[1], size=int(made.block.max()) + 1)
    found: Floats = acc[at(made.levels), column[made.block]]
    return found


def seeds() -> Picture:
    """The same recipes with other seeds."""
    acc, _, titles = table()
    k = len(titles)
    rows = np.concatenate([[0], at(np.eye(k, dtype=bool))])
    figure, axes = _figure(0.36 * (k + 1) + 1.0)
    for place, row in enumerate(rows):
        axes.plot(acc[row], [place] * acc.shape[1], "o", color=PAPER, mec=YOURS, mew=1.4, ms=7)
        axes.plot([acc[row].mean()] * 2, [place - 0.32, place + 0.32], color=INK, lw=2)
    axes.set_yticks(range(k + 1), ["no technique", *(f"{title} alone" for title in titles)])
    axes.invert_yaxis()
    _finish(figure, axes, "Acc@1, %")
    sigma = float(np.sqrt(acc.var(axis=1, ddof=1).mean()))
    gain = acc[rows[1:]].mean(axis=1) - acc[0].mean()
    j = int(np.argmin(np.where(gain > 0, gain, np.inf)))
    wrong = float(np.mean(acc[rows[j + 1]][:, None] <= acc[0][None, :]))
    return Picture(
        figure,
        f"Each circle is a run, each line the mean of its row: nothing but the seed differs within a row. From run to "
        f"run the standard deviation is {sigma:.2f} points, over all {len(acc)} combinations. {titles[j]} gains "
        f"{_points(gain[j])} on the mean; with one run of each, it doesn't show in {100 * wrong:.0f} % of the pairs.",
    )


def intervals(times: int = 100) -> Picture:
    """Intervals of replayed studies against the truth, singly and together."""
    acc, levels, titles = table()
    k, truth = len(titles), ground_truth.truth(acc, levels)
    found = []
    for seed in range(times):
        made = designs.factorial(k, 48, seed=seed)
        rows = effects.averaged(Runs.collect(made.levels, _runs(acc, made, seed), made.block), titles)
        ends = {row.technique: (row.low, row.high, row.sim_low, row.sim_high) for row in rows}
        found.append([ends[title] for title in titles])
    low, high, lowest, highest = np.moveaxis(np.array(found), 2, 0)
    misses, misses_together = (low > truth) | (high < truth), (lowest > truth) | (highest < truth)
    j = titles.index("Mixup")
    figure, axes = _figure(3.2)
    for study in range(times):
        colour = POST if misses[study, j] else YOURS
        axes.plot([study] * 2, [low[study, j], high[study, j]], color=colour, lw=3 if misses[study, j] else 1.2)
    axes.axhline(truth[j], color=INK, lw=1.2)
    axes.set(ylabel=f"gain of {titles[j]}, points", xlim=(-1, times))
    axes.grid(axis="y", color=GRID, lw=0.6)
    _finish(figure, axes, "study", grid=False)
    return Picture(
        figure,
        f"The 95 % interval of {titles[j]} in {times} replayed studies of 48 runs, and the true gain as a line. "
        f"{misses[:, j].sum()} of the {times} miss it, thick and orange. Of all rows of these studies "
        f"{100 * misses.mean():.1f} % miss. But {misses.any(axis=1).sum()} of the {times} tables have a row that "
        f"misses; with the intervals for all rows at once {misses_together.any(axis=1).sum()}.",
    )


def best_of_three() -> Picture:
    """Mean and best of three runs, from the table."""
    acc, _, _ = table()
    centred = acc - acc.mean(axis=1, keepdims=True)
    sigma = acc.std(axis=1, ddof=1).mean()
    triples = np.array(list(itertools.combinations(range(acc.shape[1]), 3)))
    picked = centred[:, triples]
    figure, axes = _figure(3.2)
    edges = np.linspace(-2, 3, 61)
    for values, colour, label in ((picked.mean(axis=2), YOURS, "mean of 3"), (picked.max(axis=2), POST, "best of 3")):
        style: Any = {"histtype": "stepfilled", "fc": colour, "alpha": 0.55, "ec": colour, "label": label}
        axes.hist(values.ravel(), edges.tolist(), density=True, **style)
        axes.axvline(values.mean(), color=INK, lw=1.2, ls="-" if colour == YOURS else "--")
    axes.set(yticks=[], ylabel="how often")
    _finish(figure, axes, "distance from the recipe's mean, points of Acc@1", legend=2)
    simulated = np.random.default_rng(0).standard_normal((100_000, 3)).max(axis=1).mean()
    return Picture(
        figure,
        f"All {picked[..., 0].size:,} threes of runs of the ground truth. The mean of 3 is right on average; the best "
        f"of 3 is {picked.max(axis=2).mean():.2f} points too high, {picked.max(axis=2).mean() / sigma:.2f} times a "
        f"recipe's standard deviation, {sigma:.2f} points on average. Simulated with normal noise, 100,000 times: "
        f"{simulated:.2f} times. Values beyond the ends of the axis aren't drawn.",
    )


def searching(runs: int = 74) -> Picture:
    """One search on the ground truth: what it tried, run after run."""
    _, levels, titles = table()
    k, draw = len(titles), np.random.default_rng(1)
    chosen = ground_truth.load()[0][:, :, ground_truth.SPLITS.index("select")].mean(axis=-1)
    first = thompson.initial_design(k, seed=1)
    tried, block = first.levels, first.block
    while True:
        y = chosen[at(tried), block % chosen.shape[1]]
        surface = thompson.fit_surrogate(Runs.collect(tried, y, block), np.ones(1))
        now = thompson.incumbent(surface, levels, draw)
        if len(tried) >= runs:
            break
        proposed = thompson.suggest(surface, levels, draw)
        block = np.concatenate([block, thompson.seeds(proposed, int(block.max()) + 1)])
        tried = np.concatenate([tried, proposed])
    true = chosen.mean(axis=1)
    figure, axes = _figure(3.4)
    for start, end, colour, mark, label in (
        (0, len(first), POST, "s", "opening: the factorial"),
        (len(first), len(tried), YOURS, "o", "search: each may be the best"),
    ):
        axes.plot(np.arange(start, end) + 1, y[start:end], mark, color=colour, ms=6, label=label)
    axes.axhline(true.max(), color=INK, lw=1.2, label=f"the best of all {len(true)}")
    axes.set(ylabel="Acc@1 on select, %")
    axes.grid(axis="y", color=GRID, lw=0.6)
    _finish(figure, axes, "run", legend=3)
    return Picture(
        figure,
        f"A search replayed on the ground truth. After {len(tried)} runs it takes a recipe that truly reaches "
        f"{true[at(now.best)]:.2f} % on the images it was searched on; the best of all {len(true)} reaches "
        f"{true.max():.2f} %, no technique {true[0]:.2f} %, all of them {true[-1]:.2f} %.",
    )


def winners(times: int = 2000) -> Picture:
    """By how much the best of m recipes, with a run each, looks better than fresh runs of it are."""
    acc = ground_truth.load()[0].mean(axis=-1)
    select, report = (acc[:, :, ground_truth.SPLITS.index(split)] for split in ("select", "report"))
    easier = report.mean() - select.mean()
    draw = np.random.default_rng(0)
    sizes = 2 ** np.arange(10)
    same, other = np.zeros((2, len(sizes)))
    for place, size in enumerate(sizes):
        for _ in range(times):
            among, seed = draw.choice(len(acc), size, replace=False), draw.integers(acc.shape[1], size=size)
            best = np.argmax(select[among, seed])
            fresh = np.arange(acc.shape[1]) != seed[best]
            seen = select[among[best], seed[best]]
            same[place] += (seen - select[among[best], fresh].mean()) / times
            other[place] += (seen + easier - report[among[best], fresh].mean()) / times
    figure, axes = _figure(3.2)
    for values, colour, mark, where in ((other, POST, "s", "other images"), (same, YOURS, "o", "the same images")):
        axes.plot(sizes, values, color=colour, marker=mark, ms=7, lw=2, label=f"fresh runs, {where}")
    axes.axhline(0, color=INK, lw=0.9)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set(ylabel="looks too good by, points")
    axes.grid(axis="y", color=GRID, lw=0.6)
    _finish(figure, axes, "recipes tried, one run each", legend=2, grid=False)
    return Picture(
        figure,
        f"How much better the best of many looks than it is, the mean of {times:,} draws from the ground truth. The "
        f"winner of {sizes[-1]} looks {same[-1]:.2f} points better than fresh runs of it on the same images, and "
        f"{other[-1]:.2f} better than fresh runs on images that had no say (in the mean over all recipes those images "
        f"are {abs(easier):.2f} points {'easier' if easier > 0 else 'harder'}, which is taken off).",
    )


PICTURES: dict[str, Callable[[], Picture]] = {
    "effects": answer,
    "estimands": estimands,
    "design": design,
    "precision": precision,
    "seeds": seeds,
    "intervals": intervals,
    "best-of-three": best_of_three,
    "search": searching,
    "winners": winners,
}


def narrowed(figure: Figure) -> Figure:
    """The same drawing for a phone: letters as large, panels below each other, a legend of fewer columns."""
    panels, (_, height) = figure.axes, figure.get_size_inches()
    grid = GridSpec(len(panels), 1, figure=figure)
    for place, axes in enumerate(panels):
        axes.set_subplotspec(grid[place])
        axes.tick_params(labelleft=True)  # which panels beside each other may share
    for legend in list(figure.legends):
        names = [text.get_text() for text in legend.get_texts()]
        handles = [handle for handle in legend.legend_handles if handle is not None]
        legend.remove()
        columns = 1 if max(map(len, names)) > 20 else 2
        with mpl.rc_context(STYLE):
            figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5)
        height += 0.2 * (len(names) // columns)
    figure.set_size_inches(NARROW, height * len(panels))
    return figure


def _figure(height: float) -> tuple[Figure, Axes]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDE, height), layout="constrained")
        return figure, figure.add_subplot()


def _finish(figure: Figure, axes: Axes, label: str, legend: int = 0, grid: bool = True) -> None:
    with mpl.rc_context(STYLE):
        axes.set_xlabel(label)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        if grid:
            axes.grid(axis="x", color=GRID, lw=0.6)
        if legend:
            figure.legend(loc="outside lower center", ncols=legend, frameon=False, fontsize=8.5)


def _points(value: float) -> str:
    return f"{words.signed(value, 2)} points"
