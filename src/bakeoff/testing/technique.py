"""Checks of a technique: its plans, its card, the maths of its parts, and training with it."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

import bakeoff.engine.train as engine
from bakeoff import techniques
from bakeoff.data.dataset import Dataset
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.events import TrainingProgress
from bakeoff.parts import ImageOp, LossTerm, Mixer
from bakeoff.plan import Plan, diff
from bakeoff.recipe import Conflict, Recipe, compile_plan
from bakeoff.storage import local_file
from bakeoff.task import Task
from bakeoff.technique import Technique
from bakeoff.testing.parts import check_image_op, check_loss_term, check_mixer
from bakeoff.testing.small import TASKS, require, small_plan

_CPU = torch.device("cpu")


def check_technique(technique: str | type[Technique] | Technique) -> None:
    """All that a technique promises: about ten seconds.

    technique: by name, from a file ("./mine.py:GridMask"), or an object. Raises AssertionError saying what is broken.
    """
    it = techniques.make(technique)
    check_card(it)
    for task in TASKS:
        check_plans(it, task)
        for other in techniques.NAMES:
            check_order(it, techniques.make(other), task)
    fit = [task for task in TASKS if not it.not_applicable_reason(task.base_plan(), task)]
    reasons = ", ".join(str(it.not_applicable_reason(task.base_plan(), task)) for task in TASKS)
    require(fit, f"technique '{it.name}' rules out every task that it is checked on: {reasons}")
    for task in fit:
        plan = compile_plan(task, Recipe("checked", (it,)), small_plan(task)).plan
        for part in set(plan.parts) - set(small_plan(task).parts):
            if isinstance(part, ImageOp) and part.family != "crop":
                check_image_op(part)
            elif isinstance(part, Mixer):
                check_mixer(part)
            elif isinstance(part, LossTerm):
                check_loss_term(part)
        check_training(plan, task.load(Path()))


def check_card(technique: Technique) -> None:
    """The card says everything, every knob is described, and the technique has a docstring."""
    name, card = technique.name, technique.card
    for field in ("title", "what", "why", "equation", "scaling"):
        require(getattr(card, field), f"technique '{name}': its card's {field} is empty")
    for knob, field_ in type(technique).model_fields.items():
        require(field_.description, f"technique '{name}': its knob {knob} has no description")
    require(type(technique).__doc__, f"technique '{name}' has no docstring; it should cite its paper")
    require(name not in card.interacts, f"technique '{name}': its card says how it interacts with itself")


def check_plans(technique: Technique, task: Task) -> None:
    """At zero the plan equals the one without it; only declared slots change; it and its plan survive JSON."""
    name, cls, base = technique.name, type(technique), task.base_plan()
    plan = compile_plan(task, Recipe("checked", (technique,)), base).plan
    if cls.zero is not None:
        require(set(cls.zero) <= set(cls.model_fields), f"technique '{name}': zero names what isn't a knob")
        at_zero = compile_plan(task, Recipe("zero", (techniques.make(cls, **cls.zero),)), base).plan
        require(at_zero.digest == base.digest, f"technique '{name}' at zero changes the plan of {task.name}")
        held = {knob: getattr(cls(), knob) for knob in cls.zero}
        require(held != dict(cls.zero), f"technique '{name}' does nothing at its defaults: they are its zero")
    restored = plan.replaced({slot: base.at(slot) for slot in cls.slots})
    undeclared = ", ".join(diff(base, restored))
    require(not undeclared, f"technique '{name}' changes {undeclared} and doesn't declare it in its slots")
    ((stored, knobs),) = json.loads(json.dumps(Recipe("checked", (technique,)).as_json()))[0].items()
    require(techniques.make(stored, **knobs) == technique, f"technique '{name}' isn't itself after JSON")
    read = Plan.model_validate_json(plan.model_dump_json())
    require(read == plan and read.digest == plan.digest, f"technique '{name}': its plan isn't the same after JSON")
    if cls.strengths is not None:
        knob, values = cls.strengths
        require(list(values) == sorted(set(values)), f"technique '{name}': strengths should rise")
        for value in values:
            techniques.make(cls, **{knob: value})


def check_order(first: Technique, second: Technique, task: Task) -> None:
    """Two techniques compile alike in both orders, or conflict in both, and neither changes what the other adds."""
    if first.name == second.name:
        return
    names = f"techniques '{first.name}' and '{second.name}'"
    plans: list[Plan | None] = []
    for pair in ((first, second), (second, first)):
        try:
            plans.append(compile_plan(task, Recipe("pair", pair)).plan)
        except Conflict as error:
            both = f"'{first.name}'" in str(error) and f"'{second.name}'" in str(error)
            require(both, f"{names} conflict, and the error doesn't name both: {error}")
            plans.append(None)
    require(plans[0] == plans[1], f"the order of {names} matters")
    if plans[0] is not None:
        for one in (first, second):
            alone = compile_plan(task, Recipe("alone", (one,))).plan
            missing = set(map(repr, alone.parts)) - set(map(repr, plans[0].parts))
            require(not missing, f"{names}: together they lack {', '.join(sorted(missing))}")


def check_training(plan: Plan, dataset: Dataset, steps: int = 24) -> None:
    """A plan trains on a CPU to the same bits again, and after a kill in the middle.

    steps: that it is cut to, at most.
    """
    plan = plan.model_copy(update={"examples_seen": min(plan.examples_seen, steps * plan.batch_size)})
    with tempfile.TemporaryDirectory() as place:
        checkpoint = Checkpoint(local_file(Path(place) / "state"))
        whole = _trained(plan, dataset)
        require(all(tensor.isfinite().all() for tensor in whole.values()), "training gives values that aren't finite")
        require(_same(whole, _trained(plan, dataset)), "training again gives other bits")

        def die(progress: TrainingProgress) -> None:
            if any(Path(place).iterdir()):
                raise _KilledError

        # A checkpoint at every look, so that the second look finds the first one's.
        with patch.multiple(engine, _REPORT_SECONDS=-1.0, _CHECKPOINT_SECONDS=-1.0):
            with suppress(_KilledError):
                engine.train(plan, dataset, 0, _CPU, checkpoint=checkpoint, report=die)
            resumed = _trained(plan, dataset, checkpoint)
        require(_same(whole, resumed), "training that was killed and resumed gives other bits")


class _KilledError(Exception):
    pass


def _trained(plan: Plan, dataset: Dataset, checkpoint: Checkpoint | None = None) -> dict[str, Tensor]:
    return engine.train(plan, dataset, 0, _CPU, checkpoint=checkpoint).tensors()


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
