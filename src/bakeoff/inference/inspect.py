"""What a trained run gets right and wrong: its answer to every image of a split, and the images themselves."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bakeoff.data import augment, images, mix, reduced
from bakeoff.data.dataset import Dataset, Images, Resident
from bakeoff.errors import RequestError
from bakeoff.events import Doing, Observer
from bakeoff.inference.classifier import Classifier, as_seen
from bakeoff.inference.evaluate import data_of
from bakeoff.plan import Plan
from bakeoff.rng import Draws
from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.runner import answers_of, evaluate_run
from bakeoff.runs.workspace import Workspace

if TYPE_CHECKING:
    from bakeoff import tasks
    from bakeoff.models import Builder
    from bakeoff.task import Task

SIZES = (0.75, 0.875, 1.0, 1.125, 1.25, 1.5)  # of the plan's own, at which accuracy is measured
_SIZES_SPLIT = "select"  # a size is chosen by it, and what chooses must not be what is stated
_SAMPLES = 6


@dataclass(frozen=True)
class Inspection:
    """A run's answers to the images of a split.

    labels, predicted: (N,) int64, the true class and the most likely one. confidence: (N,) float32, the probability of
    that. sizes: side of the crop in pixels, its evaluation on `select`.
    """

    record: RunRecord
    plan: Plan
    split: str
    view: View
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    names: tuple[str, ...]
    sizes: tuple[tuple[int, View], ...]
    images: Images = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""
        return self.record.classes

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) which images were classified correctly."""
        return np.equal(self.labels, self.predicted)

    def image(self, index: int) -> NDArray[np.uint8]:
        """An image as it was decoded, (H, W, C)."""
        return _pixels(_decoded(self.images, index))

    def shown(self, index: int) -> NDArray[np.uint8]:
        """What the network sees of it, (H, W, C)."""
        return as_seen(self.plan, _decoded(self.images, index))

    def augmented(self) -> Iterator[tuple[str, list[NDArray[np.uint8]]]]:
        """What training makes of some of these images: each of its operations alone, (name, images)."""
        plan, record = self.plan, self.record
        first = [reduced.reduce(_decoded(self.images, index), plan.read_px) for index in range(_SAMPLES)]
        rows = torch.stack((torch.zeros(_SAMPLES), torch.arange(_SAMPLES), torch.zeros(_SAMPLES)), 1).long()
        mean, std = torch.tensor(record.mean), torch.tensor(record.std)

        def trained(only: Plan) -> Tensor:
            parts = (
                augment.augment(image[None].contiguous(), only, Draws(record.seed, row[None]), mean, std)
                for image, row in zip(first, rows, strict=True)
            )
            return torch.cat(list(parts))

        def seen(batch: Tensor) -> list[NDArray[np.uint8]]:
            pixels = (batch * std[:, None, None] + mean[:, None, None]) * 255
            return [_pixels(each) for each in pixels.round().clamp(0, 255).to(torch.uint8)]

        for op in plan.image_ops:
            yield op.kind, seen(trained(plan.model_copy(update={"image_ops": (op,)})))
        plain = trained(plan.model_copy(update={"image_ops": ()}))
        targets = F.one_hot(torch.arange(_SAMPLES), _SAMPLES).float()
        for mixer in plan.mixers:
            yield mixer.kind, seen(mix.mix(plain.clone(), targets, (mixer,), record.seed, 0)[0])


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same images. gained, lost: places of images that the second alone has right, and the first."""

    first: Inspection
    second: Inspection
    gained: NDArray[np.int64]
    lost: NDArray[np.int64]


def inspect(
    where: Workspace,
    run: str,
    split: str,
    *,
    tta: bool | None,
    task: "str | Task | tasks.Builder | None",
    model: "str | Builder | None",
    observer: Observer,
) -> Inspection:
    """See `api.inspect_run`."""
    classifier = Classifier.load(where, run, tta=tta, model=model)
    record, plan = classifier.record, classifier.plan
    observer(Doing("reading the images"))
    dataset = data_of(where, record, task)
    if split not in dataset.splits:
        raise RequestError(f"{record.task} has no split '{split}'; there are: {', '.join(dataset.splits)}")
    observer(Doing(f"asking about the images of {split}"))
    view = evaluate_run(where, record, plan, dataset, split)
    predicted, confidence = answers_of(where, record, plan, dataset, split)
    found = dataset.splits[split]
    return Inspection(
        record=record,
        plan=plan,
        split=split,
        view=view,
        labels=found.labels.numpy(),
        predicted=predicted,
        confidence=confidence,
        names=found.names or tuple(f"image {index}" for index in range(len(found))),
        sizes=tuple(_sizes(where, record, plan, dataset, observer)),
        images=found,
    )


def compare(first: Inspection, second: Inspection) -> Comparison:
    """What a second run changes. Raises RequestError unless both were asked about the same images."""
    if first.record.data_fingerprint != second.record.data_fingerprint or first.split != second.split:
        raise RequestError(
            f"runs {first.record.run_id} and {second.record.run_id} are of other data: {first.record.task} "
            f"({first.record.data_fingerprint}) and {second.record.task} ({second.record.data_fingerprint})"
        )
    gained, lost = second.right & ~first.right, first.right & ~second.right
    return Comparison(first, second, np.flatnonzero(gained), np.flatnonzero(lost))


def _sizes(
    where: Workspace, record: RunRecord, plan: Plan, dataset: Dataset, observer: Observer
) -> Iterator[tuple[int, View]]:
    """Accuracy over the inference size (Touvron et al. 2019, https://arxiv.org/abs/1906.06423), where it has others."""
    view = plan.eval_view
    for ratio in SIZES:
        crop, resize = round(ratio * view.crop_px), round(ratio * view.resize_px)
        size = view if ratio == 1 else view.model_copy(update={"crop_px": crop, "resize_px": max(crop, resize)})
        observer(Doing(f"evaluating at {crop} px"))
        try:
            yield crop, evaluate_run(where, record, plan.model_copy(update={"eval_view": size}), dataset, _SIZES_SPLIT)
        except RequestError:  # a network of one size
            continue


def _decoded(split: Images, index: int) -> Tensor:
    return split.images[index] if isinstance(split, Resident) else images.read(split.paths[index], split.channels)


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image.permute(1, 2, 0).numpy())
