"""What changes nothing is left out with that reason, and refused where it was named."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from bakeoff import api, techniques
from bakeoff.engine.train import train
from bakeoff.errors import RequestError
from bakeoff.recipe import Recipe
from bakeoff.recipes.request import Job
from bakeoff.runs.idle import fitted
from tests.test_folder import fill

NO_PIXELS = "no image is resized, sheared or turned"


def job(names: Sequence[str], settings: Sequence[str] = (), task: str = "digits", model: str = "mlp") -> Job:
    """A job with these techniques in its recipe, none of them asked for by name."""
    recipe = api.plan_job(task, with_=names, settings=settings, model=model).recipe
    slots = [each for each in settings if each.partition(".")[0] not in techniques.NAMES]
    return api.plan_job(task, recipe, settings=slots, model=model)


@pytest.mark.parametrize(
    ("name", "settings", "model", "why"),
    [
        ("bicubic", [], "mlp", NO_PIXELS),
        ("nearest", [], "cnn", NO_PIXELS),
        ("step_schedule", [], "mlp", "the plan is the same without it"),
        ("mixup", ["mixup.alpha=0"], "mlp", "the plan is the same without it"),
        ("ema", ["ema.half_life=0"], "mlp", "the plan is the same without it"),
        ("repeated_augmentation", ["repeated_augmentation.copies=1"], "mlp", "the plan is the same without it"),
        ("long_training", ["long_training.ratio=1.0001"], "mlp", "training has 375 steps with and without it"),
        (
            "exponential_schedule",
            ["exponential_schedule.gamma=1", "lr.shape=constant"],
            "mlp",
            "every step has the learning rate that it has without it",
        ),
        (
            "weight_decay_tuning",
            ["weight_decay_tuning.ratio=1"],
            "mlp",
            "every weight has the decay that it has without it",
        ),
        ("weight_decay_tuning", ["decay.weight_decay=0"], "cnn", "every weight has the decay that it has without it"),
        ("sync_batchnorm", [], "cnn", "on one device BatchNorm sees the whole batch already"),
    ],
)
def test_what_changes_nothing_is_left_out_and_refused_by_name(
    name: str, settings: list[str], model: str, why: str
) -> None:
    data = api.load_data("digits")
    asked = job([name, "label_smoothing"], settings, model=model)
    found = fitted(asked, data)
    assert found.compiled.skipped == {name: f"{why}: nothing would change"}
    assert found.plan.loss.label_smoothing
    assert fitted(found, data) is found
    with pytest.raises(RequestError, match=f"'{name}' can't be used on digits: {why}: nothing would change"):
        fitted(api.plan_job("digits", with_=[name], settings=settings, model=model), data)
    assert same_bits(asked, name, data)


def same_bits(asked: Job, name: str, data: object) -> bool:
    """Whether the weights after a few steps, and what is evaluated, are the same without a technique."""
    found = []
    for plan in (asked.plan, asked.without([name]).plan):
        short = plan.model_copy(update={"examples_seen": 8 * plan.batch_size})
        weights = train(short, data, 0, torch.device("cpu")).tensors()  # type: ignore[arg-type]
        found.append(([weights[each] for each in sorted(weights)], plan.eval_view, plan.average))
    (ours, *seen), (theirs, *other) = found
    return seen == other and all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", ["bicubic", "nearest"])
def test_where_a_policy_warps_an_interpolation_stays(name: str) -> None:
    asked = api.plan_job("digits", with_=["trivialaugment", name])
    assert fitted(asked, api.load_data("digits")) is asked


def test_what_acts_late_or_seldom_is_never_taken_for_nothing() -> None:
    names = ["ema", "exponential_schedule", "fixres", "random_erasing", "mixup", "weight_decay_tuning", "long_training"]
    asked = api.plan_job(
        "digits",
        with_=names,
        settings=[
            "random_erasing.p=1e-9",
            "mixup.alpha=1e-9",
            "weight_decay_tuning.ratio=1",
            "long_training.ratio=1.01",
        ],
    )
    assert fitted(asked, api.load_data("digits")) is asked


def test_what_acts_beside_another_technique_only_stays() -> None:
    """A hundredth more examples are a step more at the baseline's batch, and none at a large one."""
    large = job(["lr_optimizations", "long_training"], ["long_training.ratio=1.01", "lr_optimizations.batch_ratio=50"])
    assert large.plan.steps == large.without(["long_training"]).plan.steps
    assert fitted(large, api.load_data("digits")) is large


def test_files_of_one_size_are_looked_at_and_others_are_resized(tmp_path: Path) -> None:
    uniform = fill(tmp_path / "uniform", {"a": 10, "b": 10}, (8, 100))
    mixed = fill(fill(tmp_path / "mixed", {"a": 10}, (8, 100)), {"b": 10}, (12, 100))
    for folder, idle in ((uniform, True), (mixed, False)):
        task = f"folder:{folder}"
        found = fitted(job(["bicubic"], task=task, model="cnn"), api.load_data(task))
        assert ("bicubic" in found.compiled.skipped) == idle
    task = f"folder:{uniform}"
    warped = job(["bicubic", "randaugment"], task=task, model="cnn")
    assert fitted(warped, api.load_data(task)) is warped


@pytest.mark.slow
@pytest.mark.parametrize("name", techniques.NAMES)
def test_a_technique_that_is_called_idle_changes_no_bit(name: str) -> None:
    data = api.load_data("digits")
    for model in ("softmax", "mlp", "cnn"):
        base = api.plan_job("digits", model=model)
        asked = base.of(Recipe("alone", (techniques.make(name),)))
        if name in fitted(asked, data).compiled.skipped and name not in asked.compiled.skipped:
            assert same_bits(asked, name, data)
