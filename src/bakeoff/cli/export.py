"""Take a trained run to other programs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.cli import options
from bakeoff.cli.output import consoles, observer, print_json

if TYPE_CHECKING:
    from bakeoff.inference.export import Exported

License = Annotated[str, typer.Option(help="Of the weights, for the model card: an identifier such as apache-2.0.")]


def export(
    run: options.Run,
    format: Annotated[str, typer.Option(help="onnx, safetensors or huggingface.")] = "onnx",
    output: Annotated[Path | None, typer.Option(help="Folder to write [RUN-FORMAT].")] = None,
    preprocess: Annotated[
        bool, typer.Option("--preprocess", help="The graph takes images as they were decoded.")
    ] = False,
    tta: options.Augmented = None,
    license: License = "unknown",
    task: options.TaskFile = None,
    model: options.ModelFile = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a trained run for other programs.

    As ONNX, as weights for plain torchvision or timm, as a folder for Hugging Face.

    An ONNX graph is asked about every image of the split report, and must say what the network says.
    """
    from bakeoff import api
    from bakeoff.inference.export import TO_EXPORT

    with observer(quiet) as progress:
        made = api.export_model(
            run, options.one_of(format, "--format", TO_EXPORT), output, preprocess=preprocess, tta=tta, license=license,
            task=task, model=model, device=device, store=store, data=data, observer=progress,
        )  # fmt: skip
    _show(made, as_json)
    if format == "huggingface" and not as_json:
        consoles(False)[1].print(
            f"to upload it (this was never tried: it takes a network): hf upload OWNER/NAME {made.folder}",
            soft_wrap=True,
            markup=False,
        )


def package(
    run: options.Run,
    output: Annotated[Path | None, typer.Option(help="Folder to write [RUN-package].")] = None,
    tta: options.Augmented = None,
    license: License = "unknown",
    task: options.TaskFile = None,
    model: options.ModelFile = None,
    device: options.Device = "auto",
    store: options.StoreDir = None,
    data: options.DataDir = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a folder that predicts without bakeoff and torch.

    With onnxruntime and Pillow alone.
    """
    from bakeoff import api

    with observer(quiet) as progress:
        made = api.package(
            run, output, tta=tta, license=license, task=task, model=model, device=device, store=store, data=data,
            observer=progress,
        )  # fmt: skip
    _show(made, as_json)


def _show(made: "Exported", as_json: bool) -> None:
    from bakeoff.report import words
    from bakeoff.report.console.text import say, say_path

    if as_json:
        print_json({**asdict(made), "folder": str(made.folder)})
        return
    out, _ = consoles(False)
    say_path(out, str(made.folder), ", ".join(made.files))
    if (found := made.agreement) is not None:
        same = "every one" if found.same == found.n else f"{found.same:,}"
        say(
            out,
            f"onnxruntime, opset 18, on {words.counted(found.n, 'image')} of report: {same} with the same most likely "
            f"class; logits differ by {found.mean:.2g} on average, {found.most:.2g} at most",
        )
    elif made.unchecked:
        say(out, f"not compared with the network: {made.unchecked}")
    for line in made.load:
        out.print(line, soft_wrap=True, markup=False)
