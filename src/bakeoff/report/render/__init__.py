"""A report for browser, GitHub and Jupyter."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bakeoff.errors import RequestError
from bakeoff.files import replacing

if TYPE_CHECKING:
    from bakeoff.study.analyse import Results

Format = Literal["html", "md", "ipynb"]
FORMATS: tuple[Format, ...] = ("html", "md", "ipynb")


def write(results: "Results", format: Format, path: Path) -> Path:
    """Write a study's report to `path` and return it; the pictures of Markdown go beside it, as SVG.

    html is one file that needs nothing else. The same results give the same bytes. A report that can't be written whole
    leaves the one that is there. Raises RequestError for a format that doesn't exist or a path that can't be written.
    """
    from bakeoff.report.compose import page
    from bakeoff.report.render import (  # drawing takes a second to load, and few commands draw
        html,
        markdown,
        notebook,
        svg,
    )

    if format not in FORMATS:
        raise RequestError(f"unknown format '{format}'; there are: {', '.join(FORMATS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as all_or_none:
            file = all_or_none.enter_context(replacing(path))
            whole = page(results)
            if format == "html":
                text = html.render(whole)
            elif format == "ipynb":
                text = notebook.render(whole, results)
            else:
                names = {picture.name: f"{path.stem}-{picture.name}.svg" for picture in whole.pictures()}
                for picture in whole.pictures():
                    drawn = all_or_none.enter_context(replacing(path.with_name(names[picture.name])))
                    drawn.write(svg.svg(picture.draw(False)).encode())
                text = markdown.render(whole, lambda picture: names[picture.name])
            file.write(text.encode())
    except OSError as error:
        raise RequestError(f"can't write the report to {path}: {error.strerror}") from None
    return path
