"""Recipes, and how a recipe and a task compile to a Plan.

A technique sees the task's base plan only, never what another technique made of it, so the order of a recipe can't
matter: compiling collects all edits, adds up those of collection slots (image_ops, mixers, loss.terms) and refuses two
that want the same thing. A slot with parts may have several owners: "loss.label_smoothing" and "loss.terms" are two
things; "loss" is both of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from pydantic import ValidationError

from bakeoff.errors import RequestError, blamed, explain_validation, unknown
from bakeoff.plan import Plan
from bakeoff.registry import model_source, source_of
from bakeoff.task import Task
from bakeoff.technique import Technique

# Slots that techniques add one item to, and what there may be one of; a technique owns every other slot that it sets.
COLLECTIONS = {"image_ops": "family", "mixers": "kind", "loss.terms": "kind"}
EVALUATION = ("eval_view", "average")  # slots that decide how trained weights are read, and nothing about training


class Conflict(RequestError):
    """Two techniques want the same slot."""


@dataclass(frozen=True)
class Recipe:
    """A list of techniques with a name. Their order is the order of the story, nothing else."""

    name: str
    techniques: tuple[Technique, ...] = ()

    def __post_init__(self) -> None:
        names = [technique.name for technique in self.techniques]
        for name in names:
            if names.count(name) > 1:
                raise RequestError(f"technique '{name}' appears twice in recipe '{self.name}'")

    def __contains__(self, name: str) -> bool:
        return any(technique.name == name for technique in self.techniques)

    def plus(self, technique: Technique) -> Self:
        """With one more technique; one of that name takes the place of the old one."""
        kept = tuple(technique if t.name == technique.name else t for t in self.techniques)
        return type(self)(self.name, kept if technique.name in self else (*self.techniques, technique))

    def minus(self, name: str) -> Self:
        """Without a technique, which must be there."""
        if name not in self:
            raise unknown(f"technique in recipe '{self.name}'", name, [t.name for t in self.techniques])
        return type(self)(self.name, tuple(t for t in self.techniques if t.name != name))

    def as_json(self) -> list[dict[str, Any]]:
        """A list of {technique: knobs}."""
        return [{t.name: t.model_dump(mode="json")} for t in self.techniques]


@dataclass(frozen=True)
class Compiled:
    """A plan and how it came about."""

    plan: Plan
    base: Plan
    set_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # slot -> techniques that set it
    skipped: Mapping[str, str] = field(default_factory=dict)  # technique -> why this task can't have it


def compile_plan(task: Task, recipe: Recipe, base: Plan | None = None) -> Compiled:
    """Compile a recipe for a task to a plan.

    base: the plan that techniques edit; the task's own when None. A technique that the task or the model rules out is
    left out and named in `skipped`.

    Raises Conflict when two techniques want one slot, RequestError for a value that a slot can't take.
    """
    base = base or task.base_plan()
    values: dict[str, Any] = {}
    taken = {(path, getattr(item, group)): "task" for path, group in COLLECTIONS.items() for item in base.at(path)}
    set_by: dict[str, tuple[str, ...]] = {}
    skipped: dict[str, str] = {}
    sources: dict[str, str] = {}
    for technique in sorted(recipe.techniques, key=lambda t: t.name):
        reason, edits = _edits(technique, base, task)
        if reason:
            skipped[technique.name] = reason
            continue
        for path, value in edits.items():
            if path not in technique.slots:
                raise RequestError(f"technique '{technique.name}' changes '{path}' but doesn't declare it in its slots")
            if path in COLLECTIONS:
                place = (path, getattr(value, COLLECTIONS[path]))
                if rival := taken.get(place):
                    raise Conflict(_conflict(technique.name, rival, path))
                taken[place] = technique.name
                new = (*values.get(path, base.at(path)), value)
            else:
                new = value
            for other, names in set_by.items():
                if _overlap(path, other) and not path == other in COLLECTIONS:
                    raise Conflict(_conflict(technique.name, names[0], min(path, other, key=len)))
            if new != base.at(path):
                values[path] = new
                if path.partition(".")[0] not in EVALUATION and (source := source_of(technique)):
                    sources[technique.name] = source
            set_by[path] = (*set_by.get(path, ()), technique.name)
    try:
        plan = base.replaced(values)
    except ValidationError as error:
        raise RequestError(f"recipe '{recipe.name}' on {task.name}: {explain_validation(error)}") from error
    plan.check_known()
    for part in plan.parts:
        if (source := source_of(part)) and source not in sources.values():  # not in the file of its technique
            sources[f"{part.slot}.{part.kind}"] = source
    if source := model_source(plan.model.name):
        sources[f"model.{plan.model.name}"] = source
    plan = plan.model_copy(update={"sources": sources})
    return Compiled(plan, base, MappingProxyType(set_by), MappingProxyType(skipped))


def _edits(technique: Technique, base: Plan, task: Task) -> tuple[str | None, Mapping[str, Any]]:
    """Why a technique can't be applied, or what it changes."""
    with blamed(f"technique '{technique.name}'"):
        try:
            reason = technique.not_applicable_reason(base, task)
            return reason, {} if reason else technique.edit(base, task)
        except ValidationError as error:
            raise RequestError(f"technique '{technique.name}' on {task.name}: {explain_validation(error)}") from error


def _overlap(a: str, b: str) -> bool:
    return a == b or a.startswith(f"{b}.") or b.startswith(f"{a}.")


def _conflict(name: str, rival: str, slot: str) -> str:
    return f"techniques '{name}' and '{rival}' both set {slot}; leave one out (--without {name})"
