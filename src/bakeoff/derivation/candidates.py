"""What a derivation makes of its candidates: fewer, of other strengths, and the file of the recipe that was found."""

import math
from collections.abc import Sequence
from typing import Any

import yaml

from bakeoff import techniques
from bakeoff.files import write_text
from bakeoff.recipe import Recipe
from bakeoff.recipes.request import Job
from bakeoff.runs.store import Store
from bakeoff.stats import level_sweep as screening
from bakeoff.stats.table import Effect
from bakeoff.study import search as study
from bakeoff.study.analyse import Results
from bakeoff.study.decide import SearchState
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import SPLIT, StudySpec, SweptKnob


def recipe_of(job: Job, initial: StudySpec, reference: Sequence[bool]) -> Recipe:
    """The candidates that are on in `reference` (k + E,), as a recipe named after the derivation."""
    on = {name for name, is_on in zip(initial.names, reference, strict=True) if is_on}
    return Recipe(initial.name, tuple(technique for technique in job.recipe.techniques if technique.name in on))


def knobs_of(job: Job, initial: StudySpec, reference: Sequence[bool]) -> list[SweptKnob]:
    """The strengths of a recipe that can be tried: three values make three trainings, and the job has one of them."""
    recipe = recipe_of(job, initial, reference)
    found = []
    for technique in recipe.techniques:
        if technique.strengths is None:
            continue
        knob, values = technique.strengths
        at = [value for value in values if math.isclose(value, getattr(technique, knob))]
        usual = values.index(at[0]) - 1 if at else 0
        entry = SweptKnob(technique.name, knob, values, usual, usual)
        plans = {dosed(job, [entry], [code]).plan.training_digest for code in (-1, 0, 1)}
        if at and len(plans) == 3:
            found.append(entry)
    return found[: screening.MOST]


def dosed(job: Job, knobs: Sequence[SweptKnob], coded: Sequence[int]) -> Job:
    """A job with other strengths."""
    recipe = job.recipe
    for knob, code in zip(knobs, coded, strict=True):
        (technique,) = (technique for technique in recipe.techniques if technique.name == knob.technique)
        values = {**technique.model_dump(), knob.knob: knob.values[code + 1]}
        recipe = recipe.plus(techniques.make(technique.name, **values))
    return job.of(recipe)


def write_recipe(asked: SearchSpec, job: Job, now: SearchState, store: Store, proof: Results | None = None) -> None:
    """Keep the best recipe so far as a file for `--recipe`, with where it comes from."""
    recipe = recipe_of(job, asked.initial, now.reference)
    proved: Any = "none yet: what a search believes of its own choice is too good on average"
    if proof is not None:
        proved = {
            "split": SPLIT,
            "runs": proof.recipe.runs,
            "acc1": _rounded(proof.recipe.acc["acc1"]),
            "gain_over_baseline_pp": _interval(proof.total),
            "gain_over_published_pp": _interval(proof.over_published) if proof.over_published else None,
            "in_recipe_pp": {effect.technique: _interval(effect) for effect in proof.main},
        }
    data = {
        "name": recipe.name,
        "techniques": recipe.as_json(),
        "provenance": {
            "study": asked.name,
            "task": asked.initial.task,
            "data_fingerprint": asked.initial.data_fingerprint,
            "command": asked.initial.command,
            "versions": asked.initial.versions,
            "search": {
                "split": study.SPLIT,
                "runs": len(now.runs),
                asked.objective: _rounded(now.incumbent.value),
                "sd": _rounded(now.incumbent.sd),
            },
            "proof": proved,
        },
    }
    text = yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True, default_flow_style=None)
    with store.writing(asked.name, "recipe.yaml") as path:
        write_text(path, text)


def _interval(effect: Effect) -> list[float]:
    """[gain, low, high], in points."""
    return [_rounded(value) for value in (effect.gain_pp, effect.low, effect.high)]


def _rounded(value: float) -> float:
    return round(float(value), 3)
