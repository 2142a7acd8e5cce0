"""Reading image files: every kind of pixel, every flaw, and the pixels that Pillow has."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from bakeoff.data import images


def save_palette(path: Path) -> None:
    image = Image.new("P", (4, 2))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)
    image.save(path, transparency=0)


def save_rgba(path: Path) -> None:
    image = Image.new("RGBA", (4, 2), (255, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 255, 255))
    image.save(path)


def save_16_bit(path: Path) -> None:
    Image.fromarray(np.array([[0, 65535, 32768, 257]] * 2, np.uint16)).save(path)


def save_turned(path: Path) -> None:
    image = Image.new("RGB", (2, 4), "white")
    image.putpixel((0, 3), (0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    image.save(path, exif=exif)


BLUE, WHITE, BLACK = (0, 0, 255), (255, 255, 255), (0, 0, 0)
MODES: dict[str, tuple[str, Callable[[Path], None], list[tuple[int, int, int]]]] = {
    "palette with transparency": ("png", save_palette, [BLUE, WHITE, WHITE, WHITE]),
    "RGBA": ("png", save_rgba, [BLUE, WHITE, WHITE, WHITE]),
    "gray with alpha": ("png", lambda path: Image.new("LA", (4, 2), (0, 0)).save(path), [WHITE] * 4),
    "gray": ("png", lambda path: Image.new("L", (4, 2), 7).save(path), [(7, 7, 7)] * 4),
    "bilevel": ("png", lambda path: Image.new("1", (4, 2), 1).save(path), [WHITE] * 4),
    "16 bits": ("png", save_16_bit, [BLACK, WHITE, (128, 128, 128), (1, 1, 1)]),
    "16 bits, TIFF": ("tif", save_16_bit, [BLACK, WHITE, (128, 128, 128), (1, 1, 1)]),
    "CMYK": ("tif", lambda path: Image.new("CMYK", (4, 2), (255, 255, 0, 0)).save(path), [BLUE] * 4),
    "EXIF": ("png", save_turned, [BLACK, WHITE, WHITE, WHITE]),
    "animation": ("gif", lambda path: Image.new("P", (4, 2)).save(path, save_all=True), [BLACK] * 4),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    suffix, save, top_row = MODES[mode]
    path = tmp_path / f"image.{suffix}"
    save(path)
    colour = images.read(path, 3)
    assert (colour.shape, colour.dtype) == ((3, 2, 4), torch.uint8)
    assert [tuple(pixel) for pixel in colour[:, 0].T.tolist()] == top_row
    gray = images.read(path, 1)
    assert gray.shape == (1, 2, 4)
    luma = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in top_row]
    assert gray[0, 0].tolist() == luma


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, np.uint8))


def turned(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise(19, 33, 3).save(path, exif=exif)


def flawed(path: Path) -> None:
    noise(64, 64, 3).save(path, quality=95)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)  # of the entropy-coded part: Pillow goes on
    path.write_bytes(data)


SAVED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "4:4:4": ("jpg", lambda path: noise(33, 47, 3).save(path, subsampling=0)),
    "4:2:2": ("jpg", lambda path: noise(33, 47, 3).save(path, subsampling=1)),
    "4:2:0": ("jpg", lambda path: noise(33, 47, 3).save(path, subsampling=2)),
    "progressive": ("jpg", lambda path: noise(33, 47, 3).save(path, progressive=True)),
    "one pixel": ("jpg", lambda path: noise(1, 1, 3).save(path)),
    "gray": ("jpg", lambda path: noise(33, 47).save(path)),
    "RGB": ("jpg", lambda path: noise(33, 47, 3).save(path, keep_rgb=True)),
    "CMYK": ("jpg", lambda path: noise(33, 47, 4).convert("CMYK").save(path)),
    "upright": ("jpg", lambda path: turned(path, 1)),
    "turned": ("jpg", lambda path: turned(path, 6)),
    "flawed": ("jpg", flawed),
    "PPM": ("ppm", lambda path: noise(5, 7, 3).save(path)),
    "PGM": ("pgm", lambda path: noise(5, 7).save(path)),
    "PPM, plain": ("ppm", lambda path: path.write_text("P3 2 1 255 1 2 3 4 5 6")),
    "PPM, commented": ("ppm", lambda path: path.write_bytes(b"P6\n# by hand\n2 1\n255\n123456")),
    "PPM of 16 bits": ("pgm", lambda path: path.write_bytes(b"P5\n2 1\n65535\n1234")),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", SAVED)
def test_pixels_are_pillow_s(tmp_path: Path, kind: str, channels: int) -> None:
    suffix, save = SAVED[kind]
    path = tmp_path / f"image.{suffix}"
    save(path)
    found = images.read(path, channels).permute(1, 2, 0).numpy()
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
    expected = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    assert np.array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("suffix", ["jpg", "ppm"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_files_are_bad(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"image.{suffix}"
    noise(64, 64, 3).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(images.BadImage):
        images.read(path, 3)


def png_header(width: int, height: int) -> bytes:
    """Of a PNG of one bit per pixel, which may hold no more than that."""
    fields = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", fields), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def long_jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (60_000, 1)).save(content, "JPEG")
    return content.getvalue().replace(struct.pack(">HH", 1, 60_000), struct.pack(">HH", 1, 65_535))


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 10**12)


REFUSED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "bomb": (
        "png",
        lambda path: path.write_bytes(png_header(13_000, 13_000)),
        "89,478,485",
    ),
    "large bomb": ("png", lambda path: path.write_bytes(png_header(10**6, 10**6)), "more than 89,478,485 pixels"),
    "long": ("jpg", lambda path: path.write_bytes(long_jpeg()), "65,535 x 1 pixels, and 100 : 1 is the most"),
    "high": ("png", lambda path: path.write_bytes(png_header(1, 500)), "1 x 500 pixels, and 100 : 1"),
    "large pixmap": ("ppm", lambda path: path.write_bytes(b"P6 9999 9999 255\n"), "9,999 x 9,999 pixels"),
    "nothing": ("ppm", lambda path: path.write_bytes(b"P6 0 0 255\n"), "no pixels: its size is 0 x 0"),
    "no width": ("ppm", lambda path: path.write_bytes(b"P6 0 5 255\n"), "no pixels: its size is 0 x 5"),
    "empty": ("jpg", lambda path: path.write_bytes(b""), "it is empty"),
    "pipe": ("png", os.mkfifo, "it is a named pipe"),
    "folder": ("png", lambda path: path.mkdir(), "is a directory"),
    "device": ("png", lambda path: path.symlink_to("/dev/zero"), "it is a device"),
    "broken link": ("png", lambda path: path.symlink_to("nowhere"), "it does not exist"),
    "link to itself": ("png", lambda path: path.symlink_to(path.name), "too many levels of symbolic links"),
    "sparse": ("png", sparse, "it has 1,000,000,000,000 bytes"),
    "program": ("png", lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%EndComments\n"), "not an image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cant_be_decoded_in_bounded_time_and_memory_isnt_begun(tmp_path: Path, case: str) -> None:
    suffix, make, reason = REFUSED[case]
    path = tmp_path / f"image.{suffix}"
    make(path)
    with pytest.raises(images.BadImage, match=reason):
        images.read(path, 3)


@pytest.mark.parametrize(
    ("name", "content", "reason"), [("no.jpg", None, "it does not exist"), ("text.png", b"hello", "it is not an image")]
)
def test_what_is_no_image_is_named(tmp_path: Path, name: str, content: bytes | None, reason: str) -> None:
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(images.BadImage) as failure:
        images.read(tmp_path / name, 3)
    assert str(failure.value) == f"can't read the image {tmp_path / name}: {reason}"


def test_floating_point_images_are_refused(tmp_path: Path) -> None:
    Image.new("F", (4, 2), 0.5).save(tmp_path / "f.tif")
    with pytest.raises(images.BadImage, match="8 or 16 bits"):
        images.read(tmp_path / "f.tif", 3)
