"""Read what studies found, and write it down."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bakeoff import reader
from bakeoff.api.asked import Where, shown, workspace
from bakeoff.errors import RequestError
from bakeoff.events import Doing, Observer, observed, tell, unobserved
from bakeoff.report.render import Format, suffix, write
from bakeoff.runs.store import Store, open_store
from bakeoff.stats.table import DEFAULT, AnalysisOptions
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.gather import gather
from bakeoff.study.spec import StudySpec

if TYPE_CHECKING:
    from bakeoff.recipes.request import AnyTask, AnyTechnique
    from bakeoff.report.verify import ReportCheck
    from bakeoff.runs.moves import Moved
    from bakeoff.study.verification import Verification
    from bakeoff.teach.handin import HandIn


def open_study(
    name: str = "",
    *,
    with_: "Sequence[AnyTechnique]" = (),
    options: AnalysisOptions = DEFAULT,
    store: Store | Path | str | None = None,
) -> Results:
    """What a study of the store says, whether or not all of its runs are there. name: may be left out for the only one.

    with_: techniques from outside whose cards are to be shown. options: level of the intervals, and how small a gain
    isn't worth having.
    """
    from bakeoff import techniques

    for technique in with_:
        techniques.get(technique)
    kept = open_store(store)
    return analyse(gather(kept, StudySpec.load(kept, name)), options)


def write_report(
    study: str | Results = "",
    format: Format = "html",
    output: Path | str | None = None,
    *,
    options: AnalysisOptions = DEFAULT,
    store: Store | Path | str | None = None,
) -> Path | str:
    """Write the report of a study, from the store alone; while runs are missing, of what is there.

    study: by name, or as `open_study` or `ablate` gave it. format: html, md or ipynb for readers; latex, svg or png for
    papers; csv or parquet, the effects as numbers. output: the file to write (None: beside the study). Returns the
    file; its URL where the store is a bucket.
    """
    kept = open_store(store)
    found = study if isinstance(study, Results) else open_study(study, options=options, store=kept)
    if output:
        return write(found, format, reader.path(output, "--output", text=False))
    with kept.writing(found.spec.name, f"report.{suffix(format)}") as path:
        write(found, format, path)
    return report_file(kept, found.spec.name, format)


@shown
@observed
def verify(
    study: str = "",
    *,
    runs: int = 3,
    seed: int = 0,
    with_: "Sequence[AnyTechnique]" = (),
    task: "AnyTask | None" = None,
    options: AnalysisOptions = DEFAULT,
    observer: Observer = unobserved,
    **place: Unpack[Where],
) -> "Verification":
    """Make some runs of a study again, and say whether they agree with those that its numbers are made of.

    study: by name; may be left out for the only one. runs: how many, drawn by `seed`. with_, task: what the study's
    techniques and images come from, where that is a file or an object. What is made is not kept.
    """
    from bakeoff.ablation import verify as verification

    reader.whole(runs, "--runs", 1, 10**6)
    reader.whole(seed, "--seed", 0, reader.MOST_SEED)
    tell(Doing("reading the study"))
    where = workspace(place)
    found = open_study(study, with_=with_, options=options, store=where.store)
    return verification.verify(found, where, runs, seed, task, observer)


def check_report(
    report: Path | str, *, options: AnalysisOptions = DEFAULT, store: Store | Path | str | None = None
) -> "ReportCheck":
    """Whether a report that was written says what its store says: the same bytes, or at least the same numbers."""
    from bakeoff.report import verify as reports

    path, kept = reader.path(report, "report", text=False), open_store(store)
    return reports.check(open_study(reports.study_of(path, kept), options=options, store=kept), path)


def hand_in(
    notebook: Path | str,
    study: str = "",
    output: Path | str = "handin",
    technique: str | None = None,
    *,
    store: Store | Path | str | None = None,
) -> "HandIn":
    """Make the folder to hand in: notebook, narrative, analysis, report, and what is left for the student to write.

    notebook: executed. study: by name; may be left out for the only one. output: the folder, which must not hold
    anything. technique: what to write about (None: what the notebook drew).
    """
    from bakeoff.teach import handin

    paths = (reader.path(notebook, "--notebook", text=False), reader.path(output, "--output", text=False))
    return handin.hand_in(paths[0], open_study(study, store=store), paths[1], technique)


def copy_store(source: Store | Path | str, target: Store | Path | str) -> "Moved":
    """Copy all that a store keeps to another place, a folder or a URL; what is there already and equal stays.

    Raises BakeoffError where something else is there; nothing is written then.
    """
    from bakeoff.runs import moves

    return moves.copy(_there(source), open_store(target))


def pack_store(source: Store | Path | str, target: Store | Path | str) -> "Moved":
    """Write a store as a few files to a place where nothing is; it is read like any other."""
    from bakeoff.runs import moves

    return moves.pack(_there(source), open_store(target))


def _there(store: Store | Path | str) -> Store:
    """A store that there is. Raises RequestError for one that there isn't."""
    found = open_store(store)
    if not found.storage.everything():
        raise RequestError(f"no store in {found.url}")
    return found


def report_file(store: Store, study: str, format: Format = "html") -> Path | str:
    """Where the report of a study is kept."""
    return store.study_file(study, f"report.{suffix(format)}")


def recipe_file(store: Store, derivation: str) -> Path | str:
    """Where the recipe of a derivation is kept, for `recipe=` and `--recipe`."""
    return store.study_file(derivation, "recipe.yaml")
