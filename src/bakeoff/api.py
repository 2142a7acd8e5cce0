"""What bakeoff does, as functions: the command line and notebooks call these."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import platformdirs
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn

from bakeoff import models, recipes, tasks
from bakeoff.data import augment, images
from bakeoff.data.dataset import Dataset, Files
from bakeoff.data.splits import save_splits
from bakeoff.engine import device as devices
from bakeoff.engine.evaluate import evaluate as evaluate_model
from bakeoff.engine.state import write_tensors
from bakeoff.engine.train import ENGINE_VERSION, Diverged, Progress
from bakeoff.engine.train import train as train_plan
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.plan import EvalView, Plan
from bakeoff.recipe import Compiled, Recipe, compile_plan, explain_validation
from bakeoff.store import RunRecord, Store, View, run_id
from bakeoff.task import Task

SPLITS = ("select", "report")  # what training evaluates; `test` is opened by `evaluate` only


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


def default_store() -> Path:
    """$BAKEOFF_STORE, else runs/ here."""
    return Path(os.environ.get("BAKEOFF_STORE", "runs"))


def open_store(root: Path | None = None) -> Store:
    """The store in a folder, the default one when None."""
    return Store(root or default_store())


def default_data() -> Path:
    """$BAKEOFF_DATA, else the user's cache folder."""
    return Path(os.environ.get("BAKEOFF_DATA") or platformdirs.user_cache_path("bakeoff") / "data")


def plan_job(
    task: str = "digits",
    recipe: str = "baseline",
    *,
    with_: Sequence[str] = (),
    without: Sequence[str] = (),
    settings: Sequence[str] = (),
    model: str | None = None,
    length: float = 1.0,
    data: Path | None = None,
    skip_bad: bool = False,
) -> Job:
    """Understand a request and compile its plan; nothing is trained.

    Arguments as for `train`.
    """
    if not length > 0:
        raise RequestError(f"length {length} isn't positive; it is a multiple of the recipe's training length")
    resolved = tasks.get(task, data or default_data(), skip_bad=skip_bad)
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
    data: Path | None = None,
    store: Path | None = None,
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
    data: Path | None = None,
    store: Path | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    dataset: Dataset | None = None,
    also: Sequence[Plan] | None = None,
) -> RunRecord:
    """Train the plan of a job; other arguments as for `train`.

    dataset: the task's data, if the caller has it. also: plans with the same training part to evaluate as well (None:
    the plan with the other kind of weights, averaged or last).
    """
    results, chosen = open_store(store), devices.resolve(device)
    results.prepare()
    dataset = dataset or job.task.load(data or default_data())
    save_splits(results.root, job.task.name, dataset)
    run = run_id(job.plan, seed, dataset.fingerprint, ENGINE_VERSION)
    recipe = job.recipe.as_json()
    with results.locked(run):
        record = results.read(run)
        if record is None or record.status not in ("done", "diverged"):
            start = RunRecord(
                run_id=run,
                status="interrupted",  # until it ends otherwise
                reason="stopped before its end; the same command goes on with it",
                task=job.task.name,
                recipe=recipe,
                plan=job.plan.model_dump(mode="json"),
                plan_digest=job.plan.digest,
                seed=seed,
                data_fingerprint=dataset.fingerprint,
                engine_version=ENGINE_VERSION,
                classes=dataset.classes,
                mean=dataset.mean,
                std=dataset.std,
                device=str(chosen),
                threads=torch.get_num_threads(),
                versions={name: version(name) for name in ("bakeoff", "torch", "torchvision", "numpy")},
                started=record.started if record else _now(),
            )
            with _failures_recorded(results, start):
                record = _train(job.plan, dataset, results, start, chosen, _workers(dataset, workers), report)
        if record.status == "done":
            other = job.plan.model_copy(update={"average": None if job.plan.average else job.plan.tracked_average})
            for plan in (job.plan, *((other,) if also is None else also)):
                for split in SPLITS:
                    _view(results, record, plan, dataset, split, chosen, _workers(dataset, workers))
    final = results.read(run)
    assert final is not None
    return final.for_plan(job.plan, recipe)


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
    data: Path | None = None,
    store: Path | None = None,
) -> View:
    """Evaluate a trained run on a split: `select`, `report` or, where the data set has one, the official `test`.

    topk: which Acc@k. ema: the averaged weights or the last ones (None: as the run's plan says). resize_px, crop_px:
    another inference size.
    """
    results = open_store(store)
    record = _done(results, run)
    task = tasks.get(record.task, data or default_data(), skip_bad=True)
    dataset = task.load(data or default_data())
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
    return _view(results, record, plan, dataset, split, chosen, _workers(dataset, workers), topk)


def predict(
    run: str, paths: Sequence[Path], *, topk: int = 5, device: str = "auto", store: Path | None = None
) -> Iterator[tuple[Path, list[tuple[str, float]]]]:
    """The `topk` most likely classes of each image, with their probabilities, most likely first."""
    results, chosen = open_store(store), devices.resolve(device)
    record = _done(results, run)
    plan = Plan.model_validate(record.plan)
    model = _load(results, record, plan, chosen)
    mean, std = (torch.tensor(values, device=chosen) for values in (record.mean, record.std))
    for path in paths:
        image = images.read(path, plan.model.channels)[None].to(chosen)
        shown = augment.normalize(augment.eval_view(image, plan.eval_view, plan.interpolation), mean, std)
        with torch.inference_mode():
            probability = model(shown).float().softmax(1)[0]
        best = probability.topk(min(topk, len(record.classes)))
        yield path, [(record.classes[i], p) for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]


def _train(
    plan: Plan,
    dataset: Dataset,
    results: Store,
    start: RunRecord,
    device: torch.device,
    workers: int,
    report: Callable[[Progress], None],
) -> RunRecord:
    folder = results.folder(start.run_id)
    results.write(start)
    checkpoint = folder / "checkpoint.safetensors"
    try:
        state = train_plan(plan, dataset, start.seed, device, checkpoint=checkpoint, workers=workers, report=report)
    except Diverged as error:
        record = replace(start, status="diverged", reason=str(error), finished=_now())
    else:
        weights = {f"model.{n}": t for n, t in state.model.state_dict().items()}
        weights |= {f"average.{n}": t for n, t in state.average.model.state_dict().items()}
        write_tensors(folder / "weights.safetensors", weights)
        examples = plan.steps * plan.batch_size
        record = replace(
            start,
            status="done",
            reason="",
            examples_seen=examples,
            steps=plan.steps,
            seconds=state.seconds,
            data_wait_seconds=state.data_wait,
            images_per_second=examples / state.seconds,
            finished=_now(),
            losses=_curve(state.losses),
        )
    results.write(record)
    checkpoint.unlink(missing_ok=True)
    return record


def _view(
    results: Store,
    record: RunRecord,
    plan: Plan,
    dataset: Dataset,
    split: str,
    device: torch.device,
    workers: int,
    topk: Sequence[int] = (1, 5),
) -> View:
    """The evaluation that a plan asks for: from the store, or made now and kept."""
    wanted = {f"acc{min(k, len(dataset.classes))}" for k in topk}
    key = (split, plan.average is not None, plan.eval_view.resize_px, plan.eval_view.crop_px)
    for view in record.views:
        if (view.split, view.ema, view.resize_px, view.crop_px) == key and wanted <= view.acc.keys():
            return view
    model = _load(results, record, plan, device)
    found = evaluate_model(
        model, dataset.splits[split], dataset, plan, plan.eval_view, device, topk=(*topk, 5), workers=workers
    )
    view = View(
        *key, {f"acc{k}": acc for k, acc in found.acc.items()}, found.cross_entropy, found.ece, found.n, found.per_class
    )
    results.add_view(record.run_id, view, found.hits)
    return view


def _load(results: Store, record: RunRecord, plan: Plan, device: torch.device) -> nn.Module:
    prefix = "average." if plan.average else "model."
    path = results.folder(record.run_id) / "weights.safetensors"
    if not path.exists():
        raise BakeoffError(f"the weights of run {record.run_id} are gone: {path} doesn't exist")
    model = models.build(plan.model)
    tensors = load_file(path)
    model.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    if plan.precision.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return model.to(device).eval()


def _done(results: Store, run: str) -> RunRecord:
    record = results.read(results.find(run))
    assert record is not None
    if record.status != "done":
        raise RequestError(f"run {record.run_id} has no weights to use: it is {record.status} ({record.reason})")
    return record


@contextmanager
def _failures_recorded(results: Store, start: RunRecord) -> Iterator[None]:
    """Keep the reason of a crash with the run; a full disk and the like become one line."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _record_crash(results, start, f"{error.strerror or error}{where}")
        raise BakeoffError(
            f"writing to {results.root} failed: {error.strerror or error}{where}; the last checkpoint is kept, "
            "and the same command goes on from it"
        ) from error
    except Exception as error:
        _record_crash(results, start, f"{type(error).__name__}: {error}")
        raise


def _record_crash(results: Store, start: RunRecord, reason: str) -> None:
    try:
        results.write(replace(start, status="crashed", reason=reason, finished=_now()))
    except OSError:
        return  # where nothing can be written, the error that is being raised has to do


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


def _curve(losses: Sequence[float], points: int = 200) -> tuple[tuple[int, float], ...]:
    edges = sorted({round(len(losses) * i / points) for i in range(points + 1)})
    return tuple((b, sum(losses[a:b]) / (b - a)) for a, b in pairwise(edges))


def _workers(dataset: Dataset, asked: int | None) -> int:
    if not isinstance(dataset.splits["train"], Files):
        return 0
    return (os.cpu_count() or 1) if asked is None else asked


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
