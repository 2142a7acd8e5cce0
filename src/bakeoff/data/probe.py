"""Do two plans show the network the same pixels? Asked of a few images, before anything is trained."""

import torch

from bakeoff.data import augment
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.plan import Plan
from bakeoff.rng import Draws

_IMAGES = 256  # TrivialAugment warps 3 of 14 of them; that it warps none has probability 1e-27


def same_pixels(a: Plan, b: Plan, dataset: Dataset) -> bool:
    """Whether a few images look the same under both plans, in training and at evaluation, bit by bit.

    Images in files are of any size, so that resizing is to be expected: for those the answer is False.
    """
    split = dataset.splits["train"]
    if not isinstance(split, Resident):
        return False
    images = split.images[:_IMAGES]
    place = torch.arange(_IMAGES)
    rows = torch.stack((torch.zeros_like(place), place, torch.zeros_like(place)), dim=1)[: len(images)]
    mean, std = torch.tensor(dataset.mean), torch.tensor(dataset.std)
    trained = [augment.augment(images.clone(), plan, Draws(0, rows), mean, std) for plan in (a, b)]
    evaluated = [augment.eval_view(images, plan.eval_view, plan.interpolation) for plan in (a, b)]
    return torch.equal(*trained) and torch.equal(*evaluated)
