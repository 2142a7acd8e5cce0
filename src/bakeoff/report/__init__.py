"""What is shown to people: cards, runs, progress, tables, charts."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bakeoff.errors import RequestError

if TYPE_CHECKING:
    from bakeoff.study.analyse import Results

Format = Literal["html", "md", "ipynb"]
FORMATS: tuple[Format, ...] = ("html", "md", "ipynb")


def write(results: "Results", format: Format, path: Path) -> Path:
    """Write a study's report to `path` and return it; the pictures of Markdown go beside it, as SVG.

    html is one file that needs nothing else. The same results give the same bytes. Raises RequestError for a format
    that doesn't exist or a path that can't be written.
    """
    from bakeoff.report import html, markdown, notebook, svg  # drawing takes a second to load, and few commands draw
    from bakeoff.report.sections import page

    if format not in FORMATS:
        raise RequestError(f"unknown format '{format}'; there are: {', '.join(FORMATS)}")
    whole, files = page(results), {}
    if format == "html":
        files[path] = html.render(whole)
    elif format == "ipynb":
        files[path] = notebook.render(whole, results)
    else:
        names = {picture.name: f"{path.stem}-{picture.name}.svg" for picture in whole.pictures()}
        files[path] = markdown.render(whole, lambda picture: names[picture.name])
        files |= {path.with_name(names[p.name]): svg.svg(p.draw(False)) for p in whole.pictures()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            file.write_text(text, "utf-8")
    except OSError as error:
        raise RequestError(f"can't write the report to {path}: {error.strerror}") from None
    return path
