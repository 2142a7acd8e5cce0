"""All techniques, in the order of the post's story: its twelve steps, then what it tried and didn't adopt.

A new technique is one module here, named like the technique, and one line in NAMES; or it comes from outside, by
bakeoff.registry, and takes part like these.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from bakeoff.errors import RequestError, explain_validation, unknown
from bakeoff.plan import SLOTS
from bakeoff.registry import Registry
from bakeoff.technique import Technique

if TYPE_CHECKING:
    ALL: tuple[type[Technique], ...]  # ours, loaded when it is asked for

NAMES = (
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
    "nesterov",
    "adam",
    "adamw",
    "rmsprop",
    "step_schedule",
    "exponential_schedule",
    "autoaugment",
    "randaugment",
    "bicubic",
    "nearest",
    "sync_batchnorm",
    "test_time_augmentation",
)


def _defined_in(name: str) -> type[Technique]:
    members = vars(import_module(f"{__name__}.{name}")).values()
    (found,) = (m for m in members if isinstance(m, type) and issubclass(m, Technique) and m is not Technique)
    if found.name != name:
        raise AssertionError(f"module {name} defines a technique named '{found.name}'")
    return found


def _accept(thing: object) -> type[Technique] | None:
    kind = thing if isinstance(thing, type) else type(thing)
    if not issubclass(kind, Technique) or not isinstance(getattr(kind, "name", None), str):
        return None
    if kind.name in SLOTS or not kind.name.isidentifier():
        raise RequestError(f"a technique can't be named '{kind.name}': a name is a word, and no slot of the plan")
    return kind


REGISTRY: Registry[type[Technique]] = Registry(
    "technique",
    NAMES,
    _defined_in,
    _accept,
    "a subclass of bakeoff.technique.Technique with a name, a card and slots, or one of its values",
    lambda technique: technique.name,
)


def __getattr__(name: str) -> Any:
    if name == "ALL":
        return tuple(map(get, NAMES))
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def names() -> tuple[str, ...]:
    """Every name: ours, those that were named in this process, and those that installed packages offer."""
    return REGISTRY.names()


def get(spec: str | type[Technique] | Technique) -> type[Technique]:
    """The technique of a name, in a file ("./mine.py:GridMask"), or that an object is.

    RequestError, with the nearest name, if there is none.
    """
    return REGISTRY.get(spec)


def find(name: str) -> type[Technique] | None:
    """The technique of a name in a kept result; None if it is from outside and wasn't named here, or is broken."""
    try:
        return get(name)
    except RequestError:
        return None


def title(name: str) -> str:
    """What a technique of a kept result is called for people: its card's title, or its name where there is no card."""
    technique = find(name)
    return technique.card.title if technique else name


def make(spec: str | type[Technique] | Technique, /, **knobs: Any) -> Technique:
    """A technique with some of its knobs set, the others as they are: at their defaults, or as a value has them.

    RequestError if a name is unknown or a value can't be.
    """
    technique = get(spec)
    for knob in knobs:
        if not technique.model_fields:
            raise RequestError(f"technique '{technique.name}' has no knobs (got '{knob}')")
        if knob not in technique.model_fields:
            raise unknown(f"knob of {technique.name}", knob, technique.model_fields)
    held = dict(spec) if isinstance(spec, Technique) else {}
    try:
        return technique(**{**held, **knobs})
    except ValidationError as error:
        raise RequestError(f"technique '{technique.name}': {explain_validation(error)}") from error
