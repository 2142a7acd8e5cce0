"""What a learning-rate range test found, as a picture."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from bakeoff.report.chart import GRID, INK, MUTED, PAPER, POST, STYLE, YOURS
from bakeoff.report.words import rate
from bakeoff.runs.lr_find import LearningRates


def picture(found: LearningRates) -> Figure:
    """Loss over learning rate, with the suggestion and the plan's own rate."""
    test, own = found.test, found.plan.lr.per_256
    top = 1.15 * max(test.smooth[0], test.losses[0])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.scatter(test.rates, np.minimum(test.losses, top), s=6, color=MUTED, label="a step", linewidths=0)
        axes.plot(test.rates, np.minimum(test.smooth, top), color=INK, lw=1.8, label="average of neighbours")
        axes.axvline(test.suggested, color=YOURS, lw=2.2, label=f"suggested: {rate(test.suggested)}")
        axes.axvline(own, color=POST, lw=1.6, ls="--", label=f"the plan's own: {rate(own)}")
        if test.largest:
            axes.axvspan(test.largest, test.rates[-1], color=GRID, alpha=0.6, lw=0, label="too large")
        axes.set_xscale("log")
        axes.set_xlim(test.rates[0], test.rates[-1])
        axes.set_ylim(0 if min(test.smooth) < top / 2 else min(test.losses) * 0.95, top)
        axes.set_xlabel("learning rate per 256 images")
        axes.set_ylabel("training loss")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=True, facecolor=PAPER, edgecolor=PAPER, fontsize=8.5, loc="lower left")
    return figure
