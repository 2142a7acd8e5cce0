"""A Hugging Face data set, by the path of a local one or by its name there.

Its images are copied out once, as the files that they are, into the cache folder: what reads files reads them.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from filelock import FileLock

from bakeoff import reader
from bakeoff.data.folders import part_named, same_classes
from bakeoff.data.sources import Source
from bakeoff.data.sources.listed import Listed, files_source
from bakeoff.data.sources.table import LABEL, chosen
from bakeoff.errors import RequestError
from bakeoff.reader import cache_folder

OPTIONS = ("config", "image", "label")
_TIMEOUT = 10.0  # seconds for a server to say something


def huggingface_source(
    source: str, config: str | None = None, image: str | None = None, label: str | None = None, skip_bad: bool = False
) -> Source:
    """The task that a Hugging Face data set makes.

    source: a folder that `save_to_disk` made, a folder of Parquet files, or a name on the Hub. config: which of several
    data sets of that name. image, label: its columns, or None to find them by their types and names. skip_bad: leave
    out images that can't be read.

    Raises RequestError when it can't be had or understood, and as `files_source` does.
    """
    found = {key: value for key, value in zip(OPTIONS, (config, image, label), strict=True) if value}
    path = reader.path(source, "data set")
    where = str(path.absolute()) if path.exists() else source
    name = f"hf:{where}" + (f"?{urlencode(found)}" if found else "")
    return files_source(name, partial(_listed, where, config, image, label), skip_bad)


def _listed(source: str, config: str | None, image: str | None, label: str | None) -> Listed:
    tables = _tables(source, config)
    features = next(iter(tables.values())).features
    pixels = _image_column(source, features, image)
    kinds = _label_column(source, features, label)
    named = getattr(features[kinds], "names", None)
    parts: dict[str, dict[str, list[str]]] = {}
    root = _copied_out(source, tables, pixels)
    for part, table in tables.items():
        by_class: dict[str, list[str]] = {name: [] for name in named or ()}
        for row, value in enumerate(table[kinds]):
            if value is None or value == "" or (named and value == -1):
                if part == "test":  # its labels are kept back
                    continue
                raise RequestError(f"{source} has no label in row {row} of {part}")
            by_class.setdefault(named[value] if named else str(value), []).append(f"{part}/{row:08}")
        if filled := {kind: names for kind, names in by_class.items() if names}:
            parts[part] = filled if named else dict(sorted(filled.items(), key=lambda item: _by_size(item[0])))
    return Listed(Path(source), root, same_classes(source, parts))


def _by_size(label: str) -> tuple[int, str]:
    return (int(label) if label.isdecimal() else 0, label)


def _tables(source: str, config: str | None) -> dict[str, Any]:
    """`all`, or `train` and, where they are, `val` and `test`."""
    path = Path(source)
    try:
        import datasets  # here, since it takes seconds, and is an extra
        from huggingface_hub import constants
    except ImportError:
        raise RequestError("hf: needs the library datasets: pip install 'bakeoff[huggingface]'") from None
    datasets.disable_progress_bars()
    silent = "" if path.exists() or os.environ.get("HF_HUB_OFFLINE") else _unreachable()
    before = [settings.HF_HUB_OFFLINE for settings in (datasets.config, constants)]
    if silent:  # what was downloaded before is found, without half a minute of tries to reach the Hub
        datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
            found: Any = datasets.load_from_disk(source)
        else:
            found = datasets.load_dataset(source, config)
    except Exception as error:  # it raises what whatever it uses raises
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RequestError(f"can't load the Hugging Face data set {source}: {silent or reason}") from None
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before
    if not isinstance(found, Mapping):
        return {"all": found}
    if len(found) == 1:
        return {"all": next(iter(found.values()))}
    unclear = [name for name in found if part_named(name) is None]
    parts = {part: table for name, table in found.items() if (part := part_named(name))}
    if unclear or "train" not in parts or len(parts) < len(found):
        raise RequestError(f"{source} has the splits {', '.join(found)}; wanted: train, and maybe validation and test")
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}


def _unreachable() -> str:
    """Why the Hub can't be reached; empty where it can."""
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=_TIMEOUT).close()
    except HTTPError:
        return ""  # an answer, whatever it says
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"it is neither here nor is {endpoint} to be reached ({reason})"
    return ""


def _image_column(source: str, features: Mapping[str, Any], named: str | None) -> str:
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    if named is not None and named not in images:
        raise RequestError(f"{source} has no images in '{named}'; it has them in: {', '.join(images) or 'no column'}")
    if len(images) > 1 and named is None:
        raise RequestError(f"{source} has images in {' and '.join(images)}; say which, as in ?image={images[0]}")
    if not images:
        raise RequestError(f"{source} has no column of images; its columns are {', '.join(features)}")
    return named or images[0]


def _label_column(source: str, features: Mapping[str, Any], named: str | None) -> str:
    kinds = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    if named is None and len(kinds) == 1:
        return kinds[0]
    if named is None and len(kinds) > 1:
        raise RequestError(f"{source} has labels in {' and '.join(kinds)}; say which, as in ?label={kinds[0]}")
    found = chosen(source, features, "label", named, LABEL)
    if found is None:
        raise RequestError(f"{source} has no column of labels by name; say which of {', '.join(features)}: ?label=...")
    if getattr(features[found], "dtype", "") not in ("string", "int8", "int16", "int32", "int64", "uint8", "bool"):
        raise RequestError(f"{source} has no labels in '{found}': a label is a name or a whole number")
    return found


def _copied_out(source: str, tables: Mapping[str, Any], column: str) -> Path:
    """The folder of the images, PART/ROW each; made if it isn't there."""
    import datasets

    key = hashlib.sha256(source.encode())
    for part, table in tables.items():
        key.update(f"\0{part}\0{column}\0{len(table)}\0{table._fingerprint}".encode())
    folder = cache_folder() / "huggingface" / key.hexdigest()[:32]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if folder.is_dir():
            return folder
        draft = folder.with_suffix(".part")
        shutil.rmtree(draft, ignore_errors=True)
        for part, table in tables.items():
            (draft / part).mkdir(parents=True)
            plain = table.select_columns([column]).cast_column(column, datasets.Image(decode=False))
            for row, example in enumerate(plain):
                value = example[column]
                if value is None:
                    raise RequestError(f"{source} has no image in row {row} of {part}")
                content = value["bytes"] if value["bytes"] is not None else _content(source, value["path"], row, part)
                (draft / part / f"{row:08}").write_bytes(content)
        os.replace(draft, folder)
    return folder


def _content(source: str, path: str, row: int, part: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise RequestError(f"{source} has {path} in row {row} of {part}: {error.strerror}") from None
