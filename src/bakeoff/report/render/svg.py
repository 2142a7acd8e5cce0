"""Drawings as files, the same bytes each time, for light and dark; as SVG inside a page, in the page's own colours."""

import io
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from bakeoff.errors import RequestError
from bakeoff.files import write_bytes
from bakeoff.report.chart import COLOURS, DARK, STYLE

# What is left out of a file, so that the same drawing is the same bytes.
_FORMATS: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def kind_of(path: Path) -> str:
    """The format that the name of a picture's file asks for. Raises RequestError where it is none."""
    kind = path.suffix.removeprefix(".").lower()
    if kind not in _FORMATS:
        raise RequestError(f"a picture ends in {', '.join(f'.{known}' for known in _FORMATS)}, not '{path}'")
    return kind


def save(figure: Figure, path: Path) -> None:
    """Write a drawing as its file's name ends: .png, .svg or .pdf. RequestError if that can't be."""
    kind, buffer = kind_of(path), io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata=_FORMATS[kind])
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise RequestError(f"can't write {path}: {(error.strerror or str(error)).lower()}") from None


def drawn(figure: Figure, format: Literal["svg", "png", "pdf"]) -> bytes:
    """A drawing as the bytes of a file."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a reader's fonts have what matplotlib's own lacks
        figure.savefig(buffer, format=format, dpi=110, metadata=_FORMATS[format])
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
