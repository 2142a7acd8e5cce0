"""One HTML file that needs nothing else: pictures inside, no script, no request; light, dark, print, phone."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bakeoff.report.chart import COLOURS, DARK
from bakeoff.report.page import Bullets, Code, Grid, Page, Picture, Table, Text
from bakeoff.report.render.svg import inline

_KINDS = {Text: "text", Bullets: "bullets", Code: "code", Table: "table", Picture: "picture", Grid: "grid"}


def render(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("bakeoff.report.render"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["kind"] = lambda block: _KINDS[type(block)]
    environment.filters["svg"] = _svg
    return environment.get_template("page.html.j2").render(page=page, light=COLOURS, dark=DARK)


def _svg(picture: Picture, narrow: bool) -> Markup:
    """Safe to put into the page as it is: matplotlib escapes the text of a drawing."""
    return Markup(inline(picture.draw(narrow), f"{picture.name}-{'narrow' if narrow else 'wide'}"))
