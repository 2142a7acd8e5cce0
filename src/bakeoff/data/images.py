"""Image files: which they are, and what is in them, whatever the mode they were saved in."""

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from bakeoff.errors import BakeoffError

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)

# Pillow warns of damaged metadata, thousands of times over ImageNet; pixels that can't be read are an error.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


class BadImage(BakeoffError):
    """A file that holds no image that can be read. `reason` says why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(path, reason)  # both, so that it can be sent from one process to another
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"can't read the image {self.path}: {self.reason}"


def is_image(name: str) -> bool:
    """Whether a file is an image by its name. Hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS


def read(path: Path | str, channels: int) -> Tensor:
    """Decode one image.

    channels: 1 for gray (ITU-R 601 luma), 3 for RGB. Transparent pixels are laid on white, 16-bit samples are scaled
    to 8 bits, the image is turned upright as its EXIF says, and of an animation the first frame is taken.

    Returns (C, H, W) uint8, with the channels last in memory. Raises BadImage.
    """
    try:
        with Image.open(path) as image:
            pixels = np.array(_plain(image).convert("RGB" if channels == 3 else "L"))
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise BadImage(path, _reason(error)) from error
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1)


def _plain(image: Image.Image) -> Image.Image:
    """An 8-bit image without transparency, upright."""
    image.load()
    if image.getexif().get(0x0112, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range; save it with 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((samples * 255 + 32767) // 65535).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image"
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
