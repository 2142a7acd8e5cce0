"""Evaluation: every image exactly once, at the plan's view, with plain cross-entropy whatever the training loss was."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bakeoff.data import augment, stream
from bakeoff.data.dataset import Dataset, Images, Resident
from bakeoff.engine.device import autocast, settled
from bakeoff.plan import EvalView, Plan

_CPU_PIXELS = 256 * 32 * 32  # per batch: what stays in its caches
_GPU_PIXELS = 2**23  # 167 images of 224 px
_ECE_BINS = 15


@dataclass(frozen=True)
class Evaluation:
    """How well a classifier does on a split.

    acc: k -> Acc@k in percent. per_class: Acc@1 in percent per class, None for a class without images.
    hits: k -> (N,) bool, whether the true class is among the k most likely, in the split's order. predicted: (N,)
    int64, the most likely class; confidence: (N,) float32, its probability.
    """

    acc: dict[int, float]
    cross_entropy: float
    ece: float  # expected calibration error, in [0, 1]
    n: int
    per_class: tuple[float | None, ...]
    hits: dict[int, npt.NDArray[np.bool_]]
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32]


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    split: Images,
    dataset: Dataset,
    plan: Plan,
    view: EvalView,
    device: torch.device,
    *,
    topk: Sequence[int] = (1, 5),
    workers: int = 0,
) -> Evaluation:
    """Evaluate a model on a split.

    topk: the k of each Acc@k; one that exceeds the number of classes becomes it (trap 24). Ties: see `place`.
    """
    ks = sorted({min(k, len(dataset.classes)) for k in (1, *topk)})
    model.eval()
    places, confidence, predicted, losses = [], [], [], []
    start = 0
    for images in _images(split, dataset, plan, view, device, workers):
        labels = split.labels[start : start + len(images)].to(device)
        start += len(images)
        logits = ask(model, images, plan, view)
        places.append(place(logits, labels).cpu())
        confidence.append(logits.softmax(1).amax(1).cpu())
        predicted.append(ranking(logits)[:, 0].cpu())
        losses.append(F.cross_entropy(logits, labels, reduction="none").double().cpu())
    found = torch.cat(places)
    by_k = {k: (found < k).numpy() for k in ks}
    labels_np, sure = split.labels.numpy(), torch.cat(confidence).numpy()
    return Evaluation(
        acc={k: 100.0 * float(hit.mean()) for k, hit in by_k.items()},
        cross_entropy=float(torch.cat(losses).mean()),
        ece=expected_calibration_error(sure, by_k[1]),
        n=len(labels_np),
        per_class=tuple(
            100.0 * float(by_k[1][mask].mean()) if (mask := labels_np == label).any() else None
            for label in range(len(dataset.classes))
        ),
        hits=by_k,
        predicted=torch.cat(predicted).numpy(),
        confidence=sure,
    )


@torch.inference_mode()
def ask(model: nn.Module, images: Tensor, plan: Plan, view: EvalView) -> Tensor:
    """The logits of images as `normalised` gives them, (N, classes) float32.

    With test-time augmentation, the logarithm of the mean of the probabilities of all versions of an image.
    """
    layout = torch.channels_last if plan.precision.channels_last else torch.contiguous_format
    seen = [images] if view.times == 1 else augment.versions(images, view)
    with autocast(plan.precision, images.device), settled():
        each: list[Tensor] = [model(part.contiguous(memory_format=layout)).float() for part in seen]
    if len(each) == 1:
        return each[0]
    return torch.stack(each).log_softmax(2).logsumexp(0) - math.log(len(each))


def normalised(images: Tensor, mean: Tensor, std: Tensor, plan: Plan) -> Tensor:
    """What `augment.eval_view` showed, as the network takes it: float32, as its plan has it in memory."""
    return augment.normalize(images, mean, std, channels_last=plan.precision.channels_last)


def batch_size(view: EvalView, device: torch.device) -> int:
    """How many images are evaluated together."""
    return max(1, (_CPU_PIXELS if device.type == "cpu" else _GPU_PIXELS) // view.crop_px**2)


def place(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before the true one, (N,) int64; Acc@k counts those with fewer than k.

    Of classes with equal logits the one with the lower number comes first, as `ranking` has it; where the true class's
    logit is NaN, all come before it. logits: (N, classes). labels: (N,).
    """
    true = logits.gather(1, labels[:, None])
    number = torch.arange(logits.shape[1], device=logits.device)
    behind = (logits < true) | ((logits == true) & (number >= labels[:, None]))
    return logits.shape[1] - behind.sum(1)


def ranking(logits: Tensor) -> Tensor:
    """The classes from the most likely on, of equal ones the lower number first; (N, classes), as `logits`."""
    return logits.argsort(dim=1, descending=True, stable=True)


def expected_calibration_error(confidence: npt.NDArray[np.float32], correct: npt.NDArray[np.bool_]) -> float:
    """Mean gap between confidence and accuracy over 15 equal bins of confidence (Guo et al. 2017, arXiv 1706.04599)."""
    bins = np.minimum((confidence * _ECE_BINS).astype(int), _ECE_BINS - 1)
    gaps = np.bincount(bins, weights=confidence.astype(np.float64) - correct, minlength=_ECE_BINS)
    return float(np.abs(gaps).sum() / len(correct))


def _images(
    split: Images, dataset: Dataset, plan: Plan, view: EvalView, device: torch.device, workers: int
) -> Iterator[Tensor]:
    mean, std = (torch.tensor(values, device=device) for values in (dataset.mean, dataset.std))
    batch = batch_size(view, device)
    shown: Iterator[Tensor]
    if isinstance(split, Resident):
        shown = (augment.eval_view(p.to(device), view, plan.interpolation) for p in split.images.split(batch))
    else:
        shown = stream.uploaded(stream.eval_images(split, view, plan.interpolation, batch, workers), device)
    for images in shown:
        yield normalised(images, mean, std, plan)
