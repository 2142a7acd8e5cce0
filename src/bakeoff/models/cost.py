"""What training costs: counted from the network, and turned into time by one measured speed of the machine."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from bakeoff import models
from bakeoff.plan import Model, Plan


@dataclass(frozen=True)
class Speed:
    """Of a machine in training.

    rate: multiplications of forward passes in a second, while the backward passes are made as well. per_step,
    per_image: seconds that are taken beside the network's.
    """

    rate: float
    per_step: float
    per_image: float

    def seconds(self, plan: Plan) -> float:
        """That training takes, about: within a third for networks made of usual convolutions."""
        work = multiplications(plan.model, plan.train_px) / self.rate + self.per_image
        return plan.steps * (plan.batch_size * work + self.per_step)


def multiplications(model: Model, px: int) -> int:
    """Of numbers, in the forward pass of one image of px x px pixels. Raises RequestError as `models.build` does."""
    return _counted(model.model_dump_json(), px)


@lru_cache(maxsize=256)
def _counted(model: str, px: int) -> int:
    spec = Model.model_validate_json(model)
    with torch.random.fork_rng(devices=[]):
        net = models.build(spec, px).eval().to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(torch.empty(1, spec.channels, px, px, device="meta"))
    return int(counter.get_total_flops()) // 2
