"""Which techniques of a job change no bit of its runs? Said only where it is certain.

What changes a slot may still change nothing that is computed, on these data and with this plan: an interpolation where
no image is resized, a decay of layers that the network doesn't have. Each slot of which that can be known is looked at
here; of all others, such as random augmentations and what comes from outside, a technique is taken to act.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import torch

from bakeoff import models, techniques
from bakeoff.data.dataset import Dataset
from bakeoff.data.probe import same_pixels
from bakeoff.engine.optim import lr_factor, parameter_groups
from bakeoff.errors import RequestError
from bakeoff.plan import Plan, diff
from bakeoff.recipe import Recipe
from bakeoff.recipes.request import Job

_STEPS = 100_000  # of a schedule, each of which is looked at


def fitted(job: Job, dataset: Dataset) -> Job:
    """The job without the techniques that change nothing, whatever else is on: they are skipped, with that reason.

    Raises RequestError for such a technique that was asked for by name.
    """
    idle = {}
    for technique in job.recipe.techniques:
        if technique.name not in job.compiled.skipped and (why := _idle(job, technique.name, dataset)):
            idle[technique.name] = f"{why}: nothing would change"
    for name in (techniques.get(spec).name for spec in job.request.with_):
        if name in idle:
            raise RequestError(f"technique '{name}' can't be used on {job.task.name}: {idle[name]}")
    if not idle:
        return job
    skipped = {**job.compiled.skipped, **idle}
    return replace(job, compiled=replace(job.without(list(skipped)).compiled, skipped=MappingProxyType(skipped)))


def _idle(job: Job, name: str, dataset: Dataset) -> str:
    """Why a technique changes nothing beside any of the others; nothing where it does, or may."""
    why = ""
    for on, off in _pairs(job, name):
        if not (why := unchanged(on, off, dataset)):
            return ""
    return why


def _pairs(job: Job, name: str) -> Iterator[tuple[Plan, Plan]]:
    """Plans with and without a technique: beside all others, alone, beside all others but one, and beside one."""
    others = [each for each in job.recipe.techniques if each.name not in (name, *job.compiled.skipped)]
    (one,) = (each for each in job.recipe.techniques if each.name == name)
    all_but_one = [[each for each in others if each is not left] for left in others]
    for kept in [others, [], *all_but_one, *([each] for each in others)]:
        yield job.of(Recipe("with", (*kept, one))).plan, job.of(Recipe("without", tuple(kept))).plan


def unchanged(a: Plan, b: Plan, dataset: Dataset) -> str:
    """Why two plans come to the same bits, in training and at evaluation; nothing where they don't, or may not."""
    slots = diff(a, b).keys()
    if not slots:
        return "the plan is the same without it"
    look = _LOOKS.get(next(iter(slots))) if len(slots) == 1 else None
    return look(a, b, dataset) if look else ""


def _interpolation(a: Plan, b: Plan, dataset: Dataset) -> str:
    return "no image is resized, sheared or turned" if same_pixels(a, b, dataset) else ""


def _examples_seen(a: Plan, b: Plan, dataset: Dataset) -> str:
    return f"training has {a.steps:,} steps with and without it" if a.steps == b.steps else ""


def _lr(a: Plan, b: Plan, dataset: Dataset) -> str:
    """The engine reads the slot once for each step."""
    if a.steps > _STEPS:
        return ""
    steps = (step for first in range(997) for step in range(a.steps - 1 - first, -1, -997))  # late ones first
    same = all(a.peak_lr * lr_factor(a.lr, s, a.steps) == b.peak_lr * lr_factor(b.lr, s, b.steps) for s in steps)
    return "every step has the learning rate that it has without it" if same else ""


def _decay(a: Plan, b: Plan, dataset: Dataset) -> str:
    if a.decay.weight_decay != b.decay.weight_decay:
        return ""
    with torch.random.fork_rng(devices=[]):
        network = models.build(a.model, a.train_px)
    found = [
        {parameter: group["weight_decay"] for group in parameter_groups(network, rule) for parameter in group["params"]}
        for rule in (a.decay, b.decay)
    ]
    return "every weight has the decay that it has without it" if found[0] == found[1] else ""


def _model(a: Plan, b: Plan, dataset: Dataset) -> str:
    alike = a.model.model_copy(update={"sync_batchnorm": False}) == b.model.model_copy(update={"sync_batchnorm": False})
    return "on one device BatchNorm sees the whole batch already" if alike else ""


_LOOKS: Mapping[str, Callable[[Plan, Plan, Dataset], str]] = MappingProxyType(
    {
        "interpolation": _interpolation,
        "examples_seen": _examples_seen,
        "lr": _lr,
        "decay": _decay,
        "model": _model,
    }
)
