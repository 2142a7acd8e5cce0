"""A trained run as files for other programs: ONNX, safetensors, a folder for Hugging Face, one that predicts alone."""

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from safetensors.torch import save

from bakeoff import models
from bakeoff.errors import RequestError, unknown
from bakeoff.events import Observer
from bakeoff.files import write_bytes, write_json, write_text
from bakeoff.inference import onnx, standalone
from bakeoff.inference.card import model_card
from bakeoff.inference.classifier import Classifier
from bakeoff.inference.evaluate import data_of
from bakeoff.models import named
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task

if TYPE_CHECKING:
    from bakeoff import tasks

Format = Literal["onnx", "safetensors", "huggingface", "package"]
FORMATS: tuple[Format, ...] = get_args(Format)
TO_EXPORT = FORMATS[:-1]  # by name; a package has a command of its own


@dataclass(frozen=True)
class Exported:
    """What was written.

    load: the lines of Python that load it. agreement: of a graph with the network, where the data could be had; else
    unchecked says why not.
    """

    folder: Path
    files: tuple[str, ...]
    load: tuple[str, ...]
    agreement: onnx.Agreement | None = None
    unchecked: str = ""


def export(
    where: Workspace,
    classifier: Classifier,
    format: Format,
    output: Path | None,
    *,
    preprocess: bool,
    license: str,
    task: "str | Task | tasks.Builder | None",
    observer: Observer,
) -> Exported:
    """See `api.export_model` and `api.package`."""
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    folder = output or Path(f"{classifier.record.run_id}-{format}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} is there already; name another with --output, or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _write(where, classifier, format, folder, preprocess, license, task, observer)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(
    where: Workspace,
    classifier: Classifier,
    format: Format,
    folder: Path,
    preprocess: bool,
    license: str,
    task: "str | Task | tasks.Builder | None",
    observer: Observer,
) -> Exported:
    write_json(folder / "config.json", config(classifier))
    if format in ("safetensors", "huggingface"):
        weights = {name: each.cpu().contiguous() for name, each in classifier.network.state_dict().items()}
        write_bytes(folder / "model.safetensors", save(weights, {"format": "pt"}))
        lines = loading(classifier, folder / "model.safetensors")
        if format == "huggingface":
            write_text(folder / "README.md", model_card(classifier, license, loading(classifier)))
        return Exported(folder, _files(folder), lines)
    graph = folder / "model.onnx"
    preprocess = preprocess or format == "package"
    onnx.write_onnx(classifier, graph, preprocess=preprocess, about=onnx.metadata(classifier))
    lines = (
        "import onnxruntime",
        f'session = onnxruntime.InferenceSession("{graph}")',
        'logits = session.run(None, {"images": pixels})[0]  # (N, H, W, C) uint8, as they were decoded'
        if preprocess
        else 'logits = session.run(None, {"shown": images})[0]  # (N, C, px, px) float32, normalised',
    )
    if format == "package":
        shutil.copyfile(standalone.__file__, folder / "predict.py")
        write_text(folder / "requirements.txt", "numpy\nonnxruntime\npillow\n")
        write_text(folder / "README.md", model_card(classifier, license, ("python predict.py IMAGE...",)))
        lines = (f"python {folder / 'predict.py'} IMAGE...",)
    try:
        dataset = data_of(where, classifier.record, task)
    except RequestError as error:
        return Exported(folder, _files(folder), lines, None, str(error))
    agreed = onnx.agreement(classifier, graph, dataset, preprocess=preprocess, observer=observer)
    return Exported(folder, _files(folder), lines, agreed)


def _files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir()))


def config(classifier: Classifier) -> dict[str, Any]:
    """What a program has to know to use the weights; for a network of timm, as timm keeps it itself."""
    record, plan = classifier.record, classifier.plan
    view, spec = plan.eval_view, plan.model
    timm = spec.name.startswith(named.TIMM)
    shown = {
        "num_classes": spec.classes,
        "input_size": [spec.channels, view.crop_px, view.crop_px],
        "interpolation": plan.interpolation,
        "crop_pct": view.crop_px / view.resize_px,
        "crop_mode": "center",
        "mean": record.mean,
        "std": record.std,
    }
    return {
        "architecture": spec.name.removeprefix(named.TIMM),
        "num_classes": spec.classes,
        "label_names": record.classes,
        "classes": record.classes,
        "channels": spec.channels,
        **({"model_args": {"in_chans": spec.channels, **spec.knobs}} if timm else {}),
        "pretrained_cfg": shown,
        "view": view.model_dump(mode="json"),
        "read_px": plan.read_px,
        "mean": record.mean,
        "std": record.std,
        "model": spec.model_dump(mode="json"),
        "run": record.run_id,
        "data_fingerprint": record.data_fingerprint,
        "bakeoff": version("bakeoff"),
    }


def loading(classifier: Classifier, weights: Path = Path("model.safetensors")) -> tuple[str, ...]:
    """Lines of Python that load the weights into the network, without bakeoff where the network isn't ours."""
    spec = classifier.plan.model
    load = f'model.load_state_dict(safetensors.torch.load_file("{weights}"))'
    if spec.name.startswith(named.TIMM):
        knobs = {"num_classes": spec.classes, "in_chans": spec.channels, **spec.knobs}
        return (
            "import safetensors.torch, timm",
            f'model = timm.create_model("{spec.name.removeprefix(named.TIMM)}", {_arguments(knobs)})',
            load,
        )
    if spec.name not in models.REGISTRY.names() and spec.name in named.torchvision_names():
        knobs = {"num_classes": spec.classes, **named.torchvision_knobs(spec)}
        gray = (
            "stem = next(each for each in model.modules() if isinstance(each, torch.nn.Conv2d))",
            "stem.weight, stem.in_channels = torch.nn.Parameter(stem.weight[:, :1].detach()), 1",
        )
        return (
            "import safetensors.torch, torch, torchvision",
            f'model = torchvision.models.get_model("{spec.name}", {_arguments(knobs)})',
            *(gray if spec.channels == 1 else ()),
            load,
        )
    return (
        "import bakeoff.models, bakeoff.plan, safetensors.torch",
        f"model = bakeoff.models.build(bakeoff.plan.Model(**{spec.model_dump(mode='json')!r}))",
        load,
    )


def _arguments(knobs: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in knobs.items())
