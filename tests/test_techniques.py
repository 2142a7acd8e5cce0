"""What every technique promises, tested over all of them and all their pairs on two unlike tasks."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff import techniques
from bakeoff.data.dataset import Dataset
from bakeoff.errors import RequestError
from bakeoff.parts import ImageOp, Mixer
from bakeoff.plan import (
    SGD,
    Adam,
    AutoAugment,
    EvalView,
    HorizontalFlip,
    Model,
    PadCrop,
    Plan,
    RandAugment,
    ResizedCrop,
    RMSProp,
    Schedule,
    diff,
)
from bakeoff.recipe import COLLECTIONS, Conflict, Recipe, compile_plan
from bakeoff.task import Limits, Task
from bakeoff.technique import Technique
from bakeoff.techniques import published as cards
from bakeoff.testing import check_card, check_image_op, check_mixer, check_order, check_plans


def no_data(folder: Path) -> Dataset:
    raise AssertionError("compiling a plan reads no data")


PHOTOS = Task(
    name="photos",
    about="ImageNet's numbers",
    classes=1000,
    channels=3,
    px=224,
    resize_px=256,
    train_examples=1_281_167,
    epochs=90,
    batch_size=256,
    large_batch=4,
    model="resnet50",
    crop=ResizedCrop(),
    limits=Limits(),
    load=no_data,
)
DIGITS = Task(
    name="digits",
    about="28 px, not to be flipped or turned",
    classes=10,
    channels=1,
    px=28,
    resize_px=28,
    train_examples=5_000,
    epochs=10,
    batch_size=32,
    large_batch=4,
    model="cnn",
    crop=PadCrop(),
    limits=Limits(flip=False, max_rotation=15.0, max_shear=0.2),
    load=no_data,
    weight_decay=5e-4,
)
TASKS = pytest.mark.parametrize("task", [PHOTOS, DIGITS], ids=lambda task: task.name)
EVERY = pytest.mark.parametrize("name", techniques.NAMES)
TWELVE = tuple(row.technique for row in cards.blog_rows() if row.technique)
RIVALS = (
    {"lr_optimizations", "step_schedule", "exponential_schedule"},
    {"trivialaugment", "autoaugment", "randaugment"},
    {"nesterov", "adam", "adamw", "rmsprop"},
    {"bicubic", "nearest"},
)


def plan_of(task: Task, *names: str, **knobs: Any) -> Plan:
    return compile_plan(task, Recipe("test", tuple(techniques.make(name, **knobs) for name in names))).plan


def test_the_techniques_of_the_post_stand_in_its_order() -> None:
    assert tuple(technique.name for technique in techniques.ALL) == techniques.NAMES
    assert len(set(techniques.NAMES)) == len(techniques.NAMES)
    assert tuple(name for name in techniques.NAMES if name in TWELVE) == TWELVE


def test_every_technique_file_is_listed_and_short() -> None:
    files = list(Path(techniques.__file__).parent.glob("[!_]*.py"))
    assert {file.stem for file in files} - {"published"} == set(techniques.NAMES)
    assert max(len(file.read_text().splitlines()) for file in files if file.stem != "published") < 120


def imported(nodes: Iterable[ast.AST]) -> list[str]:
    """The modules that statements import."""
    found = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return found + [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]


def test_no_technique_reaches_into_the_engine_or_loads_torch() -> None:
    for file in Path(techniques.__file__).parent.glob("*.py"):
        module = ast.parse(file.read_text())
        assert not any(name.startswith(("bakeoff.engine", "bakeoff.models")) for name in imported([*ast.walk(module)]))
        assert not any(name.startswith("torch") for name in imported(module.body)), "import it where it is used"


@TASKS
@EVERY
def test_zero_is_absent_only_declared_slots_change_and_json_keeps_it(name: str, task: Task) -> None:
    check_plans(techniques.make(name), task)


@TASKS
@EVERY
def test_every_declared_slot_changes(name: str, task: Task) -> None:
    slots = set(techniques.get(name).slots)
    if not task.limits.flip:
        slots.discard("eval_view.mirror")  # what isn't mirrored in training isn't at evaluation
    changed = set(diff(task.base_plan(), plan_of(task, name), slots))
    assert changed == slots or name == "step_schedule"  # the baseline's own schedule, made explicit


@EVERY
def test_a_card_is_complete(name: str) -> None:
    check_card(techniques.make(name))


@pytest.mark.parametrize("name", ["trivialaugment", "autoaugment", "randaugment", "random_erasing", "mixup", "cutmix"])
def test_our_own_maths_keeps_what_is_asked_of_others(name: str) -> None:
    for part in set(plan_of(PHOTOS, name).parts) - set(PHOTOS.base_plan().parts):
        if isinstance(part, ImageOp):
            check_image_op(part)
        if isinstance(part, Mixer):
            check_mixer(part)


def test_the_flip_too() -> None:
    check_image_op(HorizontalFlip())


def test_plans_survive_json_with_the_same_digest_in_another_process() -> None:
    plans = [plan_of(task, name) for task in (PHOTOS, DIGITS) for name in techniques.NAMES]
    texts = [plan.model_dump_json() for plan in plans]
    assert [Plan.model_validate_json(text) for text in texts] == plans
    code = (
        "import json, sys; from bakeoff.plan import Plan\n"
        "for text in json.load(sys.stdin): print(Plan.model_validate_json(text).digest)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(texts),
        env={"PYTHONPATH": str(Path(techniques.__file__).parents[2]), "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == [plan.digest for plan in plans]


def wants(task: Task, name: str) -> set[tuple[str, str]]:
    """What a technique wants for itself: a slot, or one kind of item in a slot that holds several."""
    edits = techniques.make(name).edit(task.base_plan(), task)
    return {(slot, getattr(value, COLLECTIONS[slot]) if slot in COLLECTIONS else "") for slot, value in edits.items()}


@TASKS
@pytest.mark.parametrize("pair", list(combinations(techniques.NAMES, 2)), ids=" ".join)
def test_pairs_compile_alike_in_both_orders_or_conflict_in_both(pair: tuple[str, str], task: Task) -> None:
    check_order(techniques.make(pair[0]), techniques.make(pair[1]), task)
    if wants(task, pair[0]) & wants(task, pair[1]):
        with pytest.raises(Conflict):
            plan_of(task, *pair)
    else:
        changed = diff(task.base_plan(), plan_of(task, *pair))
        assert set(changed) == {slot for name in pair for slot in diff(task.base_plan(), plan_of(task, name))}


@pytest.mark.parametrize("rivals", RIVALS, ids=min)
def test_alternatives_exclude_each_other(rivals: set[str]) -> None:
    for pair in combinations(sorted(rivals), 2):
        with pytest.raises(Conflict):
            plan_of(PHOTOS, *pair)


@given(st.permutations(TWELVE))
def test_the_order_of_a_recipe_does_not_matter(names: list[str]) -> None:
    for task in (PHOTOS, DIGITS):
        assert plan_of(task, *names).digest == plan_of(task, *TWELVE).digest


def test_the_tasks_limits_reach_the_automatic_augmentations() -> None:
    for name in ("trivialaugment", "autoaugment", "randaugment"):
        op = plan_of(DIGITS, name).op("policy")
        assert (op.max_rotation, op.max_shear) == (15.0, 0.2)


def test_values_are_relative_to_the_task() -> None:
    base, plan = DIGITS.base_plan(), plan_of(DIGITS, *TWELVE)
    assert plan.batch_size == 128
    assert plan.lr.per_256 == pytest.approx(0.125)
    assert plan.examples_seen == pytest.approx(base.examples_seen * 600 / 90, abs=1)
    assert plan.decay.weight_decay == pytest.approx(1e-4)
    assert plan.train_px == 22
    assert plan.eval_view == EvalView(resize_px=29, crop_px=28)


def test_a_base_plan_with_other_values_is_edited_not_replaced() -> None:
    base = DIGITS.base_plan().model_copy(update={"optimizer": SGD(momentum=0.8)})
    edited = compile_plan(DIGITS, Recipe("test", (techniques.make("nesterov"),)), base).plan
    assert edited.optimizer == SGD(momentum=0.8, nesterov=True)
    warm = base.model_copy(update={"lr": base.lr.model_copy(update={"warmup": 0.1})})
    for name in ("step_schedule", "exponential_schedule"):
        assert compile_plan(DIGITS, Recipe("test", (techniques.make(name),)), warm).plan.lr.warmup == 0.1


def test_what_the_alternatives_set() -> None:
    base = PHOTOS.base_plan()
    expected = {
        "nesterov": ("optimizer", SGD(nesterov=True)),
        "adam": ("optimizer", Adam(lr_ratio=0.01)),
        "adamw": ("optimizer", Adam(lr_ratio=0.01, decoupled=True)),
        "rmsprop": ("optimizer", RMSProp(lr_ratio=0.01, momentum=0.9, alpha=0.9, eps=0.0316)),
        "exponential_schedule": ("lr", Schedule(per_256=0.1, shape="exponential", gamma=0.01)),
        "bicubic": ("interpolation", "bicubic"),
        "nearest": ("interpolation", "nearest"),
        "sync_batchnorm": ("model", Model(name="resnet50", classes=1000, channels=3, px=224, sync_batchnorm=True)),
    }
    for name, (slot, value) in expected.items():
        assert diff(base, plan_of(PHOTOS, name)) == {slot: (getattr(base, slot), value)}
    assert plan_of(PHOTOS, "randaugment").op("policy") == RandAugment(ops=2, magnitude=9, bins=31)
    assert plan_of(PHOTOS, "autoaugment").op("policy") == AutoAugment(policy="imagenet")


def test_the_step_schedule_is_the_baselines() -> None:
    assert plan_of(PHOTOS, "step_schedule") == PHOTOS.base_plan()
    assert plan_of(PHOTOS, "step_schedule", gamma=0.5).lr.gamma == 0.5


def skipped(technique: Technique, task: Task, base: Plan) -> str:
    compiled = compile_plan(task, Recipe("test", (technique,)), base)
    assert compiled.plan == base
    return compiled.skipped[technique.name]


def test_obstacles_say_why() -> None:
    for model in ("softmax", "mlp"):
        reason = skipped(techniques.make("fixres"), DIGITS, DIGITS.base_plan(model))
        assert reason == f"{model} takes images of one size only"
    base = DIGITS.base_plan()
    assert "28 px" in skipped(techniques.make("fixres", ratio=0.99), DIGITS, base)
    small = base.model_copy(update={"eval_view": EvalView(resize_px=8, crop_px=8)})
    assert "8 px already" in skipped(techniques.make("inference_resize"), DIGITS, small)
    still = base.model_copy(update={"optimizer": SGD(momentum=0.0)})
    assert "momentum" in skipped(techniques.make("nesterov"), DIGITS, still)


@given(st.integers(2, 600), st.floats(1.0, 2.0))
def test_an_image_is_never_resized_below_its_crop(crop: int, ratio: float) -> None:
    base = DIGITS.base_plan().model_copy(update={"eval_view": EvalView(resize_px=2000, crop_px=crop)})
    view = compile_plan(
        DIGITS, Recipe("test", (techniques.make("inference_resize", ratio=ratio),)), base
    ).plan.eval_view
    assert view.crop_px == crop <= view.resize_px
    assert abs(view.resize_px - crop * ratio) <= 0.5


def refused(name: str, **knobs: Any) -> NoReturn:
    techniques.make(name, **knobs)
    pytest.fail("was accepted")


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("mixpu", {}, "unknown technique 'mixpu'; did you mean mixup?"),
        ("mixup", {"alhpa": 1}, "unknown knob of mixup 'alhpa'; did you mean alpha?"),
        ("bicubic", {"alpha": 1}, "technique 'bicubic' has no knobs (got 'alpha')"),
        (
            "mixup",
            {"alpha": -1},
            "technique 'mixup': alpha: input should be greater than or equal to 0 (got -1)",
        ),
        (
            "randaugment",
            {"magnitude": 31},
            "technique 'randaugment': bins: value error, bins should be greater than magnitude (got 31)",
        ),
    ],
)
def test_a_bad_request_is_one_line_that_says_what_would_be_right(
    name: str, knobs: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        refused(name, **knobs)
    assert str(caught.value) == message
