"""A copy of a folder of images with the shorter side at most `px`, made once, that is read faster.

The copy has the same folders and the same order of files, so a task finds the same classes and splits in it. Images
are upright, and never enlarged. Either format is read by about everything:

- `ppm`: uncompressed binary PPM (gray images: PGM), 3 bytes per pixel, read without decoding. No loss but the size.
- `jpeg`: quality 95 without chroma subsampling, a loss of its own; a JPEG that is small enough is taken as it is.

The copy grows in OUTPUT.part, file by file, each written whole or not at all, and gets its name when it is complete.
"""

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image

from bakeoff.data import images
from bakeoff.data.folders import Folders, read_folders
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import CopyPlanned, ImagesCopied, tell
from bakeoff.files import size, tidy, write_bytes, write_json
from bakeoff.reader import cache_folder

# Suffixes that a file may keep, and how Pillow writes it.
FORMATS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "ppm": ((".ppm",), {"format": "PPM"}),
    "jpeg": ((".jpg", ".jpeg"), {"format": "JPEG", "quality": 95, "subsampling": 0}),
}
FACTS = "prepared.json"  # in the copy: what it was made from, and how
LEAST_PX = 8

_VERSION = 2  # of the copy; raise it when the same images would give others
_SPARE = 2**30  # bytes of the disk that stay free
_SAMPLE = 64  # images that tell how large the copy will be, and how fast
_TOGETHER = 64  # images between two looks at the disk: what an interrupt waits for


@dataclass(frozen=True)
class Prepared:
    """What was made.

    skipped: files that can't be read -> why. bytes_before, bytes_after: of the good files, and of their copies.
    """

    source: str
    output: str
    px: int
    format: str
    images: int
    skipped: dict[str, str]
    bytes_before: int
    bytes_after: int

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Sample:
    """What some of the images say of all. bytes, seconds: format -> of a copy, and to decode it."""

    images: int
    larger: int  # that have a shorter side over `px`
    seconds: float  # to decode one
    making: dict[str, float]  # format -> seconds to make a copy
    bytes: dict[str, float]
    decoding: dict[str, float]


def prepare(
    root: Path, output: Path | None = None, px: int = 256, format: str | None = None, skip_bad: bool = False
) -> Prepared:
    """Make the copy, go on with it where it was begun, or return what is known of it where it is complete.

    root: class folders, as for the `folder` task. output: where to [in the user's cache folder]. px: shorter side.
    format: ppm or jpeg [ppm where that takes no more bytes than the images do, else jpeg where that does]. skip_bad:
    leave files out that can't be read. Tells `CopyPlanned` before it begins, and how far it is.

    Raises RequestError when it can't be made: nothing to save and no format asked for, other things at that place, no
    room on the disk, files that can't be read; BakeoffError when the disk fills up on the way.
    """
    root = root.resolve()
    if px < LEAST_PX:
        raise RequestError(f"--px {px} is too small: {LEAST_PX} px are the least")
    if output and output.resolve().is_relative_to(root):
        raise RequestError(f"the copy can't be inside its source, {root}; name another folder (--output)")
    folders = read_folders(root)
    files = [name for part in folders.parts.values() for name in part.names]
    digest, before = _look(root, files)
    sample = _sample(root, files, px)
    if format is None and sample.images:
        format = _saving(sample, px, len(files), before)
    format = format or "ppm"  # where none can be read, which is said of each
    names = _names(folders, format)
    facts: dict[str, Any] = {"version": _VERSION, "px": px, "format": format, "of": digest}
    if output is None:
        place = hashlib.sha256(json.dumps([os.fsencode(root).hex(), facts]).encode()).hexdigest()[:16]
        of_what = f"{px}px" if sample.larger else format  # nothing is said to be what it isn't
        output = cache_folder() / "prepared" / place / f"{root.name}-{of_what}"
    output = output.absolute()
    if output.exists():
        return _complete(output, facts)
    draft = output.with_name(f"{output.name}.part")
    missing = sum(not (draft / copy).exists() for copy in names.values())
    needed = int(sample.bytes.get(format, 0) * missing)
    _check_room(draft, needed)
    tell(
        CopyPlanned(
            images=len(files),
            begun=len(files) - missing,
            px=px,
            format=format,
            output=str(output),
            bytes_before=before,
            bytes_after=int(sample.bytes.get(format, 0) * len(files)),
            seconds=sample.making.get(format, 0) * missing / _threads(),
            speedup=sample.seconds / sample.decoding[format] if sample.images else 1.0,
        )
    )
    try:
        draft.mkdir(parents=True, exist_ok=True)
        with FileLock(draft / ".lock", timeout=0):
            begun = _facts(draft)
            if begun not in (None, facts):
                raise RequestError(f"{draft} was begun from other images or with other options; remove it first")
            write_json(draft / FACTS, facts)
            made = _copy(root, draft, output, names, px, format, skip_bad)
            write_json(draft / FACTS, {**facts, "made": made.as_json()})
        (draft / ".lock").unlink(missing_ok=True)
        os.replace(draft, output)
    except Timeout:
        raise RequestError(f"another process is preparing {output}") from None
    except OSError as error:
        raise BakeoffError(f"can't write {error.filename or output}: {error.strerror}") from error
    return made


def _names(folders: Folders, format: str) -> dict[str, str]:
    """Each file and what its copy is called. The order stays, because the splits depend on it."""
    kept, _ = FORMATS[format]
    names: dict[str, str] = {}
    for part in folders.parts.values():
        here = {name: name if name.lower().endswith(kept) else name + kept[0] for name in part.names}
        for (label, name), (other, following) in pairwise(zip(part.labels, part.names, strict=True)):
            if label == other and here[name] >= here[following]:
                raise RequestError(f"the copies of {name} and {following} would change places; rename one of them")
        names |= here
    return names


def _look(root: Path, names: list[str]) -> tuple[str, int]:
    """What the files look like from outside, and their bytes."""
    digest, total = hashlib.sha256(), 0
    for name in names:
        path = root / name
        seen = path.stat() if path.exists() else path.lstat()  # a link to nothing is a bad file, named later
        digest.update(f"{name}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode(errors="surrogateescape"))
        total += seen.st_size
    return digest.hexdigest()[:16], total


def _sample(root: Path, names: list[str], px: int) -> _Sample:
    seen = larger = 0
    seconds = 0.0
    making, space, decoding = (dict.fromkeys(FORMATS, 0.0) for _ in range(3))
    for name in names[:: max(1, len(names) // _SAMPLE)][:_SAMPLE]:
        began = time.perf_counter()
        try:
            data = images.content(root / name)
            image = images.decode(data, 3, root / name)
        except images.BadImage:
            continue
        took = time.perf_counter() - began
        seen, larger, seconds = seen + 1, larger + (min(image.shape[1:]) > px), seconds + took
        for format in FORMATS:
            began = time.perf_counter()
            copy = _encode(data, image.permute(1, 2, 0).numpy(), px, format)
            making[format] += took + time.perf_counter() - began
            space[format] += len(copy)
            began = time.perf_counter()
            images.decode(bytearray(copy), 3, root / name)
            decoding[format] += time.perf_counter() - began
    n = max(seen, 1)
    means = [{format: total / n for format, total in of.items()} for of in (making, space, decoding)]
    return _Sample(seen, larger, seconds / n, *means)


def _saving(sample: _Sample, px: int, files: int, before: int) -> str:
    """The format that takes no more room than the images do; ppm where both do."""
    takes = {format: bytes * files for format, bytes in sample.bytes.items()}
    if not sample.larger:
        why = f"none of {sample.images} images looked at has a shorter side over {px} px: a copy would save nothing"
    elif min(takes.values()) > before:
        sizes = ", ".join(f"{size(total)} as {format}" for format, total in takes.items())
        why = f"a copy at {px} px would take more room ({sizes}) than the images do ({size(before)})"
    else:
        return "ppm" if takes["ppm"] <= before else "jpeg"
    raise RequestError(f"{why}; ask for a smaller --px, or for a --format if it is what you want")


def _threads() -> int:
    return min(16, os.cpu_count() or 1)


def _facts(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / FACTS).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _complete(output: Path, facts: dict[str, Any]) -> Prepared:
    found = _facts(output) or {}
    made = found.pop("made", None)
    if made is None or found != facts:
        raise RequestError(
            f"{output} is there, and is no copy of these images with these options; name another place (--output)"
        )
    return Prepared(**{**made, "output": str(output)})


def _copy(
    root: Path,
    draft: Path,
    output: Path,
    names: dict[str, str],
    px: int,
    format: str,
    skip_bad: bool,
) -> Prepared:
    for folder in {(draft / copy).parent for copy in names.values()}:
        folder.mkdir(parents=True, exist_ok=True)
        tidy(folder)
    skipped: dict[str, str] = {}
    before = after = 0
    for done, (name, made) in enumerate(_sizes(root, draft, names, px, format), 1):
        if isinstance(made, images.BadImage):
            if not skip_bad:
                raise RequestError(f"{made}; repair or remove it, or go on without such files (--skip-bad)")
            skipped[name] = made.reason
        else:
            before += (root / name).stat().st_size
            after += made
        tell(ImagesCopied(done, len(names)))
    return Prepared(str(root), str(output), px, format, len(names) - len(skipped), skipped, before, after)


def _sizes(
    root: Path, draft: Path, names: dict[str, str], px: int, format: str
) -> Iterator[tuple[str, int | images.BadImage]]:
    """Make what is missing. Yields each file with the bytes of its copy, or why there is none, in order."""

    def one(name: str) -> int | images.BadImage:
        copy = draft / names[name]
        if copy.exists():
            return copy.stat().st_size
        try:
            data = images.content(root / name)
            pixels = images.decode(data, 3, root / name).permute(1, 2, 0).numpy()
        except images.BadImage as bad:
            return bad
        content = _encode(data, pixels, px, format)
        write_bytes(copy, content, sync=False)  # each would wait for the disk, a million times
        return len(content)

    order = list(names)
    with ThreadPoolExecutor(_threads()) as pool:
        for start in range(0, len(order), _TOGETHER):
            if shutil.disk_usage(draft).free < _SPARE:
                raise BakeoffError(
                    f"the disk of {draft} is almost full, {start} of {len(order)} images are done; "
                    f"make room and go on with the same command"
                )
            some = order[start : start + _TOGETHER]
            yield from zip(some, pool.map(one, some), strict=True)


def _encode(data: bytearray, pixels: NDArray[np.uint8], px: int, format: str) -> bytes:
    """The copy of an image. data, pixels: (H, W, 3), of its file."""
    scale = px / min(pixels.shape[:2])
    if scale >= 1 and format == "jpeg" and _upright_jpeg(data):
        return bytes(data)
    gray = bool((pixels == pixels[:, :, :1]).all())
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]) if gray else pixels)
    if scale < 1:  # Lanczos: of Pillow's filters the least changed crops (docs/log.md)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, **FORMATS[format][1])
    return content.getvalue()


def _upright_jpeg(data: bytearray) -> bool:
    if not data.startswith(b"\xff\xd8\xff"):
        return False
    with Image.open(io.BytesIO(data)) as image:
        return bool(image.getexif().get(images.ORIENTATION, 1) == 1)


def _check_room(draft: Path, needed: int) -> None:
    free = shutil.disk_usage(next(folder for folder in draft.parents if folder.is_dir())).free
    if needed > free - _SPARE:
        raise RequestError(
            f"the copy takes about {size(needed)} more, and {size(free)} are free at {draft.parent}, of which "
            f"{size(_SPARE)} stay so; take another place (--output), a smaller --px or --format jpeg"
        )
