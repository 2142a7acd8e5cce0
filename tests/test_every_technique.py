"""Every technique, and every pair, through the real engine on real digits."""

import itertools
from pathlib import Path

import pytest
import torch

import bakeoff.engine.train as engine
from bakeoff import tasks, techniques
from bakeoff.data.dataset import Dataset
from bakeoff.plan import Plan
from bakeoff.recipe import Conflict, Recipe, compile_plan
from bakeoff.testing import check_training

CPU = torch.device("cpu")
TASK = tasks.get("digits", Path())


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return TASK.load(Path())


def plan_of(*names: str, batch: int = 8, steps: int = 24) -> Plan:
    """The plan of some techniques, cut to a few steps of a narrow network."""
    base = TASK.base_plan()
    small = base.model_copy(
        update={
            "model": base.model.model_copy(update={"knobs": {"width": 4}}),
            "batch_size": batch,
            "examples_seen": batch * steps,
        }
    )
    plan = compile_plan(TASK, Recipe("some", tuple(techniques.make(name) for name in names)), small).plan
    return plan.model_copy(update={"examples_seen": min(plan.examples_seen, 2 * batch * steps)})


def trained(plan: Plan, data: Dataset) -> dict[str, torch.Tensor]:
    return engine.train(plan, data, 0, CPU).tensors()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", techniques.NAMES)
def test_same_bits_again_and_after_a_kill(name: str, digits: Dataset) -> None:
    plan = plan_of(name)
    check_training(plan, digits, plan.steps)


@pytest.mark.parametrize("name", techniques.NAMES)
@pytest.mark.parametrize("batch", [1, 3])
def test_small_batches(name: str, batch: int, digits: Dataset) -> None:
    """Trap 22: a batch of one, and one that repeated copies don't divide."""
    plan = plan_of(name, batch=batch, steps=3)
    assert all(tensor.isfinite().all() for tensor in trained(plan, digits).values())


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(techniques.NAMES, 2)))
def test_every_pair_trains_or_conflicts(first: str, second: str, digits: Dataset) -> None:
    try:
        plan = plan_of(first, second, steps=4)
    except Conflict:
        return
    forwards = trained(plan, digits)
    assert same(forwards, trained(plan_of(second, first, steps=4), digits))
    assert all(tensor.isfinite().all() for tensor in forwards.values())
