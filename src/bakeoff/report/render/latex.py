"""A study for a paper: the table, the charts and a methods paragraph as LaTeX, which compiles by itself."""

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable

from bakeoff.files import printable
from bakeoff.report import words
from bakeoff.report.methods import methods
from bakeoff.report.page import Page, Picture, Text
from bakeoff.report.rows import EffectRow, rows
from bakeoff.study.analyse import Results

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\u00a0": "~",
    words.MINUS: "$-$",
    words.DASH: "--",
    "±": r"$\pm$",
    "\u00d7": r"$\times$",
    "²": r"\textsuperscript{2}",
    **{each: rf"\{each}" for each in "&%$#_{}"},
}
_HEAD = r"""% %(title)s
% Made by bakeoff from the store alone. It compiles by itself (pdflatex); for a paper, copy what is between the lines of
% percent signs. The table needs \usepackage{booktabs}, the figures need \usepackage{graphicx}.
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{textcomp}
\begin{document}
\sloppy
"""
_TABLE = r"""\begin{table}
\centering
\caption{%(caption)s}
\label{tab:%(label)s}
\footnotesize
\setlength{\tabcolsep}{2pt}
\begin{tabular}{@{}l%(columns)s@{}}
\toprule
%(heads)s \\
\midrule
%(body)s
\bottomrule
\end{tabular}
\end{table}
"""
_FIGURE = r"""\begin{figure}
\centering
\includegraphics[width=\linewidth]{%(file)s}
\caption{%(caption)s}
\label{fig:%(label)s}
\end{figure}
"""
_RULE = "%" * 120


def render(page: Page, results: Results, place: Callable[[Picture], str]) -> str:
    """The document. place: where a picture lies, relative to the file."""
    label = escape_label(results.spec.name)
    table = _filled(_TABLE, label=label, caption=_caption(results), **_cells(results))
    figures = [
        _filled(_FIGURE, file=place(picture), caption=escape(picture.caption.plain), label=f"{label}-{picture.name}")
        for picture in page.pictures()
    ]
    parts = [
        _filled(_HEAD, title=page.title.replace("\n", " ")),
        *(f"\\noindent\\textbf{{{escape(text.plain)}}}\\par\n" for text in page.notices),
        _part("what was found", _paragraphs(page.headline)),
        _part("methods", _wrapped(methods(results)) + "\n"),
        _part("table", table),
        _part("figures", "\n".join(figures)),
        f"{_RULE}\n\\end{{document}}\n",
    ]
    return "\n".join(parts)


def escape(text: str) -> str:
    """Text that LaTeX takes for nothing else. What pdflatex has no letter for is told by its number."""
    parts = ("".join(_ESCAPED.get(each) or _letter(each) for each in part) for part in printable(text).split("--"))
    return "-{}-".join(parts)  # two hyphens would become a dash


def escape_label(name: str) -> str:
    """A name as a label, in which few characters may stand."""
    return re.sub(r"[^\w:.-]+", "-", name, flags=re.ASCII)


def _letter(each: str) -> str:
    if each.isascii() or (each <= "\u017f" and unicodedata.category(each).startswith("L")):
        return each
    return f"U+{ord(each):04X}"


def _filled(template: str, **parts: str) -> str:
    """The template with `%(name)s` filled in; its other percent signs are LaTeX's."""
    return re.sub(r"%\((\w+)\)s", lambda match: parts[match[1]], template)


def _part(name: str, text: str) -> str:
    return f"{_RULE}\n% {name}\n{text}"


def _paragraphs(texts: Iterable[Text]) -> str:
    return "\n\n".join(_wrapped(text.plain) for text in texts) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(escape(text), 100, break_long_words=False, break_on_hyphens=False)


def _caption(results: Results) -> str:
    level = words.percent(results.total.level)
    what = words.ESTIMANDS[results.spec.design]
    looks = ", valid at any look" if results.total.unplanned else ""
    star = "whose simultaneous interval leaves out 0"
    return escape(
        f"What each technique buys on {words.dataset(results.spec.task)}: {what}, in points of Acc@1 on the report "
        f"images, with {level} intervals{looks}, alone and for all rows at once; * marks those {star}."
    )


def _cells(results: Results) -> dict[str, str]:
    """Columns, headings and rows of the table."""
    found = rows(results)
    on_errors = any(effect.errors for effect in results.main)
    heads = ["Technique", "Gain, pp", "Interval", "Simultaneous", *(["Errors"] if on_errors else []), "Advice"]
    body = [_row(row, words.digits(results.main), on_errors=on_errors) for row in found]
    lines = [" & ".join(cells) + r" \\" for cells in body]
    total, digits = results.total, words.digits([results.total])
    lines.append(r"\midrule")
    last = ["Recipe over baseline", words.signed(total.gain_pp, digits), words.span(total.low, total.high, digits)]
    last += ["", *([""] if on_errors else []), ""]
    lines.append(" & ".join(map(escape, last)) + r" \\")
    return {
        "columns": "rrr" + "r" * on_errors + "l",
        "heads": " & ".join(map(escape, heads)),
        "body": "\n".join(lines),
    }


def _row(row: EffectRow, digits: int, *, on_errors: bool) -> list[str]:
    effect = row.effect
    if effect is None or not row.measured:
        return [escape(row.title), *["--"] * (3 + on_errors), escape(row.advice)]
    points = effect.sim_low > 0 or effect.sim_high < 0
    star = "*" if points and row.judged and effect.method != "model" else ""
    cells = [
        row.title,
        f"{words.signed(effect.gain_pp, digits)}{star}",
        words.span(effect.low, effect.high, digits),
        words.span(effect.sim_low, effect.sim_high, digits),
        *([words.errors(effect.errors.removed) if effect.errors else words.DASH] if on_errors else []),
        row.advice,
    ]
    return [escape(cell) for cell in cells]
