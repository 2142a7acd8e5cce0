"""The loss slot of a plan as a function of logits and targets."""

import torch.nn.functional as F
from torch import Tensor

from bakeoff.errors import RequestError, blamed
from bakeoff.plan import Loss


def training_loss(logits: Tensor, targets: Tensor, slot: Loss) -> Tensor:
    """Cross-entropy with label smoothing, plus the terms of the slot: a scalar.

    logits: (N, K) float32. targets: (N,) int64, or (N, K) float32 where they were mixed. Raises RequestError for a
    term that isn't a scalar.
    """
    loss = F.cross_entropy(logits, targets, label_smoothing=slot.label_smoothing)
    if slot.terms:
        soft = targets if targets.is_floating_point() else F.one_hot(targets, logits.shape[1]).to(logits.dtype)
        for term in slot.terms:
            with blamed(f"loss term '{term.kind}'"):
                value = term.apply(logits, soft)
            if value.shape != ():
                raise RequestError(f"loss term '{term.kind}' is {tuple(value.shape)}; it should be a scalar, a mean")
            loss = loss + value
    return loss
