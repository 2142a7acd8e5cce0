"""What does each technique buy on this data? Make the runs of a study that the store lacks, and estimate."""

from collections import Counter
from collections.abc import Callable, Sequence

from bakeoff.ablation import trained
from bakeoff.ablation.design import Design, Factorial, HalfWidth
from bakeoff.ablation.size import enlarged, preview, sized
from bakeoff.ablation.subject import Subject
from bakeoff.errors import BakeoffError, DataChanged
from bakeoff.events import Observer, RunEnded
from bakeoff.launch.base import Launcher, Unable, make
from bakeoff.launch.engines import Engine, launcher
from bakeoff.launch.queue import Batch, Queue
from bakeoff.recipes.request import Job
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.table import AnalysisOptions
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.events import StudyEnlarged, StudyGoesOn, StudyPlanned
from bakeoff.study.gather import gather, read
from bakeoff.study.sequential import reached
from bakeoff.study.spec import DesignPoint, StudySpec

_FIRST = 3  # runs of a command or of those with a factor, that all fail: then its study stops


def plan(subject: Subject, design: Design) -> StudyPlanned:
    """Lay a study out, with what it would take and tell; nothing is run but a short timing."""
    return _planned(subject.fitted(design), design)


def _planned(subject: Subject, design: Design) -> StudyPlanned:
    spec = sized(subject, design)
    return StudyPlanned(spec, preview(spec, subject, design), subject.noise(design), subject.where.store)


def ablate(subject: Subject, design: Design, options: AnalysisOptions, observer: Observer) -> Results:
    """Measure what each technique of a subject buys; runs that the store has are not made again."""
    where = subject.where
    Engine.parse(where.on)  # what isn't there is said at once
    subject = subject.fitted(design)
    planned = _planned(subject, design)
    observer(planned)
    found = analyse(gather(where.store, run_study(planned.spec, subject, observer)), options)
    if larger := enlarged(found, subject, design):
        assert isinstance(design, Factorial)
        assert isinstance(design.size, HalfWidth)
        size = planned.sizes[0]
        more = (len(larger.rows) - len(found.spec.rows)) * size.seconds / size.runs
        observer(StudyEnlarged(found, larger, design.size.points, more, where.store))
        found = analyse(gather(where.store, run_study(larger, subject, observer)), options)
    return found


def run_study(spec: StudySpec, subject: Subject, observer: Observer) -> StudySpec:
    """Keep a study, and make the runs that it lacks, in parallel: see `run_rows`. Returns what is kept of it.

    One that ends when it is settled is made from look to look.
    """
    where = subject.where
    where.store.prepare()
    kept = spec.save(where.store)
    task = subject.task
    with launcher(task, where, device=spec.device, jobs=spec.jobs, threads=spec.threads) as workers:
        made: tuple[int, ...] = ()
        while (due := reached(kept, read(where.store, kept, kept.rows) if kept.looks else [])).rows != made:
            if due.open and 0 < due.look < len(kept.looks):
                observer(StudyGoesOn(kept.looks[due.look - 1], kept.looks[due.look], due.open))
            made = due.rows
            batch = subject.batch(kept, [kept.rows[row] for row in made])
            _make(workers, kept, batch, where, observer, subject.changed, give_up=task is None)
    return kept


def run_rows(
    workers: Launcher, spec: StudySpec, runs: Sequence[tuple[DesignPoint, Job]], where: Workspace, observer: Observer
) -> None:
    """Make the runs that the store lacks; the observer is told of every one that ends.

    runs: rows of a study, or of the search that it begins, each with the job whose techniques its levels switch. Raises
    DataChanged where the data aren't those any more, and BakeoffError where workers can't make what is wanted.
    """
    task = runs[0][1].task
    _make(workers, spec, trained.batch(spec, runs), where, observer, lambda spec: trained.changed(task, spec, where))


class _Failures:
    """How many runs failed and were made, with each factor on and off."""

    def __init__(self, spec: StudySpec) -> None:
        self._names = spec.training
        self._row = {run: row for row in spec.rows for run in row.runs}
        self._failed, self._made = Counter[str](), Counter[str]()

    def given_up(self, run: str, status: str) -> str:
        """Which runs have all failed, so that there is no use in more, after one that came to its end."""
        on_off = zip(self._names, self._row[run].configuration, strict=True)
        groups = ["runs", *(f"runs {'with' if on else 'without'} {name}" for name, on in on_off)]
        count = self._failed if status == "crashed" else self._made
        count.update(groups)
        return next((name for name in groups if self._failed[name] >= _FIRST and not self._made[name]), "")


def _make(
    workers: Launcher,
    spec: StudySpec,
    batch: Batch,
    where: Workspace,
    observer: Observer,
    changed: Callable[[StudySpec], bool],
    *,
    give_up: bool = False,
) -> None:
    """Have a batch made. give_up: where the first runs all fail, or the first with a factor, the others would too."""
    watch = _Failures(spec) if give_up else None
    try:
        for ended, left in make(workers, Queue(where.store, spec.name), batch):
            status = "crashed" if ended.status == "failed" else ended.status
            observer(RunEnded(ended.run, status, ended.reason, ended.seconds, left))
            if watch and (which := watch.given_up(ended.run, status)):
                raise BakeoffError(f"the first {_FIRST} {which} failed, so the study stops: {ended.reason}")
    except Unable as error:
        if changed(spec):  # it may name what was changed
            raise DataChanged(str(error)) from None
        raise
