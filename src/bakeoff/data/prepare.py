"""A smaller copy of a folder of images, made once, from which batches come several times as fast.

The copy has the same folders and the same order of files, so a task finds the same classes and splits in it. Images
are upright, with the shorter side at most `px`, and never enlarged. Either format is read by about everything:

- `ppm`: uncompressed binary PPM (gray images: PGM), 3 bytes per pixel, read without decoding. No loss but the size.
- `jpeg`: quality 95 without chroma subsampling: about a fifth of the bytes, and a loss of its own.

The copy grows in OUTPUT.part, file by file, each written whole or not at all, and gets its name when it is complete.
"""

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from bakeoff.data import images
from bakeoff.data.folders import Folders, read_folders
from bakeoff.data.scan import SMALL_PX
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.files import tidy, write_bytes, write_json

# Suffixes that a file may keep, and how Pillow writes it.
FORMATS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "ppm": ((".ppm",), {"format": "PPM"}),
    "jpeg": ((".jpg", ".jpeg"), {"format": "JPEG", "quality": 95, "subsampling": 0}),
}
FACTS = "prepared.json"  # in the copy: what it was made from, and how

_VERSION = 1  # of the copy; raise it when the same images would give others
_SPARE = 2**30  # bytes of the disk that stay free
_SAMPLE = 64  # images that tell how large the copy will be
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


def prepare(
    root: Path,
    output: Path | None = None,
    px: int = 256,
    format: str = "ppm",
    skip_bad: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Prepared:
    """Make the copy, go on with it where it was begun, or return what is known of it where it is complete.

    root: class folders, as for the `folder` task. output: where to [beside it, named after it and px]. px: shorter
    side. skip_bad: leave files out that can't be read. report: called with how many images are done, and of how many.

    Raises RequestError when it can't be made: other things at that place, no room on the disk, files that can't be
    read; BakeoffError when the disk fills up on the way.
    """
    root = root.resolve()
    output = (output or root.with_name(f"{root.name}-{px}px")).absolute()
    if px <= SMALL_PX:
        raise RequestError(f"--px {px} is too small: images of up to {SMALL_PX} px would be kept in memory")
    if output.resolve().is_relative_to(root):
        raise RequestError(f"the copy can't be inside its source, {root}; name another folder (--output)")
    folders = read_folders(root)
    names = _names(folders, format)
    facts: dict[str, Any] = {"version": _VERSION, "px": px, "format": format, "of": _digest(root, names)}
    if output.exists():
        return _complete(output, facts)
    draft = output.with_name(f"{output.name}.part")
    _check_room(draft, root, names, px, format)
    try:
        draft.mkdir(parents=True, exist_ok=True)
        with FileLock(draft / ".lock", timeout=0):
            begun = _facts(draft)
            if begun not in (None, facts):
                raise RequestError(f"{draft} was begun from other images or with other options; remove it first")
            write_json(draft / FACTS, facts)
            made = _copy(root, draft, output, names, px, format, skip_bad, report)
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


def _digest(root: Path, names: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = root / name
        seen = path.stat() if path.exists() else path.lstat()  # a link to nothing is a bad file, named later
        digest.update(f"{name}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


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
    report: Callable[[int, int], None],
) -> Prepared:
    for folder in {(draft / copy).parent for copy in names.values()}:
        folder.mkdir(parents=True, exist_ok=True)
        tidy(folder)
    skipped: dict[str, str] = {}
    before = after = 0
    for done, (name, size) in enumerate(_sizes(root, draft, names, px, format), 1):
        if isinstance(size, images.BadImage):
            if not skip_bad:
                raise RequestError(f"{size}; repair or remove it, or go on without such files (--skip-bad)")
            skipped[name] = size.reason
        else:
            before += (root / name).stat().st_size
            after += size
        report(done, len(names))
    return Prepared(str(root), str(output), px, format, len(names) - len(skipped), skipped, before, after)


def _sizes(
    root: Path, draft: Path, names: dict[str, str], px: int, format: str
) -> Iterator[tuple[str, int | images.BadImage]]:
    """Make what is missing. Yields each file with the bytes of its copy, or why there is none, in order."""

    def one(name: str) -> int | images.BadImage:
        copy = draft / names[name]
        if copy.exists():
            return copy.stat().st_size
        content = _encode(root / name, px, format)
        if isinstance(content, bytes):
            write_bytes(copy, content, sync=False)  # each would wait for the disk, a million times
            return len(content)
        return content

    order = list(names)
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(order), _TOGETHER):
            if shutil.disk_usage(draft).free < _SPARE:
                raise BakeoffError(
                    f"the disk of {draft} is almost full, {start} of {len(order)} images are done; "
                    f"make room and go on with the same command"
                )
            some = order[start : start + _TOGETHER]
            yield from zip(some, pool.map(one, some), strict=True)


def _encode(path: Path, px: int, format: str) -> bytes | images.BadImage:
    try:
        pixels = images.read(path, 3).permute(1, 2, 0).numpy()
    except images.BadImage as bad:
        return bad
    gray = bool((pixels == pixels[:, :, :1]).all())
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0]) if gray else pixels)
    scale = px / min(image.size)
    if scale < 1:  # Lanczos: of Pillow's filters the least changed crops (docs/log.md)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, **FORMATS[format][1])
    return content.getvalue()


def _check_room(draft: Path, root: Path, names: dict[str, str], px: int, format: str) -> None:
    missing = [name for name, copy in names.items() if not (draft / copy).exists()]
    sample = missing[:: max(1, len(missing) // _SAMPLE)][:_SAMPLE]
    sizes = [len(content) for name in sample if isinstance(content := _encode(root / name, px, format), bytes)]
    if not sizes:
        return
    needed = int(np.mean(sizes)) * len(missing)
    free = shutil.disk_usage(next(folder for folder in draft.parents if folder.is_dir())).free
    if needed > free - _SPARE:
        raise RequestError(
            f"the copy takes about {size(needed)} more, and {size(free)} are free at {draft.parent}, of which "
            f"{size(_SPARE)} stay so; take another place (--output), a smaller --px or --format jpeg"
        )


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
