"""Do two plans show the network the same pixels? Asked of a few images, before anything is trained."""

import torch
from torch import Tensor

from bakeoff.data import augment, images, reduced
from bakeoff.data.dataset import Dataset, Images, Resident
from bakeoff.plan import Plan, Policy
from bakeoff.rng import Draws

_IMAGES = 256  # TrivialAugment warps 3 of 14 of them; that it warps none has probability 1e-27
_FILES = 16  # that are decoded for it


def same_pixels(a: Plan, b: Plan, dataset: Dataset) -> bool:
    """Whether a few images look the same under both plans, in training and at evaluation, bit by bit.

    The plans differ in nothing but the interpolation. Files of several sizes, or of sizes that aren't known, are
    resized, so that the answer is False; so it is for files that a policy may warp.
    """
    warps = any(isinstance(plan.op("policy"), Policy) and plan.op("policy").warps for plan in (a, b))
    shown = _few(dataset.splits["train"], warps)
    if shown is None:
        return False
    shown = reduced.reduce(shown, a.read_px)
    place = torch.arange(len(shown))
    rows = torch.stack((torch.zeros_like(place), place, torch.zeros_like(place)), dim=1)
    mean, std = torch.tensor(dataset.mean), torch.tensor(dataset.std)
    trained = [augment.augment(shown.clone(), plan, Draws(0, rows), mean, std) for plan in (a, b)]
    evaluated = [augment.eval_view(shown, plan.eval_view, plan.interpolation) for plan in (a, b)]
    return torch.equal(*trained) and torch.equal(*evaluated)


def _few(split: Images, warps: bool) -> Tensor | None:
    """Some images, (N, C, H, W) uint8; None where they don't stand for all."""
    if isinstance(split, Resident):
        return split.images[:_IMAGES]
    if warps or split.sizes is None or (split.sizes != split.sizes[0]).any():
        return None
    return torch.stack([images.read(path, split.channels) for path in split.paths[:_FILES]])
