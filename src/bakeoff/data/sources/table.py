"""A table of image files and their labels: CSV, TSV or Parquet."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from bakeoff.data.folders import part_named, same_classes
from bakeoff.data.sources import Source
from bakeoff.data.sources.listed import Listed, files_source
from bakeoff.errors import RequestError, unknown

# What the columns may be called, in any case.
IMAGE = ("path", "file", "filename", "file_name", "filepath", "image", "image_path")
LABEL = ("label", "class", "target", "category")
SPLIT = ("split",)
_COLUMNS = ("image", "label", "split")

Row = tuple[int, str, str, str]  # number of the row, image, label, part; text without spaces around it


def table_source(
    path: Path,
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    skip_bad: bool = False,
) -> Source:
    """The task that a table of image files makes.

    path: of a .csv, .tsv or .parquet; paths in it are relative to its folder. image, label, split: its columns, or None
    to find them by their usual names. skip_bad: leave out images that are missing or can't be read.

    Raises RequestError for a table that can't be read or lacks a column, and as `files_source` does.
    """
    columns = {key: name for key, name in zip(_COLUMNS, (image, label, split), strict=True) if name}
    name = f"table:{path.absolute()}" + (f"?{urlencode(columns)}" if columns else "")
    return files_source(name, partial(_listed, path, image, label, split), skip_bad)


def options(text: str, known: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Split "PATH?key=value&key=value" into the path and its options. Raises RequestError for other keys."""
    path, _, query = text.partition("?")
    try:
        found = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else ())
    except ValueError:
        raise RequestError(f"'?{query}' is not understood; wanted is, for example, ?image=file&label=kind") from None
    for key in found:
        if key not in known:
            raise unknown("option", key, known)
    return path, found


def chosen(where: Path | str, columns: Iterable[str], kind: str, named: str | None, usual: Iterable[str]) -> str | None:
    """The column that was named, or the one of a usual name; None where there is none of those.

    Raises RequestError for a named one that isn't there, and where several would do.
    """
    columns = list(columns)
    if named is not None:
        if named not in columns:
            raise unknown(f"column of {where}", named, columns)
        return named
    found = [name for name in columns if name.strip().lower() in usual]
    if len(found) > 1:
        raise RequestError(f"{where} has {' and '.join(found)}; say which is the {kind}, as in ?{kind}={found[0]}")
    return found[0] if found else None


def _listed(path: Path, image: str | None, label: str | None, split: str | None) -> Listed:
    root = path.parent
    names: dict[str, dict[str, dict[str, int]]] = {}  # part -> class -> name of the image -> row
    rows: dict[str, int] = {}
    for number, file, kind, part in _rows(path, image, label, split):
        for value, noun in ((file, "image"), (kind, "label")):
            if not value:
                raise RequestError(f"{path} has no {noun} in row {number}")
        name = Path(os.path.relpath(file, root) if os.path.isabs(file) else os.path.normpath(file)).as_posix()
        if name in rows:
            raise RequestError(f"{path} has {file} twice, in rows {rows[name]} and {number}; one image is in one split")
        rows[name] = number
        names.setdefault(part, {}).setdefault(kind, {})[name] = number
    if not rows:
        raise RequestError(f"{path} has no rows")
    if "train" not in names and "all" not in names:
        raise RequestError(f"{path} has no images to train on: its parts are {', '.join(names)}")
    order = ("all", "train", "val", "test")
    parts = {part: _in_order(names[part]) for part in order if part in names}
    return Listed(path, root, same_classes(path, parts), rows)


def _in_order(by_class: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Numbers by size, names by alphabet; images by name, so that the order of rows changes nothing."""
    numbers = all(kind.isdecimal() for kind in by_class)
    return {kind: sorted(by_class[kind]) for kind in sorted(by_class, key=(lambda k: (int(k), k)) if numbers else None)}


def _rows(path: Path, image: str | None, label: str | None, split: str | None) -> Iterator[Row]:
    read = _parquet if path.suffix.lower() in (".parquet", ".pq") else _csv
    try:
        columns, rows = read(path)
        files = _needed(path, columns, "image", image, IMAGE)
        kinds = _needed(path, columns, "label", label, LABEL)
        parts = chosen(path, columns, "split", split, SPLIT)
        for number, row in rows:
            part = part_named(row[parts]) if parts else "all"
            if part is None:
                raise RequestError(
                    f"{path} has the split '{row[parts or SPLIT[0]]}' in row {number}; wanted: train, val or test"
                )
            yield number, row[files], row[kinds], part
    except OSError as error:
        raise RequestError(f"can't read the table {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RequestError(f"{path} is not text in UTF-8; save it as such") from None


def _needed(path: Path, columns: Iterable[str], kind: str, named: str | None, usual: Sequence[str]) -> str:
    found = chosen(path, columns, kind, named, usual)
    if found is None:
        raise RequestError(
            f"{path} has no column '{usual[0]}' or the like for the {kind}; its columns are {', '.join(columns)}; "
            f"say which, as in ?{kind}=NAME"
        )
    return found


def _csv(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        head = file.readline()
        delimiter = max(",;\t", key=head.count)
        columns = next(csv.reader([head], delimiter=delimiter), [])
    if not columns:
        raise RequestError(f"{path} is empty; its first row names the columns, such as image,label")

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            next(reader)
            for values in reader:
                if not values:
                    continue
                if len(values) != len(columns):
                    raise RequestError(
                        f"{path} has {len(values)} values in row {reader.line_num} and {len(columns)} columns"
                    )
                yield reader.line_num, {name: value.strip() for name, value in zip(columns, values, strict=True)}

    return columns, rows()


def _parquet(path: Path) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    try:
        from pyarrow import ArrowException, parquet  # here, since few tables are Parquet
    except ImportError:
        raise RequestError("Parquet needs pyarrow: pip install 'bakeoff[parquet]'") from None
    try:
        table = parquet.read_table(path)
    except ArrowException as error:
        raise RequestError(f"can't read the table {path}: {str(error).splitlines()[0]}") from None
    rows = (
        (number, {name: "" if value is None else str(value).strip() for name, value in row.items()})
        for number, row in enumerate(table.to_pylist(), 1)
    )
    return list(table.column_names), rows
