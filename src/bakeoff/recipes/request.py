"""What a person asks for, and the job that it is once it's understood."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from bakeoff import reader, recipes, tasks, techniques
from bakeoff.errors import RequestError, explain_validation, shown
from bakeoff.events import PlanChosen
from bakeoff.plan import LEAST_PX, MOST_PX, Plan
from bakeoff.recipe import Compiled, Recipe, compile_plan
from bakeoff.task import Task
from bakeoff.tasks import fit

if TYPE_CHECKING:
    from bakeoff.models import Builder
    from bakeoff.models.cost import Speed

AnyTask = str | Task | tasks.Builder
AnyTechnique = recipes.Chosen


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for: a recipe on a task.

    task: a name, "folder:PATH", in a file ("./data.py:mine"), or a Task. recipe: a name, a recipe file, or a Recipe.
    with_, without: techniques to add and to leave out: names, in a file ("./mine.py:GridMask"), or Technique objects.
    settings: "technique.knob=value", or "slot=value" for the plan that techniques start from. model: a network by
    name, in a file ("./net.py:build"), or its builder (None: the task's). length: multiple of the training length.
    px: side at which images are read, trained on and evaluated (None: the task's, or what suits the machine where the
    data are somebody's own). skip_bad: go on without images that can't be read. command: what was typed, to be typed
    again.
    """

    task: AnyTask = "digits"
    recipe: str | Recipe = "baseline"
    with_: Sequence[AnyTechnique] = ()
    without: Sequence[AnyTechnique] = ()
    settings: Sequence[str] = ()
    model: "str | Builder | None" = None
    length: float = 1.0
    px: int | None = None
    skip_bad: bool = False
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Job:
    """A request, understood: what to train on what.

    request: what was asked. compiled: the recipe's plan on the task, with what the task rules out. chosen: what wasn't
    asked for and was found to suit data and machine.
    """

    request: Request
    task: Task
    recipe: Recipe
    compiled: Compiled
    chosen: PlanChosen | None = None

    @property
    def plan(self) -> Plan:
        """The plan to train."""
        return self.compiled.plan

    def of(self, recipe: Recipe, base: Plan | None = None) -> Self:
        """Another recipe on the same task, from the same base plan or another one."""
        return replace(self, recipe=recipe, compiled=compile_plan(self.task, recipe, base or self.compiled.base))

    def without(self, names: Sequence[str]) -> Self:
        """With fewer techniques."""
        kept = tuple(technique for technique in self.recipe.techniques if technique.name not in names)
        return self.of(Recipe(self.recipe.name, kept))


def understand(request: Request, data: Path | str, speed: "Callable[[], Speed]") -> Job:
    """Understand a request and compile its plan; nothing is trained.

    data: the folder of data sets. speed: of the machine, which is asked for where the plan of somebody's own data
    depends on it. Raises RequestError for what can't be had.
    """
    from bakeoff import models  # which loads torch

    length = reader.number(request.length, "the length, a multiple of the recipe's (--length),", reader.LONGEST)
    if request.px is not None:
        reader.whole(request.px, "--px", LEAST_PX, MOST_PX)
    task = tasks.get(request.task, data, skip_bad=request.skip_bad)
    chosen, overrides = recipes.build(request.recipe, request.with_, request.without, request.settings)
    model = None if request.model is None else models.name_of(request.model)
    task, found = fit.fit(task, speed, request.px, model)
    base = _override(task.base_plan(model), overrides)
    for what in ("classes", "channels"):
        if (asked := getattr(base.model, what)) != (have := getattr(task, what)):
            raise RequestError(f"--set model.{what}={asked}: the data of {task.name} have {have}")
    base = base.model_copy(update={"examples_seen": max(1, round(base.examples_seen * length))})
    compiled = compile_plan(task, chosen, base)
    _refuse(request, task, compiled.skipped)
    return Job(request, task, chosen, compiled, found)


def _refuse(request: Request, task: Task, skipped: Mapping[str, str]) -> None:
    for name in (techniques.get(spec).name for spec in request.with_):
        if name in skipped:
            raise RequestError(f"technique '{name}' can't be used on {task.name}: {skipped[name]}")


def _override(base: Plan, overrides: dict[str, Any]) -> Plan:
    """The base plan with other values at dotted paths such as "lr.per_256"."""
    data = base.model_dump(mode="json")
    for path, value in overrides.items():
        *parents, last = path.split(".")
        here = data
        for name in parents:
            here[name] = here.get(name) or {}  # a slot that is empty so far
            here = here[name]
            if not isinstance(here, dict):
                raise RequestError(f"--set {path}: {name} is {shown(here)} by then, which has no '{last}'")
        here[last] = value
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        raise RequestError(f"--set {explain_validation(error)}") from None
