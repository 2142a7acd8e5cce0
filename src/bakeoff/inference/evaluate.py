"""Evaluate a trained run on a split, at any inference size, with averaged or last weights."""

from collections.abc import Sequence

from bakeoff import tasks
from bakeoff.errors import RequestError
from bakeoff.plan import EvalView
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.runner import evaluate_run
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace


def evaluate(
    where: Workspace,
    run: str,
    split: str,
    *,
    topk: Sequence[int],
    ema: bool | None,
    resize_px: int | None,
    crop_px: int | None,
) -> View:
    """One evaluation; see `api.evaluate`."""
    record = done(where.store, run)
    task = tasks.get(record.task, where.data, skip_bad=True)
    dataset = task.load(where.data)
    if dataset.fingerprint != record.data_fingerprint:
        raise RequestError(
            f"run {record.run_id} was trained on other data (fingerprint {record.data_fingerprint}) than {task.name} "
            f"is now ({dataset.fingerprint})"
        )
    if split not in dataset.splits:
        raise RequestError(f"{task.name} has no split '{split}'; there are: {', '.join(dataset.splits)}")
    if any(k < 1 for k in topk):
        raise RequestError(f"Acc@{min(topk)} makes no sense; --topk takes numbers from 1, such as 1,5")
    plan = where.store.plan(record)
    crop = crop_px or plan.eval_view.crop_px
    resize = resize_px or max(crop, plan.eval_view.resize_px)
    if resize < crop:
        raise RequestError(f"--resize {resize} is smaller than the crop of {crop} px; give --crop {resize} as well")
    average = plan.tracked_average if (plan.average is not None if ema is None else ema) else None
    plan = plan.model_copy(update={"eval_view": EvalView(resize_px=resize, crop_px=crop), "average": average})
    return evaluate_run(where, record, plan, dataset, split, topk)


def done(store: Store, run: str) -> RunRecord:
    """The record of a run that has weights. Raises RequestError if there is none, or it has none."""
    record = store.get(store.find(run))
    if record.status != "done":
        raise RequestError(f"run {record.run_id} has no weights to use: it is {record.status} ({record.reason})")
    return record
