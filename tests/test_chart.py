"""Charts: bars of the gains, legends that are all there, colours that can be told apart in light and dark."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from bakeoff.report import chart, render, words
from bakeoff.report.rows import rows
from bakeoff.study.analyse import Results
from tests.test_report import results_of


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return results_of(tmp_path_factory.mktemp("runs"))


def test_charts_show_bars_of_the_gains(results: Results) -> None:
    for narrow in (False, True):
        (axes,) = chart.effects_chart(results, narrow=narrow).axes
        table = [row for row in rows(results) if row.effect is not None]
        lengths = [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)]
        for row in table:
            assert row.effect is not None
            assert row.effect.gain_pp in lengths
            assert row.post is not None
            assert row.post.acc1 in lengths
        named = [text.get_text() for text in (axes.texts if narrow else axes.get_yticklabels())]
        for row in rows(results):
            told = f"{row.title}{'  ' if narrow else chr(10)}{words.SYMBOLS[row.tone]} {row.advice}"
            assert told in named


@pytest.mark.parametrize("narrow", [False, True])
def test_a_charts_legend_is_all_there(results: Results, narrow: bool) -> None:
    figure = chart.effects_chart(results, narrow=narrow)
    figure.canvas.draw()
    (legend,) = figure.legends
    inside, whole = legend.get_window_extent(), figure.bbox
    assert whole.x0 <= inside.x0 < inside.x1 <= whole.x1


def luminance(colour: str) -> float:
    channels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("colours", [chart.COLOURS, chart.DARK], ids=["light", "dark"])
def test_charts_have_the_contrast_that_wcag_asks_for(colours: dict[str, str]) -> None:
    def contrast(a: str, b: str) -> float:
        low, high = sorted((luminance(colours[a]), luminance(colours[b])))
        return (high + 0.05) / (low + 0.05)

    assert min(contrast(text, "paper") for text in ("ink", "muted")) >= 4.5
    assert min(contrast(fill, "paper") for fill in ("yours", "post")) >= 3
    assert contrast("ink", "yours") >= 3  # intervals are drawn over the bars


def test_a_drawing_s_file_has_every_colour_in_the_dark_too(results: Results, tmp_path: Path) -> None:
    render.write(results, "md", tmp_path / "found.md")
    drawings = list(tmp_path.glob("*.svg"))
    assert drawings
    for path in drawings:
        text = path.read_text()
        head, _, drawing = text.partition("</style>")
        assert "@media (prefers-color-scheme: dark)" in head
        for kind, colour in set(re.findall(r"(fill|stroke): (#\w{6})", drawing)):
            assert f'[style*="{kind}: {colour}"]' in head, (path.name, kind, colour)
        assert "var(--" not in text  # which not every program knows
