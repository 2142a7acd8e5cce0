"""The most likely classes of images: of any number of files, read ahead by worker processes, a batch in memory."""

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bakeoff.data import images, stream
from bakeoff.data.dataset import Files
from bakeoff.engine.evaluate import ranking
from bakeoff.errors import RequestError
from bakeoff.events import Doing, ImagesRead, Observer
from bakeoff.inference.classifier import Classifier

GIVEN = Path("-")  # what an image is called that came as bytes
_SAID = 10  # of paths that name nothing
_FEW = 256  # images that are read in less time than it takes to start processes for it


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
    classifier: Classifier, given: Sequence[Path | bytes], topk: int, workers: int | None, observer: Observer
) -> Iterator[Prediction]:
    """One prediction for each image, in their order; see `api.predict`."""
    with tempfile.TemporaryDirectory() as folder:
        names: dict[Path, Path] = {}  # where an image is read -> what it is called
        for number, image in enumerate(each for each in given if isinstance(each, bytes)):
            place = Path(folder, str(number))
            place.write_bytes(image)
            names[place] = GIVEN
        named = [each for each in given if isinstance(each, Path)]
        names |= {path: path for path in (image_files(named) if named else [])}
        yield from _predict(classifier, names, topk, workers, observer)


def _predict(
    classifier: Classifier, names: dict[Path, Path], topk: int, workers: int | None, observer: Observer
) -> Iterator[Prediction]:
    record, plan = classifier.record, classifier.plan
    missing = {path: why for path in names if (why := _no_file(path))}
    paths = tuple(path for path in names if path not in missing)
    if workers is None:
        workers = 0 if len(paths) < _FEW else os.cpu_count() or 1
    files = Files(paths, torch.zeros(len(paths), dtype=torch.int64), plan.model.channels, read_px=plan.read_px)
    k = min(topk, len(record.classes))
    observer(Doing("reading the first images"))

    def answers() -> Iterator[Prediction]:
        size, done = classifier.batch_size, 0
        for shown, bad in stream.readable_images(files, plan.eval_view, plan.interpolation, size, workers):
            logits = classifier.logits(shown)
            best = ranking(logits)[:, :k]
            rows = zip(best.tolist(), logits.softmax(1).gather(1, best).tolist(), strict=True)
            for at, (classes, likely) in enumerate(rows):
                name = names[paths[done + at]]
                if isinstance(error := bad.get(at), images.BadImage):
                    yield Prediction(name, (), error.reason)
                else:
                    named = (record.classes[index] for index in classes)
                    yield Prediction(name, tuple(zip(named, likely, strict=True)))
            done += len(shown)
            observer(ImagesRead("predicting", done + len(missing), len(names)))

    found = answers()
    for path in names:
        yield Prediction(names[path], (), missing[path]) if path in missing else next(found)
    next(found, None)  # tells that all are done


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
        raise RequestError("; ".join(f"{path}: {_no_file(path)}" for path in found[:_SAID]))
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
