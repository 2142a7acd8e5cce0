"""Image files: which they are, and what is in them, whatever the mode they were saved in."""

import io
import math
import os
import re
import warnings
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from bakeoff.errors import BakeoffError

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)

_ORIENTATION = 0x0112  # of EXIF
_PIXMAP = re.compile(rb"P([56])\s(\d+)\s(\d+)\s255\s")  # without comments

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
    to 8 bits, the image is turned upright as its EXIF says, and of an animation the first frame is taken. What comes
    out is what Pillow makes of it.

    Returns (C, H, W) uint8, with the channels last in memory. Raises BadImage.
    """
    try:
        with open(path, "rb") as file:
            data = bytearray(os.fstat(file.fileno()).st_size)
            file.readinto(data)
        pixels = _jpeg(data, channels) if data.startswith(b"\xff\xd8\xff") else _pixmap(data, channels)
        if pixels is None:
            with Image.open(io.BytesIO(data)) as image:
                pixels = np.array(_plain(image).convert("RGB" if channels == 3 else "L"))
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise BadImage(path, _reason(error)) from error
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1)


def _jpeg(data: bytearray, channels: int) -> NDArray[np.uint8] | None:
    """An ordinary JPEG without flaws, in two thirds of Pillow's time; None leaves it to Pillow."""
    head = data[: data.find(b"\xff\xda")]  # up to the first scan
    if b"Exif\0" in head or b"ns.adobe.com/xap" in head:  # either may say that it is turned
        with Image.open(io.BytesIO(data)) as image:
            if image.getexif().get(_ORIENTATION, 1) != 1:
                return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if colours != "Gray" and (channels == 1 or colours not in ("YCbCr", "RGB")):
            return None
        if height * width > (Image.MAX_IMAGE_PIXELS or math.inf):
            return None
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB" if channels == 3 else "GRAY"), np.uint8)
    except ValueError:  # flaws that Pillow may put up with, or name
        return None


def _pixmap(data: bytearray, channels: int) -> NDArray[np.uint8] | None:
    """The pixels of a binary PPM or PGM file where they are; None leaves it to Pillow."""
    found = _PIXMAP.match(data)
    if found is None or (found[1] == b"6") != (channels == 3):
        return None
    width, height = int(found[2]), int(found[3])
    if len(data) - found.end() < height * width * channels:
        return None
    return np.frombuffer(data, np.uint8, height * width * channels, found.end()).reshape(height, width, channels)


def _plain(image: Image.Image) -> Image.Image:
    """An 8-bit image without transparency, upright."""
    image.load()
    if image.getexif().get(_ORIENTATION, 1) != 1:
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
