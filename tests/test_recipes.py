"""Recipes: the post's values to the letter, and what requests make of a recipe."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from bakeoff import recipes, techniques
from bakeoff.data.dataset import Dataset
from bakeoff.errors import RequestError
from bakeoff.plan import SLOTS, Cutmix, Mixup, Plan, ResizedCrop
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.task import Limits, Task
from bakeoff.techniques import published as cards

N = 1_281_167  # training images of ImageNet-1k


def no_data(folder: Path) -> Dataset:
    raise AssertionError("compiling a plan reads no data")


IMAGENET = Task(
    name="imagenet-like",
    about="the post's baseline",
    classes=1000,
    channels=3,
    px=224,
    resize_px=256,
    train_examples=N,
    epochs=90,
    batch_size=256,
    large_batch=4,
    model="resnet50",
    crop=ResizedCrop(),
    limits=Limits(),
    load=no_data,
)


def command_line(plan: Plan) -> dict[str, Any]:
    """A plan in the terms of torchvision's reference script."""
    kinds = {mixer.kind: mixer.alpha for mixer in plan.mixers if isinstance(mixer, Mixup | Cutmix)}
    policy, erase = plan.op("policy"), plan.op("erase")
    epochs = plan.examples_seen / N
    cosine = plan.lr.shape == "cosine"
    norm = plan.decay.norm
    return {
        "effective_batch_size": plan.batch_size,
        "epochs": epochs,
        "opt": plan.optimizer.kind,
        "momentum": getattr(plan.optimizer, "momentum", None),
        "lr": plan.peak_lr,
        "lr_scheduler": {"cosine": "cosineannealinglr", "step": "steplr"}[plan.lr.shape],
        "lr_step_size": None if cosine else epochs / 3,
        "lr_gamma": None if cosine else plan.lr.gamma,
        "lr_warmup_epochs": round(plan.lr.warmup * epochs, 9),
        "lr_warmup_decay": plan.lr.warmup_start if plan.lr.warmup else None,
        "weight_decay": plan.decay.weight_decay,
        "norm_weight_decay": "same as weight_decay (applied to all parameters)" if norm is None else norm,
        "label_smoothing": plan.loss.label_smoothing,
        "mixup_alpha": kinds.get("mixup", 0.0),
        "cutmix_alpha": kinds.get("cutmix", 0.0),
        "auto_augment": policy and {"trivial_augment": "ta_wide"}[policy.kind],
        "random_erase": erase.p if erase else 0.0,
        "ra_sampler": plan.sampler.copies > 1,
        "ra_reps": plan.sampler.copies if plan.sampler.copies > 1 else None,
        "model_ema": plan.average is not None,
        "interpolation": plan.interpolation,
        "train_crop_size": plan.train_px,
        "val_resize_size": plan.eval_view.resize_px,
        "val_crop_size": plan.eval_view.crop_px,
    }


@pytest.mark.parametrize(("recipe", "column"), [("baseline", "baseline"), ("torchvision-2021", "final")])
def test_on_imagenet_a_recipe_is_the_posts_command_line(recipe: str, column: str) -> None:
    compiled = compile_plan(IMAGENET, recipes.get(recipe))
    published = {row["name"]: row[column] for row in cards.published()["recipes"]["parameters"]}
    ours = command_line(compiled.plan)
    assert not compiled.skipped
    assert ours == {name: published[name] for name in ours}
    # what is left are the devices, and the decay of the average, which the next test translates
    assert set(published) - set(ours) == {
        "ngpus", "batch_size_per_gpu", "lr_warmup_method", "model_ema_steps", "model_ema_decay"
    }  # fmt: skip


def test_the_half_life_is_what_torchvisions_decay_comes_to() -> None:
    final = {row["name"]: row["final"] for row in cards.published()["recipes"]["parameters"]}
    batch, epochs, every = final["effective_batch_size"], final["epochs"], final["model_ema_steps"]
    decay = 1 - (1 - final["model_ema_decay"]) * batch * every / epochs  # as its train.py adjusts it
    updates_in_training = epochs * N / batch / every
    weight, updates = 1.0, 0
    while weight > 0.5:
        weight, updates = weight * decay, updates + 1
    plan = compile_plan(IMAGENET, recipes.get("torchvision-2021")).plan
    assert plan.average is not None
    assert plan.average.half_life == pytest.approx(updates / updates_in_training, rel=0.01)


def test_the_named_recipes() -> None:
    assert recipes.NAMES == ("baseline", "torchvision-2021")
    assert recipes.get("baseline").techniques == ()
    twelve = [technique.name for technique in recipes.get("torchvision-2021").techniques]
    assert twelve == [row.technique for row in cards.blog_rows()[1:]]


def test_no_technique_is_named_like_a_slot() -> None:
    assert not set(SLOTS) & set(techniques.NAMES)


def test_a_request_adds_leaves_out_and_sets() -> None:
    recipe, overrides = recipes.build(
        "torchvision-2021",
        ["nesterov"],
        ["mixup", "ema"],
        ["cutmix.alpha=0.4", "lr.per_256=2e-1", "optimizer.momentum=0", "batch_size=16", "model.knobs.width=8"],
    )
    story = [row.technique for row in cards.blog_rows()[1:] if row.technique not in ("mixup", "ema")]
    assert [technique.name for technique in recipe.techniques] == [*story, "nesterov"]
    assert next(t for t in recipe.techniques if t.name == "cutmix") == techniques.make("cutmix", alpha=0.4)
    assert overrides == {"lr.per_256": 0.2, "optimizer.momentum": 0, "batch_size": 16, "model.knobs.width": 8}


def test_two_settings_of_one_technique_both_hold_and_keep_what_a_file_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, techniques: [{lr_optimizations: {warmup: 0.2}}]}")
    recipe, _ = recipes.build(str(path), [], [], ["lr_optimizations.lr_ratio=2", "lr_optimizations.warmup_start=0.1"])
    assert recipe.techniques == (techniques.make("lr_optimizations", warmup=0.2, lr_ratio=2.0, warmup_start=0.1),)


def test_an_unchanged_recipe_keeps_its_name_and_a_changed_one_says_how() -> None:
    assert recipes.build("baseline", [], [], [])[0] == Recipe("baseline")
    changed, _ = recipes.build("torchvision-2021", ["adam"], ["ema"], ["adam.lr_ratio=0.1"])
    assert changed.name == "torchvision-2021 +adam -ema adam.lr_ratio=0.1"


def test_every_knob_and_every_field_of_a_slot_can_be_set() -> None:
    for technique in techniques.ALL:
        for knob, field in technique.model_fields.items():
            default = yaml.safe_dump(field.default).partition("\n")[0]
            recipe, _ = recipes.build("baseline", [technique.name], [], [f"{technique.name}.{knob}={default}"])
            assert recipe.techniques == (technique(),)
    data = IMAGENET.base_plan().model_dump(mode="json")
    for slot, value in data.items():
        paths = [f"{slot}.{field}" for field in value] if isinstance(value, dict) else [slot]
        assert set(recipes.build("baseline", [], [], [f"{path}=1" for path in paths])[1]) == set(paths)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("torchvision", [], [], []), "unknown recipe 'torchvision'; did you mean torchvision-2021?"),
        (("baseline", ["cutmx"], [], []), "unknown technique 'cutmx'; did you mean cutmix?"),
        (("torchvision-2021", [], ["cutmx"], []), "unknown technique 'cutmx'; did you mean cutmix?"),
        (("baseline", [], ["ema"], []), "technique 'ema' isn't in recipe 'baseline', so it can't be left out"),
        (("baseline", ["ema"], ["ema"], []), "technique 'ema' is both added and left out (--with and --without)"),
        (
            ("baseline", [], [], ["mixup.alpha=0.4"]),
            "'mixup.alpha=0.4' sets a technique that isn't in the recipe; add it (--with mixup)",
        ),
        (("baseline", ["mixup"], [], ["mixup.alfa=1"]), "unknown knob of mixup 'alfa'; did you mean alpha?"),
        (("baseline", ["mixup"], [], ["mixup=1"]), "'mixup=1' names no knob; it should read mixup.KNOB=VALUE"),
        (
            ("baseline", ["mixup"], [], ["mixup.alpha=much"]),
            "technique 'mixup': alpha: input should be a valid number, unable to parse string as a number (got 'much')",
        ),
        (
            ("baseline", [], [], ["batchsize=16"]),
            "unknown technique or slot of the plan 'batchsize'; did you mean batch_size?",
        ),
        (("baseline", [], [], ["lr.per256=1"]), "unknown field of lr 'per256'; did you mean per_256?"),
        (("baseline", [], [], ["average.halflife=1"]), "unknown field of average 'halflife'; did you mean half_life?"),
        (("baseline", [], [], ["batch_size.x=1"]), "'batch_size' has no fields (got 'batch_size.x')"),
        (("baseline", [], [], ["batch_size"]), "'batch_size' should read TECHNIQUE.KNOB=VALUE or SLOT=VALUE"),
        (
            ("baseline", [], [], ["batch_size={"]),
            "the value in 'batch_size={': it is not YAML: expected the node content, but found '<stream end>' "
            "(line 1, column 2)",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line(
    request_: tuple[str, list[str], list[str], list[str]], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        recipes.build(*request_)
    assert str(caught.value) == message


def test_a_recipe_file_gives_back_the_recipe_that_was_written(tmp_path: Path) -> None:
    path = tmp_path / "derived.yaml"
    recipe = recipes.get("torchvision-2021").plus(techniques.make("mixup", alpha=0.4))
    path.write_text(yaml.safe_dump({"name": "derived", "techniques": recipe.as_json()}))
    assert recipes.get(str(path)) == Recipe("derived", recipe.techniques)
    path.write_text("name: short\ntechniques:\n- cutmix\n- mixup:\n- ema: {}\n")
    assert recipes.get(str(path)).as_json() == [
        {"cutmix": {"alpha": 1.0}},
        {"mixup": {"alpha": 0.2}},
        {"ema": {"half_life": 0.027}},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "it is not YAML: expected the node content"),
        ("[mixup]", "should read {name: NAME, techniques: [{TECHNIQUE: {KNOB: VALUE}}]}"),
        ("{name: x, techniques: [mixup], seed: 1}", "should read {name: NAME"),
        ("{name: x, techniques: mixup}", "should read {name: NAME"),
        ("{name: x, techniques: [mixpu]}", "unknown technique 'mixpu'; did you mean mixup?"),
        ("{name: x, techniques: [{mixup: {alpha: -1}}]}", "greater than or equal to 0 (got -1)"),
        ("{name: x, techniques: [{mixup: 0.4}]}", "{'mixup': 0.4} is not a technique"),
        ("{name: x, techniques: [mixup, mixup]}", "technique 'mixup' appears twice"),
    ],
)
def test_a_bad_recipe_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(RequestError) as caught:
        recipes.get(str(path))
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no\.yaml': no such file or directory"):
        recipes.get(str(tmp_path / "no.yaml"))
