"""What does each technique buy on this data? Make the runs of a study that the store lacks, and estimate."""

from collections.abc import Sequence

from bakeoff.ablation.design import Design, Factorial, HalfWidth
from bakeoff.ablation.plan import factors
from bakeoff.ablation.size import enlarged, noise_pp, preview, shortened, sized
from bakeoff.data.dataset import Dataset
from bakeoff.errors import DataChanged
from bakeoff.events import Observer, RunEnded
from bakeoff.launch.base import Launcher, Unable, make
from bakeoff.launch.engines import Engine, launcher
from bakeoff.launch.queue import Batch, Queue, Trial, Try, used
from bakeoff.recipes.request import Job
from bakeoff.runs.idle import fitted
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.table import AnalysisOptions
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.events import StudyEnlarged, StudyGoesOn, StudyPlanned
from bakeoff.study.gather import gather, read
from bakeoff.study.sequential import reached
from bakeoff.study.spec import DesignPoint, StudySpec


def plan(job: Job, design: Design, where: Workspace) -> StudyPlanned:
    """Lay a study out, with what it would take and tell; nothing is run but a short timing."""
    dataset = job.task.load(where.folder)
    job = fitted(shortened(job, design, where, dataset), dataset)
    return _planned(job, design, where, dataset)


def _planned(job: Job, design: Design, where: Workspace, dataset: Dataset) -> StudyPlanned:
    spec = sized(job, design, where, dataset)
    return StudyPlanned(spec, preview(spec, job, design, where, dataset), noise_pp(job, design), where.store)


def ablate(job: Job, design: Design, where: Workspace, options: AnalysisOptions, observer: Observer) -> Results:
    """Measure what each technique of a job buys; runs that the store has are not made again."""
    Engine.parse(where.on)  # what isn't there is said at once
    dataset = job.task.load(where.folder)
    job = fitted(shortened(job, design, where, dataset), dataset)
    planned = _planned(job, design, where, dataset)
    observer(planned)
    found = analyse(gather(where.store, run_study(planned.spec, job, where, observer)), options)
    if larger := enlarged(found, job, design, where, dataset):
        assert isinstance(design, Factorial)
        assert isinstance(design.size, HalfWidth)
        size = planned.sizes[0]
        more = (len(larger.rows) - len(found.spec.rows)) * size.seconds / size.runs
        observer(StudyEnlarged(found, larger, design.size.points, more, where.store))
        found = analyse(gather(where.store, run_study(larger, job, where, observer)), options)
    return found


def run_study(spec: StudySpec, job: Job, where: Workspace, observer: Observer) -> StudySpec:
    """Keep a study, and make the runs that it lacks, in parallel: see `run_rows`. Returns what is kept of it.

    One that ends when it is settled is made from look to look.
    """
    where.store.prepare()
    kept = spec.save(where.store)
    with launcher(job.task, where, device=spec.device, jobs=spec.jobs, threads=spec.threads) as workers:
        made: tuple[int, ...] = ()
        while (due := reached(kept, read(where.store, kept, kept.rows) if kept.looks else [])).rows != made:
            if due.open and 0 < due.look < len(kept.looks):
                observer(StudyGoesOn(kept.looks[due.look - 1], kept.looks[due.look], due.open))
            made = due.rows
            run_rows(workers, kept, [(kept.rows[row], job) for row in made], where, observer)
    return kept


def run_rows(
    workers: Launcher, spec: StudySpec, runs: Sequence[tuple[DesignPoint, Job]], where: Workspace, observer: Observer
) -> None:
    """Make the runs that the store lacks; the observer is told of every one that ends.

    runs: rows of a study, or of the search that it begins, each with the job whose techniques its levels switch. Raises
    DataChanged where the data aren't those any more, and BakeoffError where workers can't make what is wanted.
    """
    task = runs[0][1].task
    trials = wanted(runs)
    batch = Batch(
        task=task.name,
        data_fingerprint=spec.data_fingerprint,
        threads=spec.threads,
        extensions=used(task.name, trials),
        trials=trials,
    )
    try:
        for ended, left in make(workers, Queue(where.store, spec.name), batch):
            status = "crashed" if ended.status == "failed" else ended.status
            observer(RunEnded(ended.run, status, ended.reason, ended.seconds, left))
    except Unable as error:
        if task.load(where.folder).fingerprint != spec.data_fingerprint:  # it may name what was changed
            raise DataChanged(str(error)) from None
        raise


def wanted(runs: Sequence[tuple[DesignPoint, Job]]) -> tuple[Trial, ...]:
    """Rows of a design as what any worker can make. runs: each with the job whose techniques its levels switch."""
    sorted_out = {id(job): factors(job) for _, job in runs}
    trials = []
    for row, job in runs:
        found = sorted_out[id(job)]
        tries = [Try(seed=seed, run=run) for seed, run in zip(row.seeds, row.runs, strict=True)]
        plans = found.plans(row.configuration)
        trials.append(Trial.of(plans, found.recipe(row.configuration).as_json(), tries))
    return tuple(trials)
