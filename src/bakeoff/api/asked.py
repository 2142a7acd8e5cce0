"""What every function of the program takes: what is asked for, and where it happens."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, cast

from bakeoff.errors import RequestError
from bakeoff.events import Doing, tell
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace

if TYPE_CHECKING:
    from bakeoff.models import Builder
    from bakeoff.recipe import Recipe
    from bakeoff.recipes.request import AnyTask, AnyTechnique, Job, Request

_P = ParamSpec("_P")
_T = TypeVar("_T")
BASELINE, PUBLISHED = "baseline", "torchvision-2021"  # the recipe that is trained, and that is measured and searched


class Where(TypedDict, total=False):
    """Where it happens: a workspace, or what `Workspace.open` takes."""

    where: Workspace
    store: Store | Path | str | None
    data: Path | str | None
    device: str
    workers: int | None
    jobs: int | None
    threads: int | None
    on: str
    track: Sequence[str]


class Asked(Where, total=False):
    """What else is asked for, beside task and recipe: as in `Request`; and where."""

    with_: "Sequence[AnyTechnique]"
    without: "Sequence[AnyTechnique]"
    settings: Sequence[str]
    model: "str | Builder | None"
    length: float
    px: int | None
    skip_bad: bool


def shown(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that shows how it goes in the cell of a notebook that calls it, unless it is told an observer."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        from bakeoff.report.console.views import NotebookDisplay, in_notebook

        if "observer" in kwargs or not in_notebook():
            return function(*args, **kwargs)
        from bakeoff.report.console.observer import Progress

        with Progress(NotebookDisplay()) as observer:
            kwargs["observer"] = observer
            return function(*args, **kwargs)

    return call


def understood(
    task: "AnyTask | Request", recipe: "str | Recipe | None", asked: Asked, usual: str
) -> "tuple[Job, Workspace]":
    """The job that is asked for, and where it happens. usual: the recipe where neither says one."""
    tell(Doing("starting"))  # before PyTorch is loaded, which takes seconds
    from bakeoff.engine import timing
    from bakeoff.recipes.request import Request, understand

    where = workspace(cast(Where, {name: value for name, value in asked.items() if name in Where.__annotations__}))
    what: dict[str, Any] = {name: value for name, value in asked.items() if name not in Where.__annotations__}
    if not isinstance(task, Request):
        request = Request(task=task, recipe=recipe or usual, **what)
    elif beside := [*(["recipe"] if recipe is not None else []), *what]:
        raise RequestError(f"{', '.join(beside)} is said beside a request, which says it too; say it there")
    else:
        request = task
    tell(Doing("reading what is asked for"))
    job = understand(request, where.data, lambda: timing.speed(where.torch_device()))
    if job.chosen is not None:
        tell(job.chosen)
    return job, where


def workspace(place: Where) -> Workspace:
    """Where it happens, opened if it isn't. Raises RequestError for what is said twice."""
    rest = {name: value for name, value in place.items() if name != "where"}
    if (where := place.get("where")) is None:
        return Workspace.open(**cast(Any, rest))
    if rest:
        raise RequestError(f"{', '.join(rest)} is said beside a workspace, which says it too; say it there")
    return where
