"""The most likely classes of images."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bakeoff.data import augment, images, reduced
from bakeoff.engine.evaluate import ranking
from bakeoff.errors import RequestError
from bakeoff.inference.evaluate import trained
from bakeoff.models import Builder
from bakeoff.runs.runner import load_model
from bakeoff.runs.workspace import Workspace


@dataclass(frozen=True)
class Prediction:
    """What is in an image.

    classes: the most likely ones, most likely first, each with its probability. error: why it can't be read, and then
    there are no classes.
    """

    image: Path
    classes: tuple[tuple[str, float], ...]
    error: str = ""


def predict(
    where: Workspace, run: str, paths: Sequence[Path], topk: int, model: str | Builder | None
) -> Iterator[Prediction]:
    """One prediction for each image; see `api.predict`."""
    device = where.torch_device()
    record, plan = trained(where.store, run, model)
    found = image_files(paths)
    network = load_model(where.store, record, plan, device)
    mean, std = (torch.tensor(values, device=device) for values in (record.mean, record.std))
    for path in found:
        if why := _no_file(path):
            yield Prediction(path, (), why)
            continue
        try:
            image = reduced.reduce(images.read(path, plan.model.channels), plan.read_px)[None].to(device)
        except images.BadImage as error:
            yield Prediction(path, (), error.reason)
            continue
        shown = augment.normalize(augment.eval_view(image, plan.eval_view, plan.interpolation), mean, std)
        with torch.inference_mode():
            logits = network(shown).float()
        best = ranking(logits)[0, : min(topk, len(record.classes))]
        likely = zip(best.tolist(), logits.softmax(1)[0, best].tolist(), strict=True)
        yield Prediction(path, tuple((record.classes[index], value) for index, value in likely))


def image_files(paths: Sequence[Path]) -> list[Path]:
    """The image files that are meant, each once: files as they are named, folders with all below, patterns (*.png).

    What names no file stays among them. Raises RequestError where there is no file at all.
    """
    found: list[Path] = []
    for path in paths:
        files: list[Path] = []
        if os.path.isdir(path):
            below = sorted(Path(folder, name) for folder, _, names in os.walk(path) for name in names)
            files = [file for file in below if images.is_image(file.name) and os.path.isfile(file)]
        elif not os.path.exists(path) and glob.has_magic(str(path)):
            files = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if os.path.isfile(name))
        found += files or [path]
    if not any(map(os.path.isfile, found)):
        raise RequestError("; ".join(f"{path}: {_no_file(path)}" for path in found))
    return list(dict.fromkeys(found))


def _no_file(path: Path) -> str:
    """Why there is nothing to read; empty where there is a file."""
    if os.path.isfile(path):
        return ""
    if os.path.isdir(path):
        return "there are no image files in this folder"
    if os.path.exists(path):
        return "it is no file"
    return "no file matches it" if glob.has_magic(str(path)) else "there is no such file"
