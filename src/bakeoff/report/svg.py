"""Drawings as SVG: the same bytes each time; inside a page, in the page's own colours."""

import io
import re

import matplotlib as mpl
from matplotlib.figure import Figure

from bakeoff.report.chart import COLOURS, STYLE


def svg(figure: Figure) -> str:
    """A drawing as an SVG file."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def inline(figure: Figure, prefix: str) -> str:
    """A drawing as an element of a page: ids start with `prefix`, colours are the page's variables, --ink and so on."""
    text = svg(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\1{prefix}-", text)
    for name, value in COLOURS.items():
        text = text.replace(value, f"var(--{name})")
    head = re.sub(r' (?:width|height)="[^"]*"', "", text[: text.index(">")])
    return f'{head} aria-hidden="true" focusable="false"{text[text.index(">") :]}'
