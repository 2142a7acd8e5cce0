"""What bakeoff does, as functions: the command line and notebooks call these."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch
from pydantic import ValidationError

from bakeoff import recipes, tasks
from bakeoff.data import augment, images
from bakeoff.engine import device as devices
from bakeoff.engine.train import Progress
from bakeoff.errors import RequestError, explain_validation
from bakeoff.plan import EvalView, Plan
from bakeoff.recipe import Compiled, Recipe, compile_plan
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.runner import evaluate_run, load_model, run_plan
from bakeoff.runs.store import Store, open_store
from bakeoff.task import Task


@dataclass(frozen=True)
class Job:
    """A request, understood: what to train on what."""

    task: Task
    recipe: Recipe
    compiled: Compiled

    @property
    def plan(self) -> Plan:
        """The plan to train."""
        return self.compiled.plan


def data_folder(data: Path | str | None = None) -> Path:
    """The folder of data sets; None: $BAKEOFF_DATA, else the user's cache folder."""
    return Path(data or os.environ.get("BAKEOFF_DATA") or platformdirs.user_cache_path("bakeoff") / "data")


def plan_job(
    task: str = "digits",
    recipe: str = "baseline",
    *,
    with_: Sequence[str] = (),
    without: Sequence[str] = (),
    settings: Sequence[str] = (),
    model: str | None = None,
    length: float = 1.0,
    data: Path | str | None = None,
    skip_bad: bool = False,
) -> Job:
    """Understand a request and compile its plan; nothing is trained.

    Arguments as for `train`.
    """
    if not 0 < length < math.inf:
        raise RequestError(f"length {length} isn't a positive number; it is a multiple of the recipe's training length")
    resolved = tasks.get(task, data_folder(data), skip_bad=skip_bad)
    chosen, overrides = recipes.build(recipe, with_, without, settings)
    base = _override(resolved.base_plan(model), overrides)
    base = base.model_copy(update={"examples_seen": max(1, round(base.examples_seen * length))})
    compiled = compile_plan(resolved, chosen, base)
    for name in with_:
        if name in compiled.skipped:
            raise RequestError(f"technique '{name}' can't be used on {resolved.name}: {compiled.skipped[name]}")
    return Job(resolved, chosen, compiled)


def train(
    task: str = "digits",
    recipe: str = "baseline",
    *,
    with_: Sequence[str] = (),
    without: Sequence[str] = (),
    settings: Sequence[str] = (),
    model: str | None = None,
    length: float = 1.0,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
    skip_bad: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> RunRecord:
    """Train a classifier, or go on with it, or return it if the store has it.

    task: name of a task, or "folder:PATH". recipe: name of a recipe, or a recipe file. with_, without: techniques to
    add and to leave out. settings: "technique.knob=value", or "slot=value" for the plan that techniques start from.
    length: multiple of the training length. workers: processes that decode files (None: one per core). data: folder
    of data sets. store: folder of results. skip_bad: go on without images that can't be read.

    Raises RequestError for a request that can't be met, BakeoffError when the work fails.
    """
    job = plan_job(
        task, recipe, with_=with_, without=without, settings=settings, model=model, length=length, data=data,
        skip_bad=skip_bad,
    )  # fmt: skip
    return train_job(job, seed=seed, device=device, workers=workers, data=data, store=store, report=report)


def train_job(
    job: Job,
    *,
    seed: int = 0,
    device: str = "auto",
    workers: int | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> RunRecord:
    """Train the plan of a job; arguments as for `train`."""
    chosen, results = devices.resolve(device), open_store(store)
    results.prepare()
    dataset = job.task.load(data_folder(data))
    return run_plan(
        job.task.name, job.plan, job.recipe.as_json(), seed, dataset, results, chosen, workers=workers, report=report
    )


def evaluate(
    run: str,
    *,
    split: str = "report",
    topk: Sequence[int] = (1, 5),
    ema: bool | None = None,
    resize_px: int | None = None,
    crop_px: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
) -> View:
    """Evaluate a trained run on a split: `select`, `report` or, where the data set has one, the official `test`.

    topk: which Acc@k. ema: the averaged weights or the last ones (None: as the run's plan says). resize_px, crop_px:
    another inference size.
    """
    results = open_store(store)
    record = _done(results, run)
    task = tasks.get(record.task, data_folder(data), skip_bad=True)
    dataset = task.load(data_folder(data))
    if dataset.fingerprint != record.data_fingerprint:
        raise RequestError(
            f"run {record.run_id} was trained on other data (fingerprint {record.data_fingerprint}) than {task.name} "
            f"is now ({dataset.fingerprint})"
        )
    if split not in dataset.splits:
        raise RequestError(f"{task.name} has no split '{split}'; there are: {', '.join(dataset.splits)}")
    if any(k < 1 for k in topk):
        raise RequestError(f"Acc@{min(topk)} makes no sense; --topk takes numbers from 1, such as 1,5")
    plan = Plan.model_validate(record.plan)
    crop = crop_px or plan.eval_view.crop_px
    resize = resize_px or max(crop, plan.eval_view.resize_px)
    if resize < crop:
        raise RequestError(f"--resize {resize} is smaller than the crop of {crop} px; give --crop {resize} as well")
    average = plan.tracked_average if (plan.average is not None if ema is None else ema) else None
    plan = plan.model_copy(update={"eval_view": EvalView(resize_px=resize, crop_px=crop), "average": average})
    chosen = devices.resolve(device)
    return evaluate_run(results, record, plan, dataset, split, chosen, workers=workers, topk=topk)


def predict(
    run: str, paths: Sequence[Path], *, topk: int = 5, device: str = "auto", store: Path | str | None = None
) -> Iterator[tuple[Path, list[tuple[str, float]]]]:
    """The `topk` most likely classes of each image, with their probabilities, most likely first."""
    results, chosen = open_store(store), devices.resolve(device)
    record = _done(results, run)
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise RequestError(f"no image file {', '.join(absent)}")
    plan = Plan.model_validate(record.plan)
    model = load_model(results, record, plan, chosen)
    mean, std = (torch.tensor(values, device=chosen) for values in (record.mean, record.std))
    for path in paths:
        image = images.read(path, plan.model.channels)[None].to(chosen)
        shown = augment.normalize(augment.eval_view(image, plan.eval_view, plan.interpolation), mean, std)
        with torch.inference_mode():
            probability = model(shown).float().softmax(1)[0]
        best = probability.topk(min(topk, len(record.classes)))
        yield path, [(record.classes[i], p) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]


def _done(results: Store, run: str) -> RunRecord:
    record = results.get(results.find(run))
    if record.status != "done":
        raise RequestError(f"run {record.run_id} has no weights to use: it is {record.status} ({record.reason})")
    return record


def _override(base: Plan, overrides: dict[str, Any]) -> Plan:
    """The base plan with other values at dotted paths such as "lr.per_256"."""
    data = base.model_dump(mode="json")
    for path, value in overrides.items():
        *parents, last = path.split(".")
        here = data
        for name in parents:
            here[name] = here[name] or {}  # a slot that is empty so far
            here = here[name]
        here[last] = value
    try:
        return Plan.model_validate(data)
    except ValidationError as error:
        raise RequestError(f"--set {explain_validation(error)}") from None
