"""What bakeoff does, as functions: the program. The command line and notebooks call these.

Every function takes what is asked for, as keywords or as one `Request`, and where it happens, as keywords or as one
`Workspace`:

- what: `task` (a name or "folder:PATH"), `recipe` (a name or a file; None: baseline to train, torchvision-2021 to
  measure and to search), `with_` and `without` (techniques to add and to leave out), `settings`
  ("technique.knob=value" or "slot=value"), `model` (a network by name), `length` (multiple of the training length),
  `px` (side of the images), `skip_bad` (go on without images that can't be read);
- where: `store` (folder of results), `data` (folder of data sets), `device`, `workers` (processes that decode files),
  `jobs` and `threads` (processes of a study, and threads of each).

All raise RequestError for what can't be had, and BakeoffError when the work fails. What takes a while tells an
`observer` what happens (`bakeoff.events`); where none is named it is silent, but in a notebook shows a bar that leaves
a line or two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, Unpack, cast

from bakeoff import reader
from bakeoff.errors import RequestError
from bakeoff.events import Doing, Observer, TechniqueSkipped, TrainingPlanned, observed, tell, unobserved
from bakeoff.report.render import Format, write
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.store import Store, open_store
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.table import DEFAULT, AnalysisOptions
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec

if TYPE_CHECKING:
    from torch.nn import Module

    from bakeoff.ablation.design import Design
    from bakeoff.data.dataset import Dataset
    from bakeoff.data.prepare import Prepared
    from bakeoff.derivation.plan import SearchOptions
    from bakeoff.inference.predict import Prediction
    from bakeoff.models import Builder
    from bakeoff.recipe import Recipe
    from bakeoff.recipes.request import AnyTask, AnyTechnique, Job, Request
    from bakeoff.stats.power import Kind
    from bakeoff.study.events import SearchPlanned, StudyPlanned
    from bakeoff.study.search import Objective
    from bakeoff.tasks.check import Report as DataReport
    from bakeoff.teach.handin import HandIn


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


class Asked(Where, total=False):
    """What else is asked for, beside task and recipe: as in `Request`; and where."""

    with_: "Sequence[AnyTechnique]"
    without: "Sequence[AnyTechnique]"
    settings: Sequence[str]
    model: "str | Builder | None"
    length: float
    px: int | None
    skip_bad: bool


class Sought(Asked, total=False):
    """What `derive` takes beside: see there."""

    budget: float | str | None
    runs: int | None
    objective: "Objective"
    always: Sequence[str]
    max_time: float | None
    strengths: bool
    seed: int


def _shown(function: Callable[_P, _T]) -> Callable[_P, _T]:
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


@observed
def plan_job(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> "Job":
    """Understand a request and compile its plan; nothing is trained. `job.plan` is the plan."""
    return _understood(task, recipe, asked, BASELINE)[0]


def forecast(job: "Job", **place: Unpack[Where]) -> TrainingPlanned:
    """What a job of `plan_job` takes here: steps, passes, time and memory; nothing is trained, and no data are read."""
    from bakeoff.runs import forecast as runs

    return runs.forecast(job, _where(place))


@_shown
@observed
def train(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    seed: int = 0,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> RunRecord:
    """Train a classifier, or go on with it, or return it if the store has it."""
    from bakeoff.runs.idle import fitted
    from bakeoff.runs.runner import run_plan

    reader.whole(seed, "--seed", 0, reader.MOST_SEED)
    job, where = _understood(task, recipe, asked, BASELINE)
    where.torch_device()
    where.store.prepare()
    observer(forecast(job, where=where))
    tell(Doing(f"reading the images of {job.task.name}"))
    dataset = job.task.load(where.data)
    job = fitted(job, dataset)
    for technique, reason in job.compiled.skipped.items():
        observer(TechniqueSkipped(technique, reason))
    return run_plan(job.task.name, job.plan, job.recipe.as_json(), seed, dataset, where, observer=observer)


def evaluate(
    run: str,
    *,
    split: str = "report",
    topk: Sequence[int] = (1, 5),
    ema: bool | None = None,
    resize_px: int | None = None,
    crop_px: int | None = None,
    task: "AnyTask | None" = None,
    model: "str | Builder | None" = None,
    **place: Unpack[Where],
) -> View:
    """Evaluate a trained run on a split: `train`, `select`, `report` or, where the data set has one, official `test`.

    On `train`, as it learned them but for the augmentation: what it is beyond the others is what was learned by heart.

    run: its id, the first characters, or "last". topk: which Acc@k. ema: the averaged weights or the last ones (None:
    as the run's plan says). resize_px, crop_px: another inference size. task, model: what the run's task and network
    come from, where that is a file or an object.
    """
    from bakeoff.inference import evaluate as inference

    where = _where(place)
    return inference.evaluate(
        where, run, split, topk=topk, ema=ema, resize_px=resize_px, crop_px=crop_px, task=task, model=model
    )


def predict(
    run: str,
    images: Sequence[Path | str],
    *,
    topk: int = 5,
    model: "str | Builder | None" = None,
    **place: Unpack[Where],
) -> "Iterator[Prediction]":
    """The `topk` most likely classes of each image file, with their probabilities, most likely first.

    run: as for `evaluate`. images: files, folders with all below them, or patterns such as "*.png". One that can't be
    read comes with an `error`, and no classes. model: as for `evaluate`.
    """
    from bakeoff.inference import predict as inference

    yield from inference.predict(_where(place), run, [Path(image) for image in images], topk, model)


@_shown
@observed
def ablate(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    design: "Design | Kind" = "factorial",
    seeds: int | None = None,
    options: AnalysisOptions = DEFAULT,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> Results:
    """Measure what each technique of a recipe buys; runs that the store has are not made again.

    design: `Factorial`, `LeaveOneOut`, `AddOne` or `Ladder`, each with its size, or its name;
    `LeaveOneOut(Settled())` asks whether each technique should be in this recipe. seeds: with a name, fold pairs of a
    factorial, replicates of a toggle, repeats of a ladder. options: level of the intervals, and how small a
    gain isn't worth having. The report is in the store: `studies/NAME/report.html`, NAME being `results.spec.name`.
    """
    from bakeoff.ablation import run

    job, where = _understood(task, recipe, asked, PUBLISHED)
    found = run.ablate(job, _design(design, seeds), where, options, observer)
    write(found, "html", report_file(where.store, found.spec.name))
    return found


@observed
def plan_ablation(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    design: "Design | Kind" = "factorial",
    seeds: int | None = None,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> "StudyPlanned":
    """What `ablate` would run, how long that takes and what it can tell; arguments as there. Nothing is run."""
    from bakeoff.ablation import run

    job, where = _understood(task, recipe, asked, PUBLISHED)
    return run.plan(job, _design(design, seeds), where)


@_shown
@observed
def derive(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    options: AnalysisOptions = DEFAULT,
    observer: Observer = unobserved,
    **asked: Unpack[Sought],
) -> Results:
    """Find the best recipe for a task, and prove it; runs that the store has are not made again.

    The candidates are the techniques of `recipe`, with `with_` and without `without`. budget: time for everything, in
    seconds or words such as "1h"; runs: instead. objective: acc1 or acc5. always: candidates that stay on. max_time:
    seconds that one training may take. strengths: try other strengths too, where the budget allows. seed: of the
    search. The recipe's file is `studies/NAME/recipe.yaml` in the store, NAME being `results.spec.name`.
    """
    from bakeoff.derivation import run

    search, rest = _search(asked)
    job, where = _understood(task, recipe, rest, PUBLISHED)
    found = run.derive(job, search, where, options, observer)
    write(found, "html", report_file(where.store, found.spec.name))
    return found


@observed
def plan_derivation(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    observer: Observer = unobserved,
    **asked: Unpack[Sought],
) -> "SearchPlanned":
    """What `derive` would begin with; arguments as there. Nothing is run."""
    from bakeoff.derivation.plan import plan_search
    from bakeoff.study.events import SearchPlanned

    search, rest = _search(asked)
    job, where = _understood(task, recipe, rest, PUBLISHED)
    return SearchPlanned(plan_search(job, search, where, job.task.load(where.data)))


def open_study(
    name: str = "",
    *,
    with_: "Sequence[AnyTechnique]" = (),
    options: AnalysisOptions = DEFAULT,
    store: Store | Path | str | None = None,
) -> Results:
    """What a study of the store says, whether or not all of its runs are there. name: may be left out for the only one.

    with_: techniques from outside whose cards are to be shown. options: level of the intervals, and how small a gain
    isn't worth having.
    """
    from bakeoff import techniques

    for technique in with_:
        techniques.get(technique)
    kept = open_store(store)
    return analyse(gather(kept, StudySpec.load(kept, name)), options)


def write_report(
    study: str | Results = "",
    format: Format = "html",
    output: Path | str | None = None,
    *,
    options: AnalysisOptions = DEFAULT,
    store: Store | Path | str | None = None,
) -> Path:
    """Write the report of a study, from the store alone; while runs are missing, of what is there.

    study: by name, or as `open_study` or `ablate` gave it. format: html, md or ipynb. output: the file to write (None:
    beside the study). Returns the file.
    """
    kept = open_store(store)
    found = study if isinstance(study, Results) else open_study(study, options=options, store=kept)
    return write(
        found,
        format,
        reader.path(output, "--output", text=False) if output else report_file(kept, found.spec.name, format),
    )


def hand_in(
    notebook: Path | str,
    study: str = "",
    output: Path | str = "handin",
    technique: str | None = None,
    *,
    store: Store | Path | str | None = None,
) -> "HandIn":
    """Make the folder to hand in: notebook, narrative, analysis, report, and what is left for the student to write.

    notebook: executed. study: by name; may be left out for the only one. output: the folder, which must not hold
    anything. technique: what to write about (None: what the notebook drew).
    """
    from bakeoff.teach import handin

    paths = (reader.path(notebook, "--notebook", text=False), reader.path(output, "--output", text=False))
    return handin.hand_in(paths[0], open_study(study, store=store), paths[1], technique)


def load_model(run: str, *, model: "str | Builder | None" = None, **place: Unpack[Where]) -> "Module":
    """The trained network of a run, ready for inference: (N, channels, px, px) normalised images -> (N, classes).

    model: as for `evaluate`.
    """
    from bakeoff.inference.evaluate import trained
    from bakeoff.runs import runner

    where = _where(place)
    return runner.load_model(where.store, *trained(where.store, run, model), where.torch_device())


def load_data(task: "AnyTask" = "digits", *, skip_bad: bool = False, data: Path | str | None = None) -> "Dataset":
    """A task's images and labels in their splits. data: the folder of data sets."""
    from bakeoff import tasks

    folder = Workspace.open(data=data).data
    return tasks.get(task, folder, skip_bad=skip_bad).load(folder)


@_shown
@observed
def check_data(
    task: "AnyTask" = "digits",
    *,
    skip_bad: bool = False,
    data: Path | str | None = None,
    observer: Observer = unobserved,
) -> "DataReport":
    """What is in a task's data: classes, sizes, splits, duplicates, files that can't be read."""
    from bakeoff import tasks
    from bakeoff.tasks import check

    folder = Workspace.open(data=data).data
    return check.check(tasks.get(task, folder, skip_bad=skip_bad), folder)


@_shown
@observed
def prepare_data(
    task: str,
    *,
    px: int = 256,
    output: Path | str | None = None,
    format: str | None = None,
    skip_bad: bool = False,
    data: Path | str | None = None,
    observer: Observer = unobserved,
) -> "Prepared":
    """Copy a task's image files at a smaller size, once, so that they are read faster.

    task: "folder:PATH" or imagenet. px: shorter side of the copies, at most. output: where to (None: in the user's
    cache folder). format: ppm (exact and fastest) or jpeg (less room); None: ppm where that takes no more than the
    images do, else jpeg.
    """
    from bakeoff import tasks
    from bakeoff.data import prepare
    from bakeoff.plan import MOST_PX

    root = tasks.image_folder(task, Workspace.open(data=data).data)
    to = reader.path(output, "--output") if output else None
    reader.whole(px, "--px", 1, MOST_PX)
    return prepare.prepare(root, to, px, format, skip_bad)


def report_file(store: Store, study: str, format: Format = "html") -> Path:
    """Where the report of a study is kept."""
    return store.study_file(study, f"report.{format}")


def recipe_file(store: Store, derivation: str) -> Path:
    """Where the recipe of a derivation is kept, for `recipe=` and `--recipe`."""
    return store.study_file(derivation, "recipe.yaml")


def _design(design: "Design | Kind", seeds: int | None) -> "Design":
    from bakeoff.ablation import design as designs

    if isinstance(design, str):
        return designs.design(design, seeds)
    if seeds is not None:
        raise RequestError(f"{design!r} has its size already; seeds goes with the name of a design")
    return design


def _search(asked: Sought) -> "tuple[SearchOptions, Asked]":
    """How to search, and what else is asked for."""
    from bakeoff.ablation.design import Budget, Runs
    from bakeoff.derivation.plan import SearchOptions

    budget, runs = asked.get("budget"), asked.get("runs")
    if (budget is None) == (runs is None):
        raise RequestError("a derivation needs a budget: time (budget='1h'), or runs (runs=80)")
    names = {field.name for field in fields(SearchOptions)}
    options = {name: value for name, value in asked.items() if name in names}
    rest = {name: value for name, value in asked.items() if name not in {*names, "budget", "runs"}}
    size = Runs(runs) if runs is not None else Budget(budget or "")
    return SearchOptions(size=size, **cast(Any, options)), cast(Asked, rest)


def _understood(
    task: "AnyTask | Request", recipe: "str | Recipe | None", asked: Asked, usual: str
) -> "tuple[Job, Workspace]":
    """The job that is asked for, and where it happens. usual: the recipe where neither says one."""
    tell(Doing("starting"))  # before PyTorch is loaded, which takes seconds
    from bakeoff.engine import timing
    from bakeoff.recipes.request import Request, understand

    where = _where(cast(Where, {name: value for name, value in asked.items() if name in Where.__annotations__}))
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


def _where(place: Where) -> Workspace:
    rest = {name: value for name, value in place.items() if name != "where"}
    if (where := place.get("where")) is None:
        return Workspace.open(**cast(Any, rest))
    if rest:
        raise RequestError(f"{', '.join(rest)} is said beside a workspace, which says it too; say it there")
    return where
