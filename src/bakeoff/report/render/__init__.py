"""A report for browser, GitHub, Jupyter and papers, and its numbers for programs."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bakeoff.errors import RequestError
from bakeoff.files import refused, replacing

if TYPE_CHECKING:
    from bakeoff.report.page import Page, Picture
    from bakeoff.study.analyse import Results

Format = Literal["html", "md", "ipynb", "latex", "csv", "parquet", "svg", "png"]
PAGES: tuple[Format, ...] = ("html", "md", "ipynb")  # the whole report
FORMATS: tuple[Format, ...] = (*PAGES, "latex", "csv", "parquet", "svg", "png")


def suffix(format: Format) -> str:
    """What the name of a report's file ends in."""
    return "tex" if format == "latex" else format


def write(results: "Results", format: Format, path: Path) -> Path:
    """Write a study's report to `path` and return it; the pictures of Markdown and LaTeX go beside it.

    html is one file that needs nothing else. csv and parquet are the effects as numbers. svg and png are the chart of
    the effects, with the other charts beside it. The same results give the same bytes. A report that can't be written
    whole leaves the one that is there. Raises RequestError for a format that doesn't exist or a path that can't be
    written, BakeoffError where there is no room.
    """
    from bakeoff.report import data
    from bakeoff.report.compose import page
    from bakeoff.report.render import (  # drawing takes a second to load, and few commands draw
        html,
        latex,
        markdown,
        notebook,
    )

    if format not in FORMATS:
        raise RequestError(f"unknown format '{format}'; there are: {', '.join(FORMATS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as all_or_none:
            file = all_or_none.enter_context(replacing(path))
            match format:
                case "html":
                    file.write(html.render(page(results)).encode())
                case "ipynb":
                    file.write(notebook.render(page(results), results).encode())
                case "csv":
                    file.write(data.as_csv(results).encode())
                case "parquet":
                    data.write_parquet(results, file)
                case "md":
                    whole = page(results)
                    names = _pictures(whole, path, "svg", all_or_none)
                    file.write(markdown.render(whole, lambda picture: names[picture.name]).encode())
                case "latex":
                    whole = page(results)
                    names = _pictures(whole, path, "pdf", all_or_none)
                    file.write(latex.render(whole, results, lambda picture: names[picture.name]).encode())
                case _:
                    whole = page(results)
                    first = next((picture for picture in whole.pictures() if picture.name == "effects"), None)
                    if first is None and results.spec.program:
                        raise RequestError("the report of a command has no charts yet: take html, md or csv")
                    if first is None:
                        raise RequestError(f"study {results.spec.name} has no finished run yet: nothing can be drawn")
                    file.write(_drawn(first, format))
                    _pictures(whole, path, format, all_or_none, without=first)
    except OSError as error:
        raise refused(error, "the report", path) from None
    return path


def _pictures(
    whole: "Page", path: Path, kind: Literal["svg", "png", "pdf"], files: ExitStack, without: "Picture | None" = None
) -> dict[str, str]:
    """Draw the charts beside the report; their names in it, by what they are called."""
    names = {picture.name: f"{path.stem}-{picture.name}.{kind}" for picture in whole.pictures()}
    for picture in whole.pictures():
        if picture is not without:
            files.enter_context(replacing(path.with_name(names[picture.name]))).write(_drawn(picture, kind))
    return names


def _drawn(picture: "Picture", kind: Literal["svg", "png", "pdf"]) -> bytes:
    from bakeoff.report.render import svg

    return svg.svg(picture.draw(False)).encode() if kind == "svg" else svg.drawn(picture.draw(False), kind)
