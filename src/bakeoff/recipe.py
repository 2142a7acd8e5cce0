"""Recipes, and how a recipe and a task compile to a Plan.

A technique sees the task's base plan only, never what another technique made of it, so the order of a recipe can't
matter: compiling collects all edits, adds up those of collection slots (image_ops, mixers) and refuses two that want
the same thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

from bakeoff.errors import RequestError, unknown
from bakeoff.plan import Plan
from bakeoff.task import Task
from bakeoff.technique import Technique

COLLECTIONS = ("image_ops", "mixers")  # slots that techniques add one item to; they own every other slot they set


class Conflict(RequestError):
    """Two techniques want the same slot."""


@dataclass(frozen=True)
class Recipe:
    """A named list of techniques. The order is the order of the story, nothing else."""

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
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # slot -> techniques that set it
    skipped: Mapping[str, str] = field(default_factory=dict)  # technique -> why this task can't have it


def compile_plan(task: Task, recipe: Recipe, base: Plan | None = None) -> Compiled:
    """Compile a recipe for a task to a plan.

    base: the plan that techniques edit; the task's own when None. A technique that the task or the model rules out is
    left out and named in `skipped`.

    Raises Conflict when two techniques want one slot.
    """
    base = base or task.base_plan()
    values: dict[str, Any] = {}
    groups = {op.family: "task" for op in base.image_ops}  # family of image operations, kind of mixer -> who added it
    groups |= {mixer.kind: "task" for mixer in base.mixers}
    owners: dict[str, tuple[str, ...]] = {}
    skipped: dict[str, str] = {}
    for technique in sorted(recipe.techniques, key=lambda t: t.name):
        if reason := technique.obstacle(base, task):
            skipped[technique.name] = reason
            continue
        for slot, value in technique.edit(base, task).items():
            if slot not in technique.slots:
                raise AssertionError(f"technique '{technique.name}' changes '{slot}' but doesn't declare it")
            if slot in COLLECTIONS:
                items = values.setdefault(slot, getattr(base, slot))
                group = getattr(value, "family" if slot == "image_ops" else "kind")
                if rival := groups.get(group):
                    raise Conflict(_conflict(technique.name, rival, slot))
                groups[group] = technique.name
                values[slot] = (*items, value)
            elif slot in owners:
                raise Conflict(_conflict(technique.name, owners[slot][0], slot))
            else:
                values[slot] = value
            owners[slot] = (*owners.get(slot, ()), technique.name)
    plan = Plan.model_validate({**{slot: getattr(base, slot) for slot in Plan.model_fields}, **values})
    return Compiled(plan, base, MappingProxyType(owners), MappingProxyType(skipped))


def _conflict(name: str, rival: str, slot: str) -> str:
    return f"techniques '{name}' and '{rival}' both set {slot}; leave one out (--without {name})"
