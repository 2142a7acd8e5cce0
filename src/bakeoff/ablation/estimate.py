"""What a training, a study or a derivation takes before it is begun: here, on N devices, on hardware that isn't here.

By the work that is counted of each plan (`models.cost`), which is what `train` forecasts by, over one speed of a
device: measured here, or published for ResNet-50. Nothing is run, and no data are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from bakeoff import models
from bakeoff.ablation.design import Design
from bakeoff.ablation.plan import factors
from bakeoff.engine import timing
from bakeoff.engine.memory import bytes_needed
from bakeoff.models.cost import Speed, multiplications
from bakeoff.plan import Model, Plan
from bakeoff.recipes.request import Job
from bakeoff.runs.workspace import Workspace
from bakeoff.study.estimate import Amount, Estimate, What


@dataclass(frozen=True)
class Hardware:
    """A device by what was published of it: images of ResNet-50 at 224 px trained in a second, mixed precision.

    together: share of that which each of eight keeps in one training. source: where it was read.
    """

    title: str
    images_per_second: float
    together: float
    source: str


_NVIDIA = "NVIDIA DeepLearningExamples, resnet50v1.5 README, PyTorch 21.03 and DALI"
HARDWARE = {
    "a100": Hardware("A100-80GB", 2470, 16621 / (8 * 2470), f"{_NVIDIA}: DGX A100, 2,470 images/s, 16,621 on eight"),
    "v100": Hardware("V100-16GB", 1200, 8322 / (8 * 1200), f"{_NVIDIA}: DGX-1, 1,200 images/s, 8,322 on eight"),
}
_RESNET = Model(name="resnet50", classes=1000, channels=3, px=224)
_HERE = (0.75, 1.33)  # least and most, as a multiple: `Speed.seconds` is right within a third
_THERE = (0.8, 2.5)  # a guess: a tuned program stands behind the published number, and none of ours ran there
_DECODED = 625.0  # photographs that a core decodes and crops in a second (10,000 on 16 cores: an estimate)


def estimate(
    job: Job,
    where: Workspace,
    what: What = "train",
    *,
    design: Design | None = None,
    runs: int | None = None,
    hardware: str | None = None,
    devices: int = 1,
    price: float | None = None,
) -> Estimate:
    """What a job takes. design: of a study. runs: of a derivation. hardware: of `HARDWARE`, None: this machine.

    devices: that share the runs of a study, or one training. price: of an hour of a device.
    """
    device = where.torch_device() if hardware is None else torch.device("cuda")
    speed = timing.speed(device) if hardware is None else _published(HARDWARE[hardware])
    plans = list(_plans(job, what, design, runs))
    low, high = _HERE if hardware is None else _THERE
    how = "measured here, within a third" if hardware is None else f"{HARDWARE[hardware].source}; the range is a guess"
    each = [speed.seconds(plan) for plan in plans]
    together = 1.0 if hardware is None or devices == 1 else HARDWARE[hardware].together
    if what == "train":
        wall, shared = sum(each) / (devices * together), f"{devices} devices train it together" if devices > 1 else ""
        work = sum(each) / together
    else:
        wall, shared = max(sum(each) / devices, max(each)), "a run has a device to itself, the longest sets the end"
        work = sum(each)
    largest = max(plans, key=lambda plan: plan.batch_size * plan.train_px**2)
    if what == "train":
        largest = largest.model_copy(update={"batch_size": max(1, -(-largest.batch_size // devices))})
    network = _network(largest)
    need = max(plan.steps * plan.batch_size / seconds for plan, seconds in zip(plans, each, strict=True))
    decoded = need / _DECODED if largest.train_px > 96 else 0.0
    hours = work / 3600

    def ranged(value: float, basis: str) -> Amount:
        return Amount(value, value * low, value * high, basis)

    counted = f"counted work of {len(plans)} {'run' if len(plans) == 1 else 'runs'}, without evaluations; speed: {how}"
    memory = bytes_needed(network, largest, device if hardware is None else torch.device("cpu"))
    return Estimate(
        what=what,
        task=job.task.name,
        hardware=str(device) if hardware is None else HARDWARE[hardware].title,
        runs=len(plans),
        devices=devices,
        device_seconds=ranged(work, counted),
        seconds=ranged(wall, "; ".join(filter(None, (f"device time over {devices}", shared)))),
        bytes=Amount(memory, memory, 1.5 * memory, "weights, their state, what a backward pass keeps: a lower bound"),
        images_per_second=Amount(need, need / high, need / low, "of the run that is fed fastest"),
        cores=Amount(decoded, decoded / high, 2 * decoded / low, f"{_DECODED:g} images a core and second: a guess"),
        price=ranged(price * hours, f"{price:g} for an hour of a device") if price is not None else None,
    )


def _plans(job: Job, what: What, design: Design | None, runs: int | None) -> Iterable[Plan]:
    """The plan of every run."""
    if what == "train":
        return [job.plan]
    found = factors(job)
    if what == "ablate":
        assert design is not None
        return [found.plans(levels)[0] for levels in design.draw(len(found.training)).levels.tolist()]
    assert runs is not None
    return [(job.compiled.base, job.plan)[at % 2] for at in range(runs)]  # a search has techniques on half of the time


def _published(hardware: Hardware) -> Speed:
    """As fast as it was published, at the work that ResNet-50 is."""
    return timing.speed_of("cuda", hardware.images_per_second * multiplications(_RESNET, _RESNET.px))


def _network(plan: Plan) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        return models.build(plan.model, plan.train_px, plan.eval_view.crop_px)
