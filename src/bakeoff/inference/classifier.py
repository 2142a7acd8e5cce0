"""A trained run as something that can be asked: images in, logits out, shown as evaluation shows them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bakeoff import models
from bakeoff.data import augment, reduced
from bakeoff.engine.evaluate import ask, batch_size, normalised
from bakeoff.errors import RequestError
from bakeoff.plan import EvalView, Plan
from bakeoff.runs.record import RunRecord
from bakeoff.runs.runner import load_model
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
from bakeoff.techniques.test_time_augmentation import TestTimeAugmentation

if TYPE_CHECKING:
    from bakeoff.models import Builder


@dataclass(frozen=True)
class Classifier:
    """A run, the plan by which its weights are read, and the network with them."""

    record: RunRecord
    plan: Plan
    network: nn.Module
    device: torch.device

    @classmethod
    def load(cls, where: Workspace, run: str, *, tta: bool | None = None, model: "str | Builder | None" = None) -> Self:
        """The classifier of a run, by its id, the first characters of it, or "last"; the rest as in `api.predict`.

        Raises RequestError as `trained` does.
        """
        record, plan = trained(where.store, run, model)
        plan, device = augmented(plan, tta), where.torch_device()
        return cls(record, plan, load_model(where.store, record, plan, device), device)

    @property
    def batch_size(self) -> int:
        """How many images are asked about together."""
        return batch_size(self.plan.eval_view, self.device)

    def show(self, image: Tensor) -> Tensor:
        """An image, (C, H, W) uint8, as evaluation shows it: (C, px, px) uint8, px as `augment.shown_px` has it."""
        small = reduced.reduce(image, self.plan.read_px)
        return augment.eval_view(small[None], self.plan.eval_view, self.plan.interpolation)[0]

    def seen(self, image: Tensor) -> NDArray[np.uint8]:
        """What the network sees of an image, (C, H, W) uint8, as (px, px, C): without what its other versions add."""
        return as_seen(self.plan, image)

    def logits(self, shown: Tensor) -> Tensor:
        """(N, classes) float32 on the CPU, of images from `show`, (N, C, px, px) uint8."""
        mean, std = (torch.tensor(values, device=self.device) for values in (self.record.mean, self.record.std))
        images = normalised(shown.to(self.device), mean, std, self.plan)
        return ask(self.network, images, self.plan, self.plan.eval_view).cpu()


def as_seen(plan: Plan, image: Tensor) -> NDArray[np.uint8]:
    """What a network sees of an image, (C, H, W) uint8, as (px, px, C): the first version of several."""
    view = EvalView(resize_px=plan.eval_view.resize_px, crop_px=plan.eval_view.crop_px)
    shown = augment.eval_view(reduced.reduce(image, plan.read_px)[None], view, plan.interpolation)[0]
    return np.ascontiguousarray(shown.permute(1, 2, 0).numpy())


def trained(store: Store, run: str, model: "str | Builder | None") -> tuple[RunRecord, Plan]:
    """A run that has weights, and its plan. model: where its network comes from, if that is from outside.

    Raises RequestError if there is no such run, it has no weights, or the network is another one or was edited since.
    """
    record = store.get(store.find(run))
    if record.status != "done":
        raise RequestError(f"run {record.run_id} has no weights to use: it is {record.status} ({record.reason})")
    plan = store.plan(record)
    if model is not None and (name := models.name_of(model)) != plan.model.name:
        raise RequestError(f"run {record.run_id} has another network: {plan.model.name}, not {name}")
    origin, digest = models.REGISTRY.origin(plan.model.name), plan.sources.get(f"model.{plan.model.name}")
    if origin is not None and digest is not None and origin.digest != digest:
        raise RequestError(f"{origin.where} was edited since run {record.run_id} was trained with it")
    return record, plan


def augmented(plan: Plan, tta: bool | None) -> Plan:
    """The plan with test-time augmentation or without it; None: as it is."""
    if tta is None:
        return plan
    if not tta:
        return plan.replaced({"eval_view.mirror": False, "eval_view.shift_px": 0})
    return plan if plan.eval_view.times > 1 else plan.replaced(TestTimeAugmentation().edit(plan))
