"""A trained run as an ONNX graph, and whether that says the same as the network that it was made of."""

import contextlib
import json
import logging
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bakeoff.data import augment, images, reduced
from bakeoff.data.dataset import Dataset, Resident
from bakeoff.engine.evaluate import normalised
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import Doing, ImagesRead, Observer
from bakeoff.files import write_bytes
from bakeoff.inference import graph
from bakeoff.inference.classifier import Classifier
from bakeoff.plan import EvalView

OPSET = 18  # what every runtime of the last years reads
LOGITS = "logits"
SPLIT = "report"
_SAME = 0.999  # of the images that must keep their most likely class: a grey level more or less may turn a tie
_TOGETHER = 64


@dataclass(frozen=True)
class Agreement:
    """How a graph compares with the network, over a split.

    n: images. same: those whose most likely class is the same. mean, most: absolute difference of the logits.
    """

    n: int
    same: int
    mean: float
    most: float


class _Shown(nn.Module):
    """What the graph is made of: what evaluation shows, normalised, (N, C, px, px) -> (N, classes)."""

    def __init__(self, network: nn.Module, view: EvalView) -> None:
        super().__init__()
        self.network, self.view = network, view

    def forward(self, images: Tensor) -> Tensor:
        each: list[Tensor] = [self.network(part) for part in augment.versions(images, self.view)]
        if len(each) == 1:
            return each[0]
        return torch.stack(each).log_softmax(2).logsumexp(0) - math.log(len(each))


def write_onnx(classifier: Classifier, path: Path, *, preprocess: bool, about: dict[str, str]) -> None:
    """Write a classifier as ONNX, made by torch's exporter for opset 18.

    preprocess: it takes images as they were decoded, `images` (N, H, W, C) uint8 of one size; else what evaluation
    shows, normalised: `shown` (N, C, px, px) float32. It gives `logits`, (N, classes) float32. about: what is kept in
    its metadata.

    Raises RequestError where onnx isn't installed, BakeoffError for a network that can't be exported.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401, which the exporter needs
    except ImportError:
        raise RequestError("exporting to ONNX takes onnx and onnxscript: pip install 'bakeoff[export]'") from None
    record, plan = classifier.record, classifier.plan
    px = augment.shown_px(plan.eval_view)
    network = _Shown(classifier.network.cpu().to(memory_format=torch.contiguous_format), plan.eval_view).eval()
    example = torch.zeros(2, plan.model.channels, px, px)
    with _silent():
        try:
            program = torch.onnx.export(
                network,
                (example,),
                input_names=[graph.SHOWN],
                output_names=[LOGITS],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            )
        except Exception as error:  # of whatever a network from anywhere is made of
            raise BakeoffError(f"torch can't export {plan.model.name} to ONNX: {str(error).splitlines()[0]}") from error
    if program is None:
        raise BakeoffError(f"torch made no graph of {plan.model.name}")
    model = program.model_proto
    if preprocess:
        before = graph.preprocessing(plan, record.mean, record.std, OPSET)
        before.ir_version = model.ir_version
        before.opset_import[0].version = next(o.version for o in model.opset_import if not o.domain)
        model = onnx.compose.merge_models(before, model, io_map=[(graph.PREPROCESSED, graph.SHOWN)])
    model.producer_name = "bakeoff"
    onnx.helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString())


def agreement(
    classifier: Classifier, path: Path, dataset: Dataset, *, preprocess: bool, observer: Observer
) -> Agreement:
    """Ask a graph and the network about every image of the split `report`.

    Raises RequestError where onnxruntime isn't installed, BakeoffError where more than one image in a thousand gets
    another most likely class.
    """
    session = open_session(path)
    observer(Doing("asking onnxruntime the same"))
    split = dataset.splits[SPLIT]
    done = same = 0
    total, most = 0.0, 0.0
    for given, shown in _images(classifier, dataset):
        wanted = classifier.logits(shown).numpy()
        if preprocess:
            found = np.concatenate([_run(session, graph.IMAGES, part) for part in given])
        else:
            mean, std = (torch.tensor(values) for values in (classifier.record.mean, classifier.record.std))
            found = _run(session, graph.SHOWN, normalised(shown, mean, std, classifier.plan).contiguous().numpy())
        gap = np.abs(found - wanted)
        total, most = total + float(gap.mean(1).sum()), max(most, float(gap.max()))
        same += int((found.argmax(1) == wanted.argmax(1)).sum())
        done += len(wanted)
        observer(ImagesRead("comparing", done, len(split)))
    result = Agreement(done, same, total / done, most)
    if result.same < _SAME * result.n:
        raise BakeoffError(
            f"{path} isn't the network: of {result.n:,} images, {result.n - result.same:,} get another most likely "
            f"class, logits differ by up to {result.most:.3g}; please report it"
        )
    return result


def open_session(path: Path) -> Any:
    """A graph in onnxruntime, on the CPU. Raises RequestError where that isn't installed."""
    try:
        import onnxruntime
    except ImportError:
        raise RequestError("checking an ONNX graph takes onnxruntime: pip install 'bakeoff[export]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _run(session: Any, name: str, images: Any) -> Any:
    return session.run(None, {name: images})[0]


def _images(classifier: Classifier, dataset: Dataset) -> Iterator[tuple[list[Any], Tensor]]:
    """Some images at a time: as they were decoded, (N, H, W, C) uint8 each, and as evaluation shows them."""
    split = dataset.splits[SPLIT]
    for start in range(0, len(split), _TOGETHER):
        some = range(start, min(start + _TOGETHER, len(split)))
        if isinstance(split, Resident):
            decoded = [split.images[some.start : some.stop]]
        else:
            decoded = [images.read(split.paths[row], split.channels)[None] for row in some]
        small = (reduced.reduce(part, classifier.plan.read_px) for part in decoded)
        shown = [augment.eval_view(part, classifier.plan.eval_view, classifier.plan.interpolation) for part in small]
        yield [np.ascontiguousarray(part.permute(0, 2, 3, 1).numpy()) for part in decoded], torch.cat(shown)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what the exporter tells of its own work."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def metadata(classifier: Classifier) -> dict[str, str]:
    """What a graph says of itself."""
    record, view = classifier.record, classifier.plan.eval_view
    return {
        "run": record.run_id,
        "classes": json.dumps(record.classes),
        "data_fingerprint": record.data_fingerprint,
        "view": json.dumps(dict(view)),
        "interpolation": classifier.plan.interpolation,
        "read_px": json.dumps(classifier.plan.read_px),
        "mean": json.dumps(record.mean),
        "std": json.dumps(record.std),
    }
