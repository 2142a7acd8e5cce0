"""Evaluate a trained run on a split, at any inference size, with averaged or last weights."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff import reader, tasks
from bakeoff.data.dataset import Dataset
from bakeoff.errors import RequestError, UnknownName
from bakeoff.inference.classifier import augmented, trained
from bakeoff.plan import LEAST_PX, MOST_PX
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.runner import evaluate_run
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task

if TYPE_CHECKING:
    from bakeoff.models import Builder


def evaluate(
    where: Workspace,
    run: str,
    split: str,
    *,
    topk: Sequence[int],
    ema: bool | None,
    resize_px: int | None,
    crop_px: int | None,
    tta: bool | None,
    task: str | Task | tasks.Builder | None,
    model: "str | Builder | None",
) -> View:
    """One evaluation; see `api.evaluate`."""
    record, plan = trained(where.store, run, model)
    dataset = data_of(where, record, task)
    if split not in dataset.splits:
        raise RequestError(f"{record.task} has no split '{split}'; there are: {', '.join(dataset.splits)}")
    for px, what in ((resize_px, "--resize"), (crop_px, "--crop")):
        if px is not None:
            reader.whole(px, what, LEAST_PX, MOST_PX)
    if any(k < 1 for k in topk):
        raise RequestError(f"Acc@{min(topk)} makes no sense; --topk takes numbers from 1, such as 1,5")
    crop = crop_px or plan.eval_view.crop_px
    resize = resize_px or max(crop, plan.eval_view.resize_px)
    if resize < crop:
        raise RequestError(f"--resize {resize} is smaller than the crop of {crop} px; give --crop {resize} as well")
    average = plan.tracked_average if (plan.average is not None if ema is None else ema) else None
    plan = augmented(plan.replaced({"eval_view.resize_px": resize, "eval_view.crop_px": crop, "average": average}), tta)
    return evaluate_run(where, record, plan, dataset, split, topk)


def data_of(where: Workspace, record: RunRecord, task: str | Task | tasks.Builder | None = None) -> Dataset:
    """The data that a run was trained on. task: what it comes from, where that is a file or an object.

    Raises RequestError where they can't be found, and for data that aren't the same any more.
    """
    try:
        named = tasks.get(record.task if task is None else task, where.data, skip_bad=True)
    except UnknownName as error:
        if task is not None:
            raise
        raise RequestError(
            f"task '{record.task}' of run {record.run_id} isn't known here; name the file that it comes from, as in "
            "--task ./data.py:mine"
        ) from error
    if named.name != record.task:
        raise RequestError(f"run {record.run_id} is of another task: {record.task}, not {named.name}")
    dataset = named.load(where.folder)
    if dataset.fingerprint != record.data_fingerprint:
        raise RequestError(
            f"run {record.run_id} was trained on other data (fingerprint {record.data_fingerprint}) than {named.name} "
            f"is now ({dataset.fingerprint})"
        )
    return dataset
