"""Does a report say what its store says?"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bakeoff.errors import RequestError
from bakeoff.report.render import FORMATS, Format, suffix, write
from bakeoff.runs.store import Store
from bakeoff.study.analyse import Results

_TEXT: tuple[Format, ...] = ("html", "md", "latex", "csv")  # of which numbers are compared, where bytes aren't the same
_NUMBER = re.compile(r"(?<![\w.#-])[-+\u2212]?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class ReportCheck:
    """A report beside one that is made of the store now.

    file: it. same_bytes, same_numbers: whether it is the same, or says the same numbers in the same order. first: the
    first that differ, as they stand there and as they would stand; empty where none do.
    """

    file: str
    same_bytes: bool
    same_numbers: bool
    first: str


def study_of(report: Path, store: Store) -> str:
    """The study whose report it is: of those in the store the one that it names. Raises RequestError for none."""
    names = store.study_names()
    try:
        text = report.read_text("utf-8", errors="replace")
    except OSError as error:
        raise RequestError(f"can't read {report}: {(error.strerror or str(error)).lower()}") from None
    found = [name for name in names if name in text] or [name for name in names if name == report.parent.name]
    if not found:
        raise RequestError(f"{report} names no study of {store.url}; name the store that it was made from (--store)")
    return max(found, key=len)


def check(results: Results, report: Path) -> ReportCheck:
    """Compare a report with one of the same results that is made now. Raises RequestError for what is no report."""
    kind = next((each for each in FORMATS if suffix(each) == report.suffix.removeprefix(".")), None)
    if kind is None:
        raise RequestError(f"{report} is no report: those end in {', '.join(f'.{suffix(each)}' for each in FORMATS)}")
    with tempfile.TemporaryDirectory() as folder:
        now = write(results, kind, Path(folder) / report.name)
        kept, made = report.read_bytes(), now.read_bytes()
    if kept == made or kind not in _TEXT:
        return ReportCheck(str(report), kept == made, kept == made, "")
    before, after = (_numbers(data.decode("utf-8", errors="replace")) for data in (kept, made))
    differ = [(a, b) for a, b in zip(before, after, strict=False) if a != b]
    if not differ and len(before) == len(after):
        return ReportCheck(str(report), False, True, "")
    first = f"{differ[0][0]} there, {differ[0][1]} by the store" if differ else f"{len(before)} there, {len(after)} now"
    return ReportCheck(str(report), False, False, first)


def _numbers(text: str) -> list[str]:
    """The numbers of a text, without those of its drawings and its style."""
    for part in ("svg", "style", "script"):
        text = re.sub(rf"<{part}\b.*?</{part}>", "", text, flags=re.DOTALL)
    return _NUMBER.findall(re.sub(r"<[^>]*>", " ", text))
