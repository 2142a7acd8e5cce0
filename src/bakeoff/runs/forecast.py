"""What a training takes, before it starts: steps, passes, time, memory, and what is worth knowing."""

import torch

from bakeoff import models
from bakeoff.engine import timing
from bakeoff.engine.memory import bytes_needed
from bakeoff.events import TrainingPlanned
from bakeoff.recipes.request import Job
from bakeoff.runs.workspace import Workspace

_FEW = 20  # training images of a class, below which its accuracy says little
_UNEVEN = 3.0  # times the images of another class


def forecast(job: Job, where: Workspace) -> TrainingPlanned:
    """What a job's plan takes on the workspace's device; nothing is trained, and no data are read."""
    plan, device = job.plan, where.torch_device()
    with torch.random.fork_rng(devices=[]):
        network = models.build(plan.model, plan.train_px)
    return TrainingPlanned(
        model=plan.model.name,
        px=plan.train_px,
        steps=plan.steps,
        batch_size=plan.batch_size,
        examples=plan.steps * plan.batch_size,
        passes=plan.steps * plan.batch_size / job.task.train_examples,
        device=str(device),
        seconds=timing.speed(device).seconds(plan),
        bytes=bytes_needed(network, plan, device),
        notes=(*_sizes(job), *_classes(job)),
    )


def _sizes(job: Job) -> list[str]:
    base, shown = job.compiled.base, job.compiled.base.eval_view.crop_px
    if base.train_px == shown:
        return []
    return [f"trained on {base.train_px} px and evaluated at {shown} px; --px {base.train_px} sets both"]


def _classes(job: Job) -> list[str]:
    if job.task.own is None:
        return []
    counts = job.task.own.source.counts
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    notes = []
    if counts[most] > _UNEVEN * counts[least]:
        notes.append(
            f"uneven classes: {counts[most]:,} training images of '{most}', {counts[least]:,} of '{least}'; Acc@1 "
            "counts images alike, so look at the classes too"
        )
    if few := [name for name, count in counts.items() if count < _FEW]:
        names = f"'{few[0]}'" if len(few) == 1 else f"{len(few)} classes, first '{few[0]}'"
        notes.append(f"few training images, under {_FEW}: {names}")
    return notes
