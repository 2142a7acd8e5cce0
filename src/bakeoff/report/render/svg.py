"""Drawings as files, the same bytes each time, for light and dark; as SVG inside a page, in the page's own colours."""

import io
import re
import warnings
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from bakeoff.report.chart import COLOURS, DARK, STYLE


def drawn(figure: Figure, format: Literal["svg", "png"]) -> bytes:
    """A drawing as the bytes of a file."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": None} if format == "svg" else {"Software": None}
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a reader's fonts have what matplotlib's own lacks
        figure.savefig(buffer, format=format, dpi=110, metadata=metadata)
    return buffer.getvalue()


def svg(figure: Figure) -> str:
    """A drawing as an SVG file, dark where the reader's system is: what knows no media query shows it light."""
    return re.sub(r"(?<=<defs>)", f"\n  <style>{_dark()}</style>", _plain(figure), count=1)


def _plain(figure: Figure) -> str:
    return "\n".join(line.rstrip() for line in drawn(figure, "svg").decode().splitlines()) + "\n"


def _dark() -> str:
    """Every colour of a drawing by its dark one, as its style attributes spell them."""
    rules = [
        f'[style*="{property}: {value}"] {{ {property}: {DARK[name]} !important; }}'
        for name, value in COLOURS.items()
        for property in ("fill", "stroke")
    ]
    return f"@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}"


def inline(figure: Figure, prefix: str) -> str:
    """A drawing as an element of a page: ids start with `prefix`, colours are the page's variables, --ink and so on."""
    text = _plain(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\1{prefix}-", text)
    for name, value in COLOURS.items():
        text = text.replace(value, f"var(--{name})")
    head = re.sub(r' (?:width|height)="[^"]*"', "", text[: text.index(">")])
    return f'{head} aria-hidden="true" focusable="false"{text[text.index(">") :]}'
