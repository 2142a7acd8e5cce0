"""How fast a plan trains here, from a moment of training it."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path

import torch

from bakeoff.data.dataset import Dataset
from bakeoff.engine.train import train
from bakeoff.events import TrainingProgress
from bakeoff.plan import Plan, Schedule


class _Enough(Exception):
    pass


def seconds_per_image(
    plan: Plan, dataset: Dataset, device: torch.device, *, seconds: float = 0.5, workers: int = 0
) -> float:
    """Training time per image of a plan, from at least `seconds` of its steps after the first few.

    workers: as for `train`. Nothing is kept.
    """
    still = Schedule(per_256=1e-12)  # the time doesn't depend on it, and nothing can diverge
    endless = plan.model_copy(update={"examples_seen": plan.batch_size * 10**9, "lr": still})
    marks: list[tuple[float, int]] = []

    def look(progress: TrainingProgress) -> None:
        marks.append((time.perf_counter(), progress.step))
        if len(marks) > 1 and marks[-1][0] - marks[0][0] >= seconds:
            raise _Enough

    with tempfile.TemporaryDirectory() as folder, suppress(_Enough):
        train(endless, dataset, 0, device, checkpoint=Path(folder) / "state", workers=workers, report=look)
    (start, first), (end, last) = marks[0], marks[-1]
    return (end - start) / ((last - first) * plan.batch_size)
