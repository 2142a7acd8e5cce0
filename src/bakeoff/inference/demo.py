"""Trained runs that are asked about one image at a time, and images to ask them about."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bakeoff.data import images
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.evaluate import ranking
from bakeoff.errors import BakeoffError
from bakeoff.events import Doing, Observer
from bakeoff.inference.classifier import Classifier
from bakeoff.inference.drawing import Manner, manner
from bakeoff.inference.evaluate import data_of
from bakeoff.runs.workspace import Workspace

if TYPE_CHECKING:
    from bakeoff import tasks
    from bakeoff.models import Builder
    from bakeoff.task import Task

_EXAMPLES = 12
_SPLIT = "report"  # which took no part in training


@dataclass(frozen=True)
class Answer:
    """What a run says of an image.

    classes: the most likely ones, most likely first, with their probabilities. seen: what the network saw, (H, W, C).
    """

    classes: tuple[tuple[str, float], ...]
    seen: NDArray[np.uint8]


@dataclass(frozen=True)
class Demo:
    """One run or two, that are asked together.

    data: the first one's, for examples; None where they can't be had, and why_not says why.
    """

    runs: tuple[Classifier, ...]
    data: Dataset | None
    why_not: str
    manners: tuple[Manner, ...]

    @property
    def draws(self) -> bool:
        """Whether drawings can be asked about: networks of gray images alone know anything like them."""
        return all(run.plan.model.channels == 1 for run in self.runs)

    def of_file(self, path: Path, topk: int) -> tuple[Answer, ...]:
        """An answer of each run to an image file. Raises BadImage."""
        return tuple(answer(run, images.read(path, run.plan.model.channels), topk) for run in self.runs)

    def of_drawing(self, data: bytes, topk: int) -> tuple[Answer, ...] | None:
        """The same to a drawing, dark on white; None where nothing is drawn. Raises BadImage."""
        drawing = images.decode(bytearray(data), 1, "drawing")[0].numpy()
        made = [manner.image(drawing) for manner in self.manners]
        given = [image for image in made if image is not None]
        return tuple(map(answer, self.runs, given, [topk] * len(given))) if given else None

    def examples(self, folder: Path) -> list[tuple[Path, str]]:
        """Images of the split report, each of another class, written to a folder: their files, and their classes."""
        if self.data is None:
            return []
        split, found = self.data.splits[_SPLIT], list[tuple[Path, str]]()
        labels = split.labels.numpy()
        classes = np.unique(labels)
        for label in classes[np.linspace(0, len(classes) - 1, min(_EXAMPLES, len(classes))).round().astype(int)]:
            index = int(np.flatnonzero(labels == label)[0])
            if isinstance(split, Resident):
                path = folder / f"{len(found)}.png"
                pixels = split.images[index].permute(1, 2, 0).numpy()
                Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(path)
            else:
                path = folder / f"{len(found)}{Path(split.names[index]).suffix}"
                path.write_bytes(images.content(split.paths[index]))
            found.append((path, self.data.classes[label]))
        return found


def load(
    where: Workspace,
    runs: tuple[str, ...],
    *,
    tta: bool | None,
    task: "str | Task | tasks.Builder | None",
    model: "str | Builder | None",
    observer: Observer,
) -> Demo:
    """See `api.demo`."""
    loaded = tuple(Classifier.load(where, run, tta=tta, model=model) for run in runs)
    observer(Doing("reading the examples"))
    found: dict[str, Dataset | None] = {}  # by fingerprint: two runs may be of the same
    why = ""
    for record in (run.record for run in loaded):
        if record.data_fingerprint not in found:
            try:
                found[record.data_fingerprint] = data_of(where, record, task)
            except BakeoffError as error:  # it can be asked all the same
                found[record.data_fingerprint] = None
                why = why or str(error)
    data = [found[run.record.data_fingerprint] for run in loaded]
    return Demo(loaded, data[0], why, tuple(map(manner, loaded, data)))


def answer(run: Classifier, image: Tensor, topk: int) -> Answer:
    """What a run says of an image, (C, H, W) uint8, shown to it as evaluation shows it."""
    logits = run.logits(run.show(image)[None])
    best = ranking(logits)[0, :topk].tolist()
    likely = logits.softmax(1)[0]
    return Answer(tuple((run.record.classes[at], float(likely[at])) for at in best), run.seen(image))
