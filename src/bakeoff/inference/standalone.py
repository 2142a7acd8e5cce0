"""Name the most likely classes of images with onnxruntime and Pillow alone: `python predict.py IMAGE...`."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageOps

HERE = Path(__file__).parent
MOST_PIXELS = 2**30 // 12


def load(folder: Path = HERE) -> tuple[Any, dict[str, Any]]:
    """The graph of this folder, and what is to be known of it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    return session, json.loads((folder / "config.json").read_text("utf-8"))


def read(path: Path | str, channels: int) -> NDArray[np.uint8]:
    """An image as it was in training: (H, W, channels) uint8, upright, transparent pixels on white."""
    with Image.open(path) as file:
        if file.width * file.height > MOST_PIXELS:
            raise ValueError(f"it has more than {MOST_PIXELS:,} pixels")
        image: Image.Image = ImageOps.exif_transpose(file)
        if image.mode == "I" or image.mode.startswith("I;16"):
            samples = np.asarray(image).astype(np.int64).clip(0, 65535)
            image = Image.fromarray(((samples * 255 + 32767) // 65535).astype(np.uint8))
        elif image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


def predict(session: Any, config: dict[str, Any], path: Path | str) -> list[tuple[str, float]]:
    """Every class with its probability, the most likely first."""
    logits = session.run(None, {"images": read(path, config["channels"])[None]})[0][0].astype(np.float64)
    p = np.exp(logits - logits.max())
    p /= p.sum()
    return [(config["classes"][index], float(p[index])) for index in np.argsort(-logits, kind="stable")]


def main(paths: list[str]) -> int:
    """Print a line for each image; 1 where one can't be read."""
    if not paths:
        print("usage: python predict.py IMAGE...", file=sys.stderr)
        return 2
    session, config = load()
    status = 0
    for path in paths:
        try:
            found = predict(session, config, path)[:5]
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            status = 1
            continue
        print(f"{path}: {', '.join(f'{name} {100 * p:.1f} %' for name, p in found)}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
