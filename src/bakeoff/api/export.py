"""Take a trained run to other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bakeoff import reader
from bakeoff.api.asked import Where, shown, workspace
from bakeoff.events import Doing, Observer, observed, unobserved

if TYPE_CHECKING:
    from bakeoff.inference.export import Exported, Format
    from bakeoff.models import Builder
    from bakeoff.recipes.request import AnyTask


@shown
@observed
def export_model(
    run: str,
    format: "Format" = "onnx",
    output: Path | str | None = None,
    *,
    preprocess: bool = False,
    tta: bool | None = None,
    license: str = "unknown",
    task: "AnyTask | None" = None,
    model: "str | Builder | None" = None,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "Exported":
    """Write a trained run for other programs, as a folder.

    format: onnx (a graph of opset 18, asked about every image of the split `report` beside the network), safetensors
    (weights, and the lines that load them into plain torchvision or timm) or huggingface (those with a model card).
    output: the folder (None: RUN-FORMAT here). preprocess: the graph takes images as they were decoded. license: for
    the model card. tta, task, model: as for `evaluate`.
    """
    from bakeoff.inference import export
    from bakeoff.inference.classifier import Classifier

    observer(Doing("exporting"))
    where = workspace(place)
    to = reader.path(output, "--output", text=False) if output else None
    classifier = Classifier.load(where, run, tta=tta, model=model)
    return export.export(
        where, classifier, format, to, preprocess=preprocess, license=license, task=task, observer=observer
    )


@shown
@observed
def package(
    run: str,
    output: Path | str | None = None,
    *,
    tta: bool | None = None,
    license: str = "unknown",
    task: "AnyTask | None" = None,
    model: "str | Builder | None" = None,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "Exported":
    """Write a folder that predicts with onnxruntime and Pillow alone: `python FOLDER/predict.py IMAGE...`.

    Arguments as for `export_model`.
    """
    return export_model(
        run, "package", output, tta=tta, license=license, task=task, model=model, observer=observer, **place
    )
