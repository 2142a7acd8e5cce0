"""The most likely classes of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bakeoff.data import augment, images
from bakeoff.errors import RequestError
from bakeoff.inference.evaluate import trained
from bakeoff.models import Builder
from bakeoff.runs.runner import load_model
from bakeoff.runs.workspace import Workspace


@dataclass(frozen=True)
class Prediction:
    """What is in an image. classes: the most likely ones, most likely first, each with its probability."""

    image: Path
    classes: tuple[tuple[str, float], ...]


def predict(
    where: Workspace, run: str, paths: Sequence[Path], topk: int, model: str | Builder | None
) -> Iterator[Prediction]:
    """One prediction for each image; see `api.predict`."""
    device = where.torch_device()
    record, plan = trained(where.store, run, model)
    if absent := [str(path) for path in paths if not path.is_file()]:
        raise RequestError(f"no image file {', '.join(absent)}")
    network = load_model(where.store, record, plan, device)
    mean, std = (torch.tensor(values, device=device) for values in (record.mean, record.std))
    for path in paths:
        image = images.read(path, plan.model.channels)[None].to(device)
        shown = augment.normalize(augment.eval_view(image, plan.eval_view, plan.interpolation), mean, std)
        with torch.inference_mode():
            probability = network(shown).float().softmax(1)[0]
        best = probability.topk(min(topk, len(record.classes)))
        found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        yield Prediction(path, tuple((record.classes[index], value) for index, value in found))
