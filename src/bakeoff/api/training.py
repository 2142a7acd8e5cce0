"""Train a classifier, evaluate it, ask it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bakeoff import reader
from bakeoff.api.asked import BASELINE, Asked, Where, shown, understood, workspace
from bakeoff.events import Doing, Observer, TechniqueSkipped, TrainingPlanned, observed, tell, unobserved
from bakeoff.runs.record import RunRecord, View

if TYPE_CHECKING:
    from torch.nn import Module

    from bakeoff.inference.predict import Prediction
    from bakeoff.models import Builder
    from bakeoff.recipe import Recipe
    from bakeoff.recipes.request import AnyTask, Job, Request
    from bakeoff.runs.lr_find import LearningRates


@observed
def plan_job(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> "Job":
    """Understand a request and compile its plan; nothing is trained. `job.plan` is the plan."""
    return understood(task, recipe, asked, BASELINE)[0]


def forecast(job: "Job", **place: Unpack[Where]) -> TrainingPlanned:
    """What a job of `plan_job` takes here: steps, passes, time and memory; nothing is trained, and no data are read."""
    from bakeoff.runs import forecast as runs

    return runs.forecast(job, workspace(place))


@shown
@observed
def train(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    seed: int = 0,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> RunRecord:
    """Train a classifier, or go on with it, or return it if the store has it."""
    from bakeoff.ablation.tracked import tracked
    from bakeoff.runs.idle import fitted
    from bakeoff.runs.runner import run_plan

    reader.whole(seed, "--seed", 0, reader.MOST_SEED)
    job, where = understood(task, recipe, asked, BASELINE)
    where.torch_device()
    where.store.prepare()
    observer(forecast(job, where=where))
    tell(Doing(f"reading the images of {job.task.name}"))
    dataset = job.task.load(where.folder)
    job = fitted(job, dataset)
    for technique, reason in job.compiled.skipped.items():
        observer(TechniqueSkipped(technique, reason))
    with tracked(where, observer) as told:
        return run_plan(job.task.name, job.plan, job.recipe.as_json(), seed, dataset, where, observer=told)


@shown
@observed
def lr_find(
    task: "AnyTask | Request" = "digits",
    recipe: "str | Recipe | None" = None,
    *,
    seed: int = 0,
    low: float | None = None,
    high: float | None = None,
    steps: int = 200,
    observer: Observer = unobserved,
    **asked: Unpack[Asked],
) -> "LearningRates":
    """Train for a few steps with a learning rate that rises all the way, and suggest one to begin with.

    low, high: rates per 256 images (None: a thousandth of the plan's own, and a thousand times it). steps: of the
    optimizer. Nothing is kept in the store. Raises BakeoffError where nothing was learned at any rate.
    """
    from bakeoff.runs import lr_find as rates
    from bakeoff.runs.idle import fitted

    reader.whole(seed, "--seed", 0, reader.MOST_SEED)
    reader.whole(steps, "--steps", 20, 10**6)
    for value, what in ((low, "--low"), (high, "--high")):
        if value is not None:
            reader.number(value, what, 1e30)
    job, where = understood(task, recipe, asked, BASELINE)
    where.torch_device()
    tell(Doing(f"reading the images of {job.task.name}"))
    dataset = job.task.load(where.folder)
    plan = fitted(job, dataset).plan
    return rates.lr_find(plan, dataset, seed, where, low=low, high=high, steps=steps, observer=observer)


def evaluate(
    run: str,
    *,
    split: str = "report",
    topk: Sequence[int] = (1, 5),
    ema: bool | None = None,
    resize_px: int | None = None,
    crop_px: int | None = None,
    tta: bool | None = None,
    task: "AnyTask | None" = None,
    model: "str | Builder | None" = None,
    **place: Unpack[Where],
) -> View:
    """Evaluate a trained run on a split: `train`, `select`, `report` or, where the data set has one, official `test`.

    On `train`, as it learned them but for the augmentation: what it is beyond the others is what was learned by heart.

    run: its id, the first characters, or "last". topk: which Acc@k. ema: the averaged weights or the last ones (None:
    as the run's plan says). resize_px, crop_px: another inference size. tta: with test-time augmentation or without
    (None: as the plan says). task, model: what the run's task and network come from, where that is a file or an object.
    """
    from bakeoff.inference import evaluate as inference

    where = workspace(place)
    return inference.evaluate(
        where, run, split, topk=topk, ema=ema, resize_px=resize_px, crop_px=crop_px, tta=tta, task=task, model=model
    )


def predict(
    run: str,
    images: Sequence[Path | str | bytes],
    *,
    topk: int = 5,
    tta: bool | None = None,
    model: "str | Builder | None" = None,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "Iterator[Prediction]":
    """The `topk` most likely classes of each image, with their probabilities, most likely first, as they become known.

    run: as for `evaluate`. images: files, folders with all below them, patterns such as "*.png", or the bytes of an
    image. One that can't be read comes with an `error`, and no classes. Images are shown as evaluation shows them, and
    any number of them takes the memory of a few batches. tta, model: as for `evaluate`.
    """
    from bakeoff.inference import predict as inference
    from bakeoff.inference.classifier import Classifier

    reader.whole(topk, "--topk", 1, reader.MOST_SEED)
    where = workspace(place)
    given = [image if isinstance(image, bytes) else Path(image) for image in images]
    classifier = Classifier.load(where, run, tta=tta, model=model)
    yield from inference.predict(classifier, given, topk, where.workers, observer)


def load_model(run: str, *, model: "str | Builder | None" = None, **place: Unpack[Where]) -> "Module":
    """The trained network of a run, ready for inference: (N, channels, px, px) normalised images -> (N, classes).

    model: as for `evaluate`.
    """
    from bakeoff.inference.classifier import trained
    from bakeoff.runs import runner

    where = workspace(place)
    return runner.load_model(where.store, *trained(where.store, run, model), where.torch_device())
