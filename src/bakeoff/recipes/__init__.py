"""Recipes by name or from a file, and what `--with`, `--without` and `--set` make of them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from bakeoff import reader, techniques
from bakeoff.errors import RequestError, shown, unknown
from bakeoff.plan import SLOTS, Plan
from bakeoff.recipe import Recipe
from bakeoff.recipes import text
from bakeoff.registry import Registry, is_file_spec
from bakeoff.technique import Technique

_RECIPES: dict[str, tuple[str, ...]] = {
    "baseline": (),
    # the post's final recipe, https://pytorch.org/blog/how-to-train-state-of-the-art-models-using-torchvision-latest-primitives/
    "torchvision-2021": (
        "lr_optimizations",
        "trivialaugment",
        "long_training",
        "random_erasing",
        "label_smoothing",
        "mixup",
        "cutmix",
        "weight_decay_tuning",
        "fixres",
        "ema",
        "inference_resize",
        "repeated_augmentation",
    ),
}
NAMES = tuple(_RECIPES)
Chosen = str | type[Technique] | Technique  # a technique by name or file, or as an object

REGISTRY: Registry[Recipe] = Registry(
    "recipe",
    NAMES,
    lambda name: Recipe(name, tuple(techniques.make(technique) for technique in _RECIPES[name])),
    lambda thing: thing if isinstance(thing, Recipe) else None,
    "a bakeoff.recipe.Recipe",
    lambda recipe: recipe.name,
)


def get(recipe: str | Recipe) -> Recipe:
    """The recipe of a name, of a .yaml file, in a Python file ("./mine.py:recipe"), or that an object is.

    A .yaml file reads {name: ..., techniques: [{mixup: {alpha: 0.4}}, cutmix, ...]}, and may say under `provenance`
    where it comes from; it may use techniques from outside that were named. Raises RequestError.
    """
    if isinstance(recipe, str) and recipe.endswith((".yaml", ".yml")):
        return _load(reader.path(recipe, "recipe file"))
    found = recipe if isinstance(recipe, Recipe) else REGISTRY.get(recipe)
    for technique in found.techniques:
        techniques.get(technique)  # known by name from here on
    return found


def build(
    recipe: str | Recipe, with_: Sequence[Chosen], without: Sequence[Chosen], settings: Sequence[str]
) -> tuple[Recipe, dict[str, Any]]:
    """A recipe as changed by a request, and values for the plan that its techniques start from.

    recipe: as for `get`. with_, without: techniques to add and to leave out, by name, from a file or as objects; those
    that are added have their defaults, or the knobs of the value. A file ("./mine.py:GridMask") whose technique the
    recipe has is only named by it. settings: "technique.knob=value" for a technique of the recipe, "slot=value" or
    "slot.field=value" for the plan, values in YAML. The plan's come back as {"lr.per_256": 0.2}; whether a value fits
    its slot shows when it is put there.

    Raises RequestError.
    """
    added = [(spec, techniques.REGISTRY.add(spec)) for spec in with_]
    removed = [techniques.get(spec).name for spec in without]
    chosen = get(recipe)
    for spec, name in added:
        if name in removed:
            raise RequestError(f"technique '{name}' is both added and left out (--with and --without)")
        if len({techniques.get(other) for other, its in added if its == name}) > 1:
            raise RequestError(f"two techniques are named '{name}': {', '.join(str(s) for s, n in added if n == name)}")
        if not (is_file_spec(spec) and name in chosen):
            chosen = chosen.plus(techniques.make(spec))
    for name in removed:
        if name not in chosen:
            raise RequestError(f"technique '{name}' isn't in recipe '{chosen.name}', so it can't be left out")
        chosen = chosen.minus(name)
    knobs: dict[str, dict[str, Any]] = {}
    overrides: dict[str, Any] = {}
    for setting in settings:
        path, value = _parse(setting)
        head, _, rest = path.partition(".")
        if head in techniques.names():
            if head not in chosen:
                raise RequestError(
                    f"{shown(setting)} sets a technique that isn't in the recipe; add it (--with {head})"
                )
            if not rest:
                raise RequestError(f"{shown(setting)} names no knob; it should read {head}.KNOB=VALUE")
            knobs.setdefault(head, {})[rest] = value
        else:
            _check_path(path)
            overrides[path] = value
    for technique in chosen.techniques:
        if technique.name in knobs:
            chosen = chosen.plus(techniques.make(technique, **knobs[technique.name]))
    changes = [*(f"+{name}" for _, name in added), *(f"-{name}" for name in removed), *settings]
    return Recipe(" ".join((chosen.name, *changes)), chosen.techniques), overrides


def _load(path: Path) -> Recipe:
    try:
        data = text.document(path)
        keys = set(data) - {"provenance"} if isinstance(data, dict) else set()
        if keys != {"name", "techniques"} or not isinstance(data["techniques"], list):
            raise RequestError("it should read {name: NAME, techniques: [{TECHNIQUE: {KNOB: VALUE}}]}")
        if not isinstance(data["name"], str):
            raise RequestError(f"its name is {shown(data['name'])}, which is no word")
        return Recipe(
            data["name"], tuple(techniques.make(name, **knobs) for name, knobs in map(_item, data["techniques"]))
        )
    except RequestError as error:
        raise RequestError(f"recipe file '{path}': {error}") from None


def _item(item: Any) -> tuple[str, dict[str, Any]]:
    if is_file_spec(item if isinstance(item, str) else next(iter(item), None) if isinstance(item, dict) else None):
        raise RequestError(
            f"{shown(item)} is a file, which only you can name: use the technique's name here, and --with"
        )
    if isinstance(item, str):
        return item, {}
    if isinstance(item, dict) and len(item) == 1:
        ((name, knobs),) = item.items()
        if knobs is None or isinstance(knobs, dict):
            return name, knobs or {}
    raise RequestError(f"{shown(item)} is not a technique; it should read TECHNIQUE or {{TECHNIQUE: {{KNOB: VALUE}}}}")


def _parse(setting: str) -> tuple[str, Any]:
    path, equals, value = setting.partition("=")
    path = path.strip()
    if not path or not equals:
        raise RequestError(f"{shown(setting)} should read TECHNIQUE.KNOB=VALUE or SLOT=VALUE")
    try:
        return path, text.value(value)
    except RequestError as error:
        raise RequestError(f"the value in {shown(setting)}: {error}") from None


def _check_path(path: str) -> None:
    """Raise RequestError unless a path such as "lr.per_256" leads to a slot of Plan or a field in one."""
    known: Mapping[str, Any] | None = {name: Plan.model_fields[name].annotation for name in SLOTS}
    parents: list[str] = []
    for name in path.split("."):
        if known is None:
            return  # a free-form mapping, such as the knobs of a model
        if name not in known:
            if not parents:
                raise unknown("technique or slot of the plan", name, (*techniques.names(), *known))
            if not known:
                raise RequestError(f"'{'.'.join(parents)}' has no fields (got '{path}')")
            raise unknown(f"field of {'.'.join(parents)}", name, known)
        parents.append(name)
        known = _fields(known[name])


def _fields(annotation: Any) -> Mapping[str, Any] | None:
    """Fields of the value types in an annotation, those of all members of a union; None for a free-form mapping."""
    origin = get_origin(annotation)
    if origin is dict:
        return None
    if origin is Annotated:
        return _fields(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return _merged(_fields(member) for member in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: field.annotation for name, field in annotation.model_fields.items()}
    return {}


def _merged(members: Iterable[Mapping[str, Any] | None]) -> Mapping[str, Any]:
    return {name: annotation for member in members if member for name, annotation in member.items()}
