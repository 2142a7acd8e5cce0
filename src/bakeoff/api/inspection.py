"""Look at what a trained run learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bakeoff import reader
from bakeoff.api.asked import Where, shown, workspace
from bakeoff.events import Doing, Observer, observed, unobserved

if TYPE_CHECKING:
    from bakeoff.inference.inspect import Inspection
    from bakeoff.models import Builder
    from bakeoff.recipes.request import AnyTask
    from bakeoff.report.demo.server import ServedDemo


@shown
@observed
def inspect_run(
    run: str,
    *,
    split: str = "report",
    tta: bool | None = None,
    task: "AnyTask | None" = None,
    model: "str | Builder | None" = None,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "Inspection":
    """What a run says to every image of a split, how sure it is, and how that changes with the inference size.

    Arguments as for `evaluate`. `write_inspection` makes a page of it.
    """
    from bakeoff.inference import inspect

    observer(Doing("starting"))
    return inspect.inspect(workspace(place), run, split, tta=tta, task=task, model=model, observer=observer)


def write_inspection(
    found: "Inspection", output: Path | str | None = None, *, compared_with: "Inspection | None" = None
) -> Path:
    """Write the page of a run: one HTML file that needs nothing else. Returns the file.

    output: the file (None: RUN.html here). compared_with: another run on the same images, to show what it changes.
    """
    from bakeoff.files import refused, write_text
    from bakeoff.inference.inspect import compare
    from bakeoff.report.inspection import page
    from bakeoff.report.render import html

    both = None if compared_with is None else compare(found, compared_with)
    path = reader.path(output, "--output", text=False) if output else Path(f"{found.record.run_id}.html")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, html.render(page(found, both)))
    except OSError as error:
        raise refused(error, "the page", path) from None
    return path


@shown
@observed
def demo(
    run: str,
    second: str | None = None,
    *,
    topk: int = 5,
    port: int = 0,
    tta: bool | None = None,
    task: "AnyTask | None" = None,
    model: "str | Builder | None" = None,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "ServedDemo":
    """Serve a page where a run, or two side by side, are asked about what is drawn or dropped.

    It is served to this machine alone, until `close` is called or the `with` block that it stands in ends; `url` is
    its address. Images are decoded and shown to the network as evaluation does it. Takes the extra `demo`: Gradio.

    run, second: ids, their first characters, or "last". topk: how many classes are named. port: 0 takes a free one.
    task, model: where they come from, if they are from outside. Raises RequestError for runs without weights, and
    where the port can't be had.
    """
    observer(Doing("starting"))
    from bakeoff.inference import demo as inference
    from bakeoff.report.demo.server import ServedDemo

    topk = reader.whole(topk, "topk", 1, 1000)
    runs = (run,) if second is None else (run, second)
    found = inference.load(workspace(place), runs, tta=tta, task=task, model=model, observer=observer)
    observer(Doing("starting the page"))
    return ServedDemo(found, port, topk)
