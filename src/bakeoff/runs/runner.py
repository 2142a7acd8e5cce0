"""One plan, one seed, one store: train what isn't there, evaluate what wasn't evaluated, keep all of it."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from bakeoff import models, techniques
from bakeoff.data import reduced
from bakeoff.data.contents import changed
from bakeoff.data.dataset import Dataset, Files, Images
from bakeoff.data.members import Members
from bakeoff.data.splits import described
from bakeoff.engine import tensors
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.engine.device import dtype
from bakeoff.engine.evaluate import Evaluation, evaluate
from bakeoff.engine.memory import check_view
from bakeoff.engine.train import Diverged, train
from bakeoff.errors import BakeoffError, DataChanged, NoMemory, RequestError, StoreFailed, lacks_memory
from bakeoff.events import Observer, unobserved
from bakeoff.plan import Plan
from bakeoff.runs.events import RunBegan, RunKept
from bakeoff.runs.lease import Leases
from bakeoff.runs.record import EvalSetting, Losses, RunRecord, View, run_id
from bakeoff.runs.store import Answers, Store
from bakeoff.runs.versions import ENGINE_VERSION, revisions
from bakeoff.runs.workspace import Workspace

SPLITS = ("select", "report")  # what training evaluates; `test` is opened by `evaluate` only


def run_plan(
    task: str,
    plan: Plan,
    recipe: list[dict[str, Any]],
    seed: int,
    dataset: Dataset,
    where: Workspace,
    *,
    observer: Observer = unobserved,
    extra_evaluations: Sequence[Plan] | None = None,
    hold: Callable[[str], AbstractContextManager[None]] | None = None,
) -> RunRecord:
    """Train a plan, or go on with it, or take it from the store; then evaluate it on `select` and `report`.

    task, recipe: what the plan was compiled from, for the record. extra_evaluations: plans with the same training part
    to evaluate as well (None: the one with the other kind of weights, averaged or last). hold: how to hold the run
    alone while it is made (None: as soon as nobody else makes it).

    Raises BakeoffError when the work fails; a run that diverges comes back with that status.
    """
    check_sources(plan)
    store, device = where.store, where.torch_device()
    with store.named_in_errors():
        store.prepare()
        store.save_splits(task, described(dataset))
    run = run_id(plan, seed, dataset.fingerprint)
    with store.named_in_errors(), (hold or Leases(store.storage).wait)(run), store.named_in_errors():
        record = store.read(run)
        trained = record is None or not record.ended
        if record is None or not record.ended:
            start = RunRecord(
                run_id=run,
                status="interrupted",  # until it ends otherwise
                reason="stopped before its end; the same command goes on with it",
                task=task,
                recipe=recipe,
                plan=plan.model_dump(mode="json"),
                plan_digest=plan.digest,
                seed=seed,
                data_fingerprint=dataset.fingerprint,
                engine_version=ENGINE_VERSION,
                revisions=revisions(plan),
                classes=dataset.classes,
                mean=dataset.mean,
                std=dataset.std,
                device=str(device),
                threads=torch.get_num_threads(),
                dtype="bf16" if dtype(plan.precision, device) == torch.bfloat16 else "fp32",
                versions={name: version(name) for name in ("bakeoff", "torch", "torchvision", "numpy")},
                started=record.started if record else _now(),
            )
            observer(RunBegan(start))
            with _failures_recorded(store, start, record):
                record = _train(plan, dataset, where, start, observer)
        if record.status == "done":
            if extra_evaluations is None:
                extra_evaluations = [
                    plan.model_copy(update={"average": None if plan.average else plan.tracked_average})
                ]
            for read in (plan, *extra_evaluations):
                for split in SPLITS:
                    evaluate_run(where, record, read, dataset, split)
    found = store.get(run).for_plan(plan, recipe)
    if trained:
        observer(RunKept(found))
    return found


def check_sources(plan: Plan) -> None:
    """Raise RequestError for a plan with a part from outside that isn't known here, or that was edited since."""
    plan.check_known()
    for name, digest in plan.sources.items():
        head, _, rest = name.partition(".")
        found = models.REGISTRY.origin(rest) if head == "model" else techniques.REGISTRY.origin(name)
        if found is not None and found.digest != digest:
            raise RequestError(f"'{name}' ({found.where}) was changed since the plan was made; start again with it")


def evaluate_run(
    where: Workspace, record: RunRecord, plan: Plan, dataset: Dataset, split: str, topk: Sequence[int] = (1, 5)
) -> View:
    """The evaluation that a plan asks for: from the store, or made now and kept."""
    wanted = {f"acc{min(k, len(dataset.classes))}" for k in topk}
    setting = EvalSetting.of(plan)
    for view in record.views:
        if (view.split, view.setting) == (split, setting) and wanted <= view.acc.keys():
            return view
    began = time.perf_counter()
    found = _evaluated(where, record, plan, dataset, split, (*topk, 5))
    acc = {f"acc{k}": value for k, value in found.acc.items()}
    took = time.perf_counter() - began
    view = View(
        split=split,
        acc=acc,
        cross_entropy=found.cross_entropy,
        ece=found.ece,
        n=found.n,
        per_class=found.per_class,
        seconds=took,
        **dict(setting),
    )
    where.store.add_answers(record.run_id, view.name, (found.predicted, found.confidence))
    where.store.add_view(record.run_id, view, found.hits)
    return view


def answers_of(where: Workspace, record: RunRecord, plan: Plan, dataset: Dataset, split: str) -> Answers:
    """What a run says to each image of a split, and how sure it is: from the store, or asked where it isn't kept."""
    kept = where.store.answers(record.run_id, EvalSetting.of(plan).view_of(split))
    if kept is not None and len(kept[0]) == len(dataset.splits[split]):
        return kept
    found = _evaluated(where, record, plan, dataset, split, (1,))
    return found.predicted, found.confidence


def _evaluated(
    where: Workspace, record: RunRecord, plan: Plan, dataset: Dataset, split: str, topk: Sequence[int]
) -> Evaluation:
    device = where.torch_device()
    images = reduced.split(dataset, split, plan.read_px)
    model = load_model(where.store, record, plan, device)
    check_view(model, plan, dataset, device)
    workers = num_workers(dataset, split, plan, device, where.workers)
    found = evaluate(model, images, dataset, plan, plan.eval_view, device, topk=topk, workers=workers)
    _check_unchanged(images)
    return found


def load_model(store: Store, record: RunRecord, plan: Plan, device: torch.device) -> nn.Module:
    """The trained network of a run, with averaged or last weights as the plan says, ready for inference.

    Raises BakeoffError for weights that aren't those that the run ended with.
    """
    prefix = "average." if plan.average else "model."
    file = store.weights(record.run_id)
    model = models.build(plan.model, plan.eval_view.crop_px)
    expected = {f"{kind}.{n}": t for kind in ("model", "average") for n, t in model.state_dict().items()}
    try:
        data = tensors.read(file, expected)
        if data is None:
            raise BakeoffError(f"the weights of run {record.run_id} are gone: {file} doesn't exist")
        found = tensors.check(data, record.weights_digest)
        tensors.fit(found, expected)
    except tensors.Damaged as reason:
        raise BakeoffError(
            f"the weights of run {record.run_id} can't be used: {file}: {reason}; put its own back, or remove the run "
            f"(bakeoff runs rm {record.run_id}) and train it again"
        ) from None
    model.load_state_dict({n.removeprefix(prefix): t for n, t in found.items() if n.startswith(prefix)})
    if plan.precision.channels_last:
        model = model.to(memory_format=torch.channels_last)
    return model.to(device).eval()


def _check_unchanged(images: Images) -> None:
    """Raise DataChanged if files that were read while it went on aren't what they were when they were hashed."""
    if not isinstance(images, Files) or images.kept is not None or images.contents is None:
        return
    if isinstance(images.paths, Members):  # each of which looks at itself
        return
    if (path := changed(images.paths, images.contents)) is not None:
        raise DataChanged(f"{path} was changed while it was in use; start again: runs on other data are others")


def _train(plan: Plan, dataset: Dataset, where: Workspace, start: RunRecord, observer: Observer) -> RunRecord:
    store, device = where.store, where.torch_device()
    workers = num_workers(dataset, "train", plan, device, where.workers)
    store.write(start)
    checkpoint = Checkpoint(store.checkpoint(start.run_id), start.run_id)
    images = reduced.split(dataset, "train", plan.read_px)
    try:
        state = train(plan, dataset, start.seed, device, checkpoint=checkpoint, workers=workers, report=observer)
    except BakeoffError:
        _check_unchanged(images)  # a file that can't be read is one that was changed
        raise
    except Diverged as error:
        record = replace(start, status="diverged", reason=str(error), finished=_now())
    else:
        _check_unchanged(images)
        weights = tensors.packed(state.weights())
        store.weights(start.run_id).write(weights)
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
            weights_digest=hashlib.sha256(weights).hexdigest(),
        )
    store.write(record)
    checkpoint.remove()
    return record


@contextmanager
def _failures_recorded(store: Store, start: RunRecord, before: RunRecord | None) -> Iterator[None]:
    """Keep the reason of a crash with the run.

    Of a wrong request, such as a model that doesn't exist, nothing is left but what was there before.
    """
    try:
        with store.named_in_errors():
            yield
    except RequestError:
        if before is None:
            store.discard(start.run_id)
        else:
            store.write(before)
        raise
    except Exception as error:
        if lacks_memory(error):
            _record_crash(store, start, str(NoMemory()))
            raise NoMemory from error
        _record_crash(store, start, _reason(error))
        raise


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, StoreFailed) else f"{type(error).__name__}: {error}"


def _record_crash(store: Store, start: RunRecord, reason: str) -> None:
    try:
        store.write(replace(start, status="crashed", reason=reason, finished=_now()))
    except OSError:
        return  # where nothing can be written, the error that is being raised has to do


def _curve(losses: Sequence[float], points: int = 200) -> Losses:
    edges = sorted({round(len(losses) * i / points) for i in range(points + 1)})
    return Losses(tuple(edges[1:]), tuple(sum(losses[a:b]) / (b - a) for a, b in pairwise(edges)))


def num_workers(dataset: Dataset, split: str, plan: Plan, device: torch.device, asked: int | None) -> int:
    """Processes that decode and crop a split for a plan: as many as asked for, by default one per core.

    None for data in memory, and by default for images that are decoded already and trained on with the same cores:
    to start the processes takes longer than the cropping.
    """
    images = reduced.split(dataset, split, plan.read_px)
    if not isinstance(images, Files):
        return 0
    if asked is None:
        return 0 if images.kept is not None and device.type == "cpu" else os.cpu_count() or 1
    return asked


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
