"""Predictions, written one by one as they become known: as a table, as JSON, CSV or Parquet."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import TextIOWrapper
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO, get_args

from rich.console import Console

from bakeoff.errors import RequestError, unknown
from bakeoff.files import printable, replacing
from bakeoff.report.console.text import say_path

if TYPE_CHECKING:
    from bakeoff.inference.predict import Prediction

Format = Literal["table", "json", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
Write = Callable[["Prediction"], None]
_ROWS = 4096  # of a Parquet file that are kept in memory


def format_of(asked: str | None, output: Path | None) -> Format:
    """The format that is asked for, or that the name of a file says. Raises RequestError for one that isn't."""
    by_name = {".json": "json", ".csv": "csv", ".parquet": "parquet"}.get(output.suffix.lower() if output else "")
    wanted = asked or by_name or "table"
    for each in FORMATS:
        if each == wanted:
            if each == "parquet" and output is None:
                raise RequestError("Parquet goes to a file: say --output FILE.parquet")
            return each
    raise unknown("value of --format", wanted, FORMATS)


@contextmanager
def writer(kind: Format, output: Path | None, topk: int, console: Console) -> Iterator[Write]:
    """What writes predictions in a format to a file, or to standard output; a file comes to be when all are there.

    topk: how many classes each has. console: for a table, a line each. Raises RequestError for a file that can't be
    written.
    """
    if output is None and kind == "table":
        yield lambda found: _line(console, found)
        return
    if output is None:
        with _text(kind, topk, sys.stdout) as write:
            yield write
        return
    try:
        with replacing(output) as file:
            if kind == "parquet":
                with _parquet(topk, file) as write:
                    yield write
            else:
                text = TextIOWrapper(file, "utf-8", "surrogateescape", newline="", write_through=True)
                with _text(kind, topk, text) as write:
                    yield write
                text.detach()
    except OSError as error:
        raise RequestError(f"can't write {output}: {error.strerror}") from None


def _line(console: Console, found: "Prediction") -> None:
    if not found.error:
        say_path(console, str(found.image), _likely(found))


def _likely(found: "Prediction") -> str:
    return ", ".join(f"{name} {100 * p:.1f} %" for name, p in found.classes)


def _text(kind: Format, topk: int, out: TextIO) -> Any:
    if kind == "json":
        return _json(out)
    return nullcontext(_csv(topk, out) if kind == "csv" else lambda found: _plain(out, found))


def _plain(out: TextIO, found: "Prediction") -> None:
    out.write(printable(f"{found.image}: {found.error or _likely(found)}") + "\n")


@contextmanager
def _json(out: TextIO) -> Iterator[Write]:
    """One document, as `json.dumps` writes a list of them."""
    before = "["

    def write(found: "Prediction") -> None:
        nonlocal before
        classes = [{"class": name, "probability": p} for name, p in found.classes]
        said = {"error": found.error} if found.error else {"classes": classes}
        out.write(f"{before}\n{indent(json.dumps({'image': str(found.image), **said}, indent=1), ' ')}")
        before = ","

    yield write
    out.write("[]\n" if before == "[" else "\n]\n")


def _columns(topk: int) -> list[str]:
    return ["image", *(f"{name}_{k}" for k in range(1, topk + 1) for name in ("class", "probability")), "error"]


def _row(found: "Prediction", topk: int) -> list[Any]:
    cells = [cell for pair in found.classes for cell in pair]
    return [str(found.image), *cells, *[None] * (2 * topk - len(cells)), found.error or None]


def _csv(topk: int, out: TextIO) -> Write:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_columns(topk))
    return lambda found: rows.writerow(_row(found, topk))


@contextmanager
def _parquet(topk: int, file: BinaryIO) -> Iterator[Write]:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise RequestError("writing Parquet takes pyarrow: pip install 'bakeoff[parquet]'") from None
    fields = {name: pa.float32() if name.startswith("probability") else pa.string() for name in _columns(topk)}
    schema = pa.schema(list(fields.items()))
    waiting: list[list[Any]] = []

    def flush() -> None:
        columns = zip(*waiting, strict=True) if waiting else ([] for _ in fields)
        made = [pa.array(column, kind) for column, kind in zip(columns, fields.values(), strict=True)]
        parquet.write_table(pa.table(made, schema=schema))
        waiting.clear()

    def write(found: "Prediction") -> None:
        waiting.append([printable(cell) if isinstance(cell, str) else cell for cell in _row(found, topk)])
        if len(waiting) == _ROWS:
            flush()

    with ParquetWriter(file, schema) as parquet:
        yield write
        flush()
