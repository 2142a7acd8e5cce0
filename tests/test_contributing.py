"""The worked example in CONTRIBUTING.md is real: it runs and does what the text says."""

import re
import sys
import types
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from bakeoff import tasks, techniques
from bakeoff.engine.optim import lr_factor
from bakeoff.plan import diff
from bakeoff.recipe import Conflict, Recipe, compile_plan
from bakeoff.technique import Technique

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"


@pytest.fixture
def warmup() -> Iterator[type[Technique]]:
    """The class that the page's first block of Python defines."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block
    module = types.ModuleType("worked_example")
    sys.modules[module.__name__] = module
    exec(compile(block[1], str(PAGE), "exec"), vars(module))
    yield module.Warmup
    del sys.modules[module.__name__]


def test_only_its_slot_changes_and_the_rate_rises(warmup: type[Technique]) -> None:
    task = tasks.get("digits", Path())
    compiled = compile_plan(task, Recipe("with", (warmup(),)))
    assert set(diff(compiled.base, compiled.plan)) == {"lr"} == set(warmup.slots)
    rates = [lr_factor(compiled.plan.lr, step, 900) for step in range(51)]
    assert rates[0] == pytest.approx(0.01)
    assert all(a < b for a, b in pairwise(rates))
    assert rates[50] == 1.0


def test_at_zero_it_does_nothing(warmup: type[Technique]) -> None:
    task = tasks.get("digits", Path())
    assert warmup.zero is not None
    assert compile_plan(task, Recipe("zero", (warmup(**warmup.zero),))).plan == task.base_plan()


def test_it_conflicts_with_the_technique_that_its_card_names(warmup: type[Technique]) -> None:
    other = techniques.make("lr_optimizations")
    assert other.name in warmup.card.interacts
    with pytest.raises(Conflict, match="both set lr"):
        compile_plan(tasks.get("digits", Path()), Recipe("both", (other, warmup())))
