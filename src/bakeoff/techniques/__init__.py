"""All techniques, in the order of the post's story: its twelve steps, then what it tried and didn't adopt.

A new technique is one module here, named like the technique, and one line in NAMES.
"""

from importlib import import_module
from typing import Any

from pydantic import ValidationError

from bakeoff.errors import RequestError, explain_validation, unknown
from bakeoff.technique import Technique

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
)


def _defined_in(module: str) -> type[Technique]:
    members = vars(import_module(f"{__name__}.{module}")).values()
    (found,) = (m for m in members if isinstance(m, type) and issubclass(m, Technique) and m is not Technique)
    if found.name != module:
        raise AssertionError(f"module {module} defines a technique named '{found.name}'")
    return found


ALL: tuple[type[Technique], ...] = tuple(_defined_in(name) for name in NAMES)


def get(name: str) -> type[Technique]:
    """The technique of a name. RequestError, with the nearest name, if there is none."""
    if name not in NAMES:
        raise unknown("technique", name, NAMES)
    return ALL[NAMES.index(name)]


def make(name: str, **knobs: Any) -> Technique:
    """A technique with some of its knobs set. RequestError if a name is unknown or a value can't be."""
    technique = get(name)
    for knob in knobs:
        if not technique.model_fields:
            raise RequestError(f"technique '{name}' has no knobs (got '{knob}')")
        if knob not in technique.model_fields:
            raise unknown(f"knob of {name}", knob, technique.model_fields)
    try:
        return technique(**knobs)
    except ValidationError as error:
        raise RequestError(f"technique '{name}': {explain_validation(error)}") from error
