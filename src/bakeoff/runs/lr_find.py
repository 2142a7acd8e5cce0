"""A learning-rate range test of a plan: the same loop on a plan whose schedule rises. Nothing of it is kept."""

from dataclasses import dataclass

from bakeoff.data import reduced
from bakeoff.data.dataset import Dataset
from bakeoff.engine.optim import lr_factor
from bakeoff.engine.train import Diverged, train
from bakeoff.errors import RequestError
from bakeoff.events import Observer, unobserved
from bakeoff.plan import Plan, Schedule
from bakeoff.runs.runner import num_workers
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import range_test
from bakeoff.stats.range_test import RangeTest

STEPS = 200  # by default
_DECADES = 3.0  # below the plan's own rate and above it, by default


@dataclass(frozen=True)
class LearningRates:
    """What a range test found. Rates are per 256 images, as `--set lr.per_256=` takes them.

    plan: that was asked for, whose own rate is `plan.lr.per_256`. test: the losses, and what follows from them.
    """

    plan: Plan
    test: RangeTest


def rising(plan: Plan, low: float | None, high: float | None, steps: int) -> Plan:
    """The plan with a learning rate that rises by the same factor at each step, from `low` to `high` per 256 images.

    None: a thousandth of the plan's own rate, and a thousand times it. Raises RequestError for an empty range.
    """
    own = plan.lr.per_256
    low, high = low or own / 10**_DECADES, high or own * 10**_DECADES
    if not low < high:
        raise RequestError(f"--low {low:g} is not below --high {high:g}: the rate has to rise")
    schedule = Schedule(per_256=low, shape="exponential", gamma=high / low)
    return plan.replaced({"examples_seen": steps * plan.batch_size, "lr": schedule})


def lr_find(
    plan: Plan,
    dataset: Dataset,
    seed: int,
    where: Workspace,
    *,
    low: float | None = None,
    high: float | None = None,
    steps: int = STEPS,
    observer: Observer = unobserved,
) -> LearningRates:
    """Train a plan for `steps` steps with a rising rate, and read its losses; see `rising` and `range_test.read`."""
    tested, device = rising(plan, low, high, steps), where.torch_device()
    workers = num_workers(dataset, "train", tested, device, where.workers)
    reduced.split(dataset, "train", tested.read_px)
    try:
        losses = train(tested, dataset, seed, device, workers=workers, report=observer).losses
    except Diverged as error:  # as it has to, where the range goes far enough
        losses = list(error.losses)
    rates = [tested.lr.per_256 * lr_factor(tested.lr, step, tested.steps) for step in range(len(losses))]
    return LearningRates(plan, range_test.read(rates, losses))
