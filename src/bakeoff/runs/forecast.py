"""What a training takes, before it starts: steps, passes, time, memory, and what is worth knowing."""

import psutil
import torch

from bakeoff import models
from bakeoff.data.conclusions import about_classes
from bakeoff.engine import timing
from bakeoff.engine.memory import bytes_needed
from bakeoff.events import TrainingPlanned
from bakeoff.recipes.request import Job
from bakeoff.runs.workspace import Workspace

_LONG = 10.0  # seconds, above which it matters what else is running


def forecast(job: Job, where: Workspace) -> TrainingPlanned:
    """What a job's plan takes on the workspace's device; nothing is trained, and no data are read."""
    plan, device = job.plan, where.torch_device()
    seconds = timing.speed(device).seconds(plan)
    with torch.random.fork_rng(devices=[]):
        network = models.build(plan.model, plan.train_px, plan.eval_view.crop_px)
    return TrainingPlanned(
        model=plan.model.name,
        px=plan.train_px,
        steps=plan.steps,
        batch_size=plan.batch_size,
        examples=plan.steps * plan.batch_size,
        passes=plan.steps * plan.batch_size / job.task.train_examples,
        device=str(device),
        seconds=seconds,
        bytes=bytes_needed(network, plan, device),
        notes=(*_sizes(job), *_classes(job), *(others(device) if seconds > _LONG else ())),
    )


def _sizes(job: Job) -> list[str]:
    base, shown = job.compiled.base, job.compiled.base.eval_view.crop_px
    if base.train_px == shown:
        return []
    return [f"trained on {base.train_px} px and evaluated at {shown} px; --px {base.train_px} sets both"]


def _classes(job: Job) -> list[str]:
    return [found.text for found in about_classes(job.task.own.source.counts)] if job.task.own else []


def others(device: torch.device) -> list[str]:
    """What other programs take of this machine now."""
    cores = psutil.cpu_count() or 1
    busy = cores * psutil.cpu_percent(interval=0.1) / 100  # this process does nothing meanwhile
    if device.type != "cpu" or busy < 0.25 * cores:
        return []
    return [f"other programs keep {busy:.1f} of {cores} cores busy: while they do, it takes longer"]
