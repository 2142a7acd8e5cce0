"""Measure what each technique buys, and derive a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack, cast

from bakeoff import reader
from bakeoff.api.asked import PUBLISHED, Asked, Where, shown, understood, workspace
from bakeoff.api.results import write_report
from bakeoff.errors import RequestError
from bakeoff.events import Observer, observed, unobserved
from bakeoff.runs.store import Store, open_store
from bakeoff.stats.table import DEFAULT, AnalysisOptions
from bakeoff.study.analyse import Results

if TYPE_CHECKING:
    from bakeoff.ablation.design import Design
    from bakeoff.ablation.subject import Subject
    from bakeoff.commands.draft import Draft
    from bakeoff.commands.study_file import CommandStudy
    from bakeoff.derivation.plan import SearchOptions
    from bakeoff.launch.worker import Worked
    from bakeoff.models import Builder
    from bakeoff.recipe import Recipe
    from bakeoff.recipes.request import AnyTask, AnyTechnique, Request
    from bakeoff.stats.power import Kind
    from bakeoff.study.estimate import Estimate, What
    from bakeoff.study.events import SearchPlanned, StudyPlanned
    from bakeoff.study.search import Objective
    from bakeoff.study.watch import Watched


class Sought(Asked, total=False):
    """What `derive` takes beside: see there."""

    budget: float | str | None
    runs: int | None
    objective: "Objective"
    always: Sequence[str]
    max_time: float | None
    strengths: bool
    seed: int


@shown
@observed
def ablate(
    task: "AnyTask | Request | CommandStudy" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    design: "Design | Kind" = "factorial",
    seeds: int | None = None,
    options: AnalysisOptions = DEFAULT,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> Results:
    """Measure what each technique of a recipe buys; runs that the store has are not made again.

    task: or a study of any command, as `open_command` reads it from a file; only `design`, `options` and where it
    happens go with that. design: `Factorial`, `LeaveOneOut`, `AddOne` or `Ladder`, each with its size, or its name;
    `LeaveOneOut(Settled())` asks whether each technique should be in this recipe. seeds: with a name, fold pairs of a
    factorial, replicates of a toggle, repeats of a ladder. options: level of the intervals, and how small a
    gain isn't worth having. The report is in the store: `studies/NAME/report.html`, NAME being `results.spec.name`.
    """
    from bakeoff.ablation import run
    from bakeoff.ablation.tracked import tracked

    subject = _subject(task, recipe, asked)
    with tracked(subject.where, observer) as told:
        found = run.ablate(subject, _design(design, seeds), options, told)
    write_report(found, store=subject.where.store)
    return found


def watch(study: str = "", *, store: Store | Path | str | None = None) -> "Watched":
    """A study while it is made, wherever its runs are made: `look()` says where it stands, each time anew.

    study: its name, or the first characters of it; "" for the only one. What it says of effects holds however often one
    looks. Only the store is read, and nothing is written. Raises RequestError where there is no such study.
    """
    from bakeoff.study.watch import Watched

    return Watched(open_store(store), study)


@observed
def plan_ablation(
    task: "AnyTask | Request | CommandStudy" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    design: "Design | Kind" = "factorial",
    seeds: int | None = None,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> "StudyPlanned":
    """What `ablate` would run, how long that takes and what it can tell; arguments as there. Nothing is run."""
    from bakeoff.ablation import run

    return run.plan(_subject(task, recipe, asked), _design(design, seeds))


def open_command(path: Path | str) -> "CommandStudy":
    """A study of any command, from the file that describes it. Raises RequestError, naming key and line."""
    from bakeoff.commands import study_file

    return study_file.read(path)


@observed
def draft_study(
    path: Path | str,
    command: str,
    factors: Mapping[str, str] = MappingProxyType({}),
    *,
    shell: bool = False,
    time: float = 3600.0,
    observer: Observer = unobserved,
) -> "Draft":
    """Draft the file of a study of a command, and try the command: three runs, two of them with one seed.

    factors: name -> the text that is added to the command where it is on. shell: /bin/sh runs it. time: seconds that a
    run may take. Raises RequestError where the file is there already, and BakeoffError where the command fails.
    """
    from bakeoff.commands import draft

    return draft.draft(reader.path(path, "the study's file"), command, factors, shell=shell, time=time)


def _subject(task: "AnyTask | Request | CommandStudy", recipe: "str | Recipe | None", asked: Asked) -> "Subject":
    from bakeoff.commands.study_file import CommandStudy

    if not isinstance(task, CommandStudy):
        from bakeoff.ablation.trained import Trained

        job, where = understood(task, recipe, asked, PUBLISHED)
        return Trained(job, where)
    from bakeoff.ablation.commanded import Commanded

    beside = [name for name in asked if name not in Where.__annotations__]
    if beside or recipe is not None:
        raise RequestError(f"{', '.join(['recipe'] * (recipe is not None) + beside)}: a command's own file says that")
    place = cast(Where, {name: value for name, value in asked.items() if name in Where.__annotations__})
    return Commanded(task, workspace(place))


@shown
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
    from bakeoff.ablation.tracked import tracked
    from bakeoff.derivation import run

    search, rest = _search(asked)
    job, where = understood(task, recipe, rest, PUBLISHED)
    with tracked(where, observer) as told:
        found = run.derive(job, search, where, options, told)
    write_report(found, store=where.store)
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
    job, where = understood(task, recipe, rest, PUBLISHED)
    return SearchPlanned(plan_search(job, search, where, job.task.load(where.folder)))


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


@observed
def work(
    study: str = "",
    *,
    idle: float = 300.0,
    with_: "Sequence[AnyTechnique]" = (),
    model: "str | Builder | None" = None,
    task: "AnyTask | None" = None,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "Worked":
    """Make the runs that studies of a store want, beside any number of other workers; what `bakeoff worker` does.

    study: by name, or its first characters; empty for all. idle: seconds without anything to do after which it ends,
    unless everything is complete before. with_, model, task: what the study uses of techniques, networks and tasks that
    are files; a file is run because it is named here, and never because a store says so.
    """
    from bakeoff import models, tasks, techniques
    from bakeoff.launch import worker
    from bakeoff.launch.messages import Setup

    where = workspace(place)
    where.torch_device()
    for technique in with_:
        techniques.get(technique)
    if model is not None:
        models.REGISTRY.add(model)
    if task is not None:
        tasks.REGISTRY.add(task)
    told = Setup(store=where.store.url, data=str(where.data), device=where.device)
    return worker.work(told, study, idle, observer)


@observed
def estimate(
    task: "AnyTask | Request" = "digits",
    what: "What" = "train",
    recipe: "str | Recipe | None" = None,
    *,
    design: "Design | None" = None,
    runs: int | None = None,
    hardware: str | None = None,
    devices: int = 1,
    price: float | None = None,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> "Estimate":
    """What a training, a study or a derivation takes; nothing is run, and no data are read.

    what: train, ablate or derive. design: of a study, as for `ablate`. runs: of a derivation. hardware: that isn't
    here, "a100" or "v100" (None: this machine). devices: that share the runs, or one training. price: of an hour of a
    device.
    """
    from bakeoff.ablation import estimate as estimates
    from bakeoff.ablation.design import Factorial
    from bakeoff.errors import unknown

    if hardware is not None and hardware not in estimates.HARDWARE:
        raise unknown("hardware", hardware, estimates.HARDWARE)
    if what == "derive" and runs is None:
        raise RequestError("a derivation is estimated by its runs: runs=80")
    job, where = understood(task, recipe, asked, PUBLISHED)
    return estimates.estimate(
        job, where, what, design=design or Factorial(), runs=runs, hardware=hardware, devices=devices, price=price
    )
