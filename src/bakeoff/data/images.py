"""Image files: which they are, and what is in them, whatever the mode they were saved in.

What is refused is refused before it is decoded: what isn't a regular file, and what its header says is too large.
"""

import io
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Protocol

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

# Of one image. Pixels: Pillow's own limit, 9,459 x 9,459. Bytes: that many pixels of 8 bytes, and more.
MAX_PIXELS = 2**30 // 12
MAX_RATIO = 100  # of its sides: resizing the shorter one to 256 px makes the other one 25,600
MAX_BYTES = 2**30

# As Pillow calls them. Of what else it reads, one starts another program (EPS).
_FORMATS = ("BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "AVIF", "ICO", "JPEG2000", "TIFF", "WEBP")

ORIENTATION = 0x0112  # of EXIF
_PIXMAP = re.compile(rb"P([56])\s(\d+)\s(\d+)\s255\s")  # without comments

# Pillow warns of damaged metadata, thousands of times over ImageNet; pixels that can't be read are an error.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # what is too large is refused here


class BadImage(BakeoffError):
    """A file that holds no image that can be read. `reason` says why."""

    def __init__(self, path: "Place", reason: str) -> None:
        super().__init__(path, reason)  # both, so that it can be sent from one process to another
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"can't read the image {self.path}: {self.reason}"


def is_image(name: str) -> bool:
    """Whether a file is an image by its name. Hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS


class Remote(Protocol):
    """A file that is somewhere else than on a disk by itself."""

    @property
    def bytes(self) -> int:
        """How many it has."""

    def content(self) -> bytearray:
        """All of them."""


Place = Path | str | Remote


def read(path: Place, channels: int) -> Tensor:
    """Decode one image.

    channels: 1 for gray (ITU-R 601 luma), 3 for RGB. Transparent pixels are laid on white, 16-bit samples are scaled
    to 8 bits, the image is turned upright as its EXIF says, and of an animation the first frame is taken. What comes
    out is what Pillow makes of it.

    Returns (C, H, W) uint8, with the channels last in memory. Raises BadImage, for more than MAX_PIXELS pixels, sides
    that differ by more than MAX_RATIO and more than MAX_BYTES bytes too.
    """
    return decode(content(path), channels, path)


def decode(data: bytearray, channels: int, path: Place) -> Tensor:
    """As `read`, of bytes that came from `path`."""
    try:
        pixels = _jpeg(data, channels) if data.startswith(b"\xff\xd8\xff") else _pixmap(data, channels)
        if pixels is None:
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(*image.size)
                pixels = np.array(_plain(image).convert("RGB" if channels == 3 else "L"))
    except MemoryError:
        raise
    except Exception as error:  # damaged files make Pillow raise almost anything
        raise BadImage(path, _reason(error)) from error
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1)


def content(path: Place) -> bytearray:
    """The bytes of a regular file. Raises BadImage for what can't be read, isn't one, or has more than MAX_BYTES."""
    if not isinstance(path, Path | str):
        return path.content()
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe isn't waited for
        with open(os.open(path, flags), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise BadImage(path, f"it is {kind(facts.st_mode)}")
            if facts.st_size > MAX_BYTES:
                raise BadImage(path, f"it has {facts.st_size:,} bytes, more than {MAX_BYTES:,}")
            data = bytearray(facts.st_size)
            del data[file.readinto(data) :]
            if not data:
                raise BadImage(path, "it is empty")
            return data
    except (OSError, ValueError) as error:  # a ValueError: a name with a zero in it
        raise BadImage(path, _reason(error)) from error


def size(path: Place) -> int:
    """Bytes of a file."""
    return os.stat(path).st_size if isinstance(path, Path | str) else path.bytes


def kind(mode: int) -> str:
    """What something is that isn't a regular file, by its `st_mode`."""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _check_size(width: int, height: int) -> None:
    if not width or not height:
        raise ValueError(f"it has no pixels: its size is {width} x {height}")
    if width * height > MAX_PIXELS:
        raise ValueError(f"it is of {width:,} x {height:,} pixels, and {MAX_PIXELS:,} are the most")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ValueError(f"it is of {width:,} x {height:,} pixels, and {MAX_RATIO} : 1 is the most")


def _jpeg(data: bytearray, channels: int) -> NDArray[np.uint8] | None:
    """An ordinary JPEG without flaws, in two thirds of Pillow's time; None leaves it to Pillow."""
    head = data[: data.find(b"\xff\xda")]  # up to the first scan
    if b"Exif\0" in head or b"ns.adobe.com/xap" in head:  # either may say that it is turned
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.getexif().get(ORIENTATION, 1) != 1:
                return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # flaws that Pillow may put up with, or name
        return None
    if colours != "Gray" and (channels == 1 or colours not in ("YCbCr", "RGB")):
        return None
    _check_size(width, height)
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, "RGB" if channels == 3 else "GRAY"), np.uint8)
    except ValueError:
        return None


def _pixmap(data: bytearray, channels: int) -> NDArray[np.uint8] | None:
    """The pixels of a binary PPM or PGM file where they are; None leaves it to Pillow."""
    found = _PIXMAP.match(data)
    if found is None or (found[1] == b"6") != (channels == 3):
        return None
    width, height = int(found[2]), int(found[3])
    _check_size(width, height)
    if len(data) - found.end() < height * width * channels:
        return None
    return np.frombuffer(data, np.uint8, height * width * channels, found.end()).reshape(height, width, channels)


def _plain(image: Image.Image) -> Image.Image:
    """An 8-bit image without transparency, upright."""
    image.load()
    if image.getexif().get(ORIENTATION, 1) != 1:
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
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()  # the path is named beside it
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than {MAX_PIXELS:,} pixels"
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
