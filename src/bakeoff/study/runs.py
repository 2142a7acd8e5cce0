"""Which runs belong to which study."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, Literal, get_args

from bakeoff.errors import RequestError, unknown
from bakeoff.runs.record import RunRecord, Status
from bakeoff.runs.store import Store
from bakeoff.study.search import SearchSpec
from bakeoff.study.spec import StudySpec

Sort = Literal["age", "task", "status", "acc1", "time"]
SORTS: tuple[Sort, ...] = get_args(Sort)


def of_study(store: Store, name: str) -> frozenset[str]:
    """Ids of all runs that a study or a derivation is made of, made already or not; of the search as far as it is kept.

    name: in full, or its first characters. Raises RequestError if there is none of that name.
    """
    searches = store.study_names("search")
    there = sorted({*store.study_names(), *searches})
    found = [name] if name in there else [each for each in there if each.startswith(name)]
    if len(found) > 1:
        raise RequestError(f"study '{name}' is ambiguous in {store.url}: {', '.join(found)}")
    if not found:
        raise unknown(f"study in {store.url}", name, there)
    rows = []
    if found[0] in searches:
        asked = SearchSpec.load(store, found[0])
        rows += [*asked.initial.rows, *asked.warm_start, *asked.low_fidelity]
    if found[0] in store.study_names():
        spec = StudySpec.load(store, found[0])
        rows += [*spec.rows, *spec.search, *spec.published_baseline, *(point.row for point in spec.sweep_points)]
    return frozenset(run for row in rows for run in row.runs)


def studies_of(store: Store, runs: Iterable[str]) -> dict[str, list[str]]:
    """Studies that rest on some of these runs, each with which."""
    wanted = list(runs)
    found = {}
    for name in sorted({*store.study_names(), *store.study_names("search")}):
        theirs = of_study(store, name)
        if used := [run for run in wanted if run in theirs]:
            found[name] = used
    return found


def listed(
    store: Store, study: str | None = None, task: str | None = None, status: str | None = None, sort: Sort = "age"
) -> tuple[list[RunRecord], dict[str, str]]:
    """Runs of a store, oldest first or by another order, and those that can't be read with the reason.

    study, task, status: only those. A task is meant by its whole name or by the end of its path. Those that have no
    accuracy come last where it sorts, best first otherwise.

    Raises RequestError for a study or status that there isn't.
    """
    if status is not None and status not in get_args(Status):
        raise unknown("status", status, get_args(Status))
    among = None if study is None else of_study(store, study)
    records, broken = [], {}
    for run in store.ids():
        if among is not None and run not in among:
            continue
        try:
            record = store.read(run)
        except RequestError as error:
            broken[run] = str(error)
            continue
        if record and status in (None, record.status) and (task is None or _is_of(record, task)):
            records.append(record)
    match sort:
        case "task" | "status":
            records.sort(key=lambda record: str(getattr(record, sort)))
        case "acc1":
            records.sort(key=lambda record: -record.metrics.get("report", {}).get("acc1", -1.0))
        case "time":
            records.sort(key=lambda record: record.seconds)
    return records, broken


def _is_of(record: RunRecord, task: str) -> bool:
    return record.task == task or record.task.rstrip("/").endswith((f"/{task}", f":{task}"))


def as_rows(spec: StudySpec, records: Sequence[RunRecord | None]) -> list[dict[str, Any]]:
    """A study's runs as plain data: of each a row for each setting of the evaluation techniques.

    records: what stands for each row of the study. A run without a result has one row, and no accuracy.
    """
    rows = []
    for point, record in zip(spec.rows, records, strict=True):
        views = {view.name: view for view in record.views} if record and record.status == "done" else {}
        for setting, on in zip(spec.eval_settings, product((False, True), repeat=len(spec.evaluation)), strict=True):
            view = views.get(setting.view)
            rows.append(
                {
                    "run": record.run_id if record else point.runs[0],
                    "seed": point.block,
                    **dict(zip(spec.training, point.configuration, strict=True)),
                    **dict(zip(spec.evaluation, on, strict=True)),
                    **(dict(view.acc) if view else dict.fromkeys(spec.measures)),
                    "status": record.status if record else None,
                    "seconds": record.seconds if record else None,
                    "started": record.started if record else None,
                }
            )
    return rows
