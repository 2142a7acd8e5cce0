"""Made-up studies in a store, from a planted world: what a report is made of, without training anything."""

import hashlib
import itertools
from collections.abc import Container, Mapping
from typing import Any

import numpy as np

from bakeoff import recipes
from bakeoff.plan import Average, EvalView
from bakeoff.runs.record import EvalSetting, Losses, RunRecord, View
from bakeoff.runs.store import Store
from bakeoff.stats import designs
from bakeoff.stats.outcomes import Bools
from bakeoff.study.spec import DesignPoint, StudySpec
from tests.helpers import small_plan

TRAINING = (
    "lr_optimizations",
    "trivialaugment",
    "long_training",
    "random_erasing",
    "label_smoothing",
    "mixup",
    "cutmix",
    "weight_decay_tuning",
    "fixres",
    "repeated_augmentation",
)
EVALUATION = ("ema", "inference_resize")
ALONE = np.array(
    [0.8, 0.5, 1.0, -0.7, 0.05, 0.4, 0.3, 0.1, -0.1, 0.0]
)  # times 1/4: how far an image's margin moves; an image is right above 0
SECONDS = np.array([1.0, 1.1, 2.0, 1.02, 1.0, 1.01, 1.01, 1.0, 0.8, 1.05])  # factors of training time


def write_study(
    store: Store,
    *,
    design: str = "factorial",
    training: tuple[str, ...] = TRAINING,
    evaluation: tuple[str, ...] = EVALUATION,
    classes: tuple[str, ...] = tuple("0123456789"),
    images: int = 400,
    runs: int = 24,
    seeds: int = 2,
    corners: int = 3,
    failed: Mapping[int, str] | None = None,
    missing: Container[int] = (),
    not_applicable: Mapping[str, str] | None = None,
    **fields: Any,
) -> StudySpec:
    """A study whose runs are all there, but for the rows `missing`; failed: row -> "diverged" or "crashed".

    fields: of the Spec, instead of what would be there.
    """
    k = len(training)
    drawn = {
        "factorial": lambda: designs.factorial(k, max(runs, 2 * k), corners=corners),
        "leave-one-out": lambda: designs.leave_one_out(k, seeds),
        "add-one": lambda: designs.add_one(k, seeds),
        "ladder": lambda: designs.ladder(range(k), seeds),
    }[design]()
    order = tuple(n for n in (t.name for t in recipes.get("torchvision-2021").techniques) if n in training + evaluation)
    base = small_plan(examples_seen=8000)
    whole = small_plan(examples_seen=16000, average=Average(), eval_view=EvalView(resize_px=10, crop_px=10))
    settings = list(itertools.product((False, True), repeat=len(evaluation)))
    on = [dict(zip(evaluation, setting, strict=True)) for setting in settings]
    sizes = [10 if setting.get("inference_resize") else 8 for setting in on]
    levels = [
        EvalSetting(ema=setting.get("ema", False), resize_px=px, crop_px=px)
        for setting, px in zip(on, sizes, strict=True)
    ]
    rows = [
        DesignPoint(
            tuple(levels), block, (block, block + 1_000_000), (_name(levels, block, 0), _name(levels, block, 1))
        )
        for levels, block in zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True)
    ]
    everything: dict[str, Any] = {
        "name": f"digits-{design}-abc123",
        "task": "digits",
        "design": design,
        "design_seed": 0,
        "recipe": [{name: {}} for name in order],
        "training": training,
        "evaluation": evaluation,
        "not_applicable": dict(not_applicable or {}),
        "order": order,
        "rows": tuple(rows),
        "eval_settings": tuple(levels),
        "base_plan": base.model_dump(mode="json"),
        "recipe_plan": whole.model_dump(mode="json"),
        "data_fingerprint": "0123456789abcdef",
        "classes": classes,
        "splits": {"train": 1000, "select": 397, "report": images},
        "device": "cpu",
        "jobs": 2,
        "threads": 1,
        "command": f"bakeoff ablate --task digits --design {design}",
        "versions": {"bakeoff": "0.1.0", "torch": "2.9.0", "torchvision": "0.24.0", "numpy": "2.3.0"},
        "created": "2026-01-02T03:04:05+00:00",
    }
    spec = StudySpec(**{**everything, **fields})
    spec.save(store)
    draw = np.random.default_rng(1)
    difficulty = draw.normal(1.6, 1.2, images)
    labels = np.arange(images) % len(classes)
    for index, row in enumerate(spec.rows):
        if index in missing:
            continue
        status = (failed or {}).get(index, "done")
        for run, seed in zip(row.runs, row.seeds, strict=True) if status != "done" else [(row.runs[0], row.seeds[0])]:
            record = _record(spec, row, run, seed, status)
            if store.read(run) is None:
                store.write(record)
                if status == "done":
                    _evaluate(store, spec, row, run, difficulty, labels, draw)
    return spec


def _name(levels: list[bool], block: int, number: int) -> str:
    return hashlib.sha256(f"{levels} {block} {number}".encode()).hexdigest()[:12]


def _record(spec: StudySpec, row: DesignPoint, run: str, seed: int, status: Any) -> RunRecord:
    on = np.array(row.configuration)
    long = bool(dict(zip(spec.training, row.configuration, strict=True)).get("long_training"))
    plan = small_plan(examples_seen=16000 if long else 8000)
    wobble = np.random.default_rng([seed, int(on.sum())]).uniform(0.97, 1.03, 20)
    steps = np.linspace(plan.steps / 20, plan.steps, 20).round().astype(int).tolist()
    losses = (0.2 + 0.05 * on.sum() + 2 * np.exp(-np.arange(20) / 4)) * wobble
    factors = SECONDS[[TRAINING.index(name) for name in spec.training]]
    return RunRecord(
        run_id=run,
        status=status,
        reason="" if status == "done" else "loss is not finite <at> step 12",
        task=spec.task,
        recipe=[{name: {}} for name, is_on in zip(spec.training, row.configuration, strict=True) if is_on],
        plan=plan.model_dump(mode="json"),
        plan_digest=plan.digest,
        seed=seed,
        data_fingerprint=spec.data_fingerprint,
        engine_version=1,
        classes=spec.classes,
        mean=(0.3,),
        std=(0.2,),
        examples_seen=plan.examples_seen,
        steps=plan.steps,
        seconds=float(10 * np.prod(factors[on]) * wobble[0]),
        images_per_second=1000.0,
        device="cpu",
        threads=1,
        versions=spec.versions,
        started=f"2026-01-02T03:{10 + row.block % 40:02}:00+00:00",
        finished=f"2026-01-02T03:{11 + row.block % 40:02}:00+00:00",
        losses=Losses(tuple(steps), tuple(losses.tolist())),
    )


def _evaluate(
    store: Store, spec: StudySpec, row: DesignPoint, run: str, difficulty: Any, labels: Any, draw: np.random.Generator
) -> None:
    on = dict(zip(spec.training, row.configuration, strict=True))
    effects = dict(zip(TRAINING, ALONE / 4, strict=True))
    quality = sum(effects[name] for name, is_on in on.items() if is_on)
    quality -= 0.08 * (on.get("mixup", False) and on.get("cutmix", False))  # they fight for batches
    quality += draw.normal(0, 0.01)
    margin = difficulty + quality + draw.normal(0, 0.1, len(difficulty))
    k = min(5, len(spec.classes))
    for level in spec.eval_settings:
        assert isinstance(level, EvalSetting)
        shown = margin + 0.05 * level.ema + draw.normal(0, 0.005, len(margin)) * (level.resize_px - 8)
        hits: dict[int, Bools] = {1: shown > 0, k: shown > (-1.5 if k < len(spec.classes) else -99)}
        view = View(
            "report",
            level.ema,
            level.resize_px,
            level.crop_px,
            {f"acc{at}": 100 * float(hit.mean()) for at, hit in hits.items()},
            cross_entropy=0.3 - 0.05 * quality + 0.1 * on.get("label_smoothing", False),
            ece=0.02 + 0.05 * on.get("label_smoothing", False) + float(draw.normal(0, 0.002)),
            n=len(margin),
            per_class=tuple(100 * float(hits[1][labels == label].mean()) for label in range(len(spec.classes))),
        )
        store.add_view(run, view, hits)
