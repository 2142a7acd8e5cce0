"""What does each technique buy on this data? Make the runs of a study that the store lacks, and estimate."""

from collections.abc import Container, Sequence
from dataclasses import replace

from bakeoff.ablation.design import Design, Factorial, HalfWidth
from bakeoff.ablation.plan import factors
from bakeoff.ablation.size import enlarged, noise_pp, preview, shortened, sized
from bakeoff.data.dataset import Dataset
from bakeoff.errors import BakeoffError, DataChanged
from bakeoff.events import Observer, RunEnded
from bakeoff.launch.base import Launcher, Trial
from bakeoff.launch.local import launcher
from bakeoff.launch.messages import TrainRun
from bakeoff.recipes.request import Job
from bakeoff.runs.idle import fitted
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.table import AnalysisOptions
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.events import StudyEnlarged, StudyGoesOn, StudyPlanned
from bakeoff.study.gather import gather, read
from bakeoff.study.sequential import reached
from bakeoff.study.spec import DesignPoint, StudySpec


def plan(job: Job, design: Design, where: Workspace) -> StudyPlanned:
    """Lay a study out, with what it would take and tell; nothing is run but a short timing."""
    dataset = job.task.load(where.data)
    job = fitted(shortened(job, design, where, dataset), dataset)
    return _planned(job, design, where, dataset)


def _planned(job: Job, design: Design, where: Workspace, dataset: Dataset) -> StudyPlanned:
    spec = sized(job, design, where, dataset)
    return StudyPlanned(spec, preview(spec, job, design, where, dataset), noise_pp(job, design), where.store)


def ablate(job: Job, design: Design, where: Workspace, options: AnalysisOptions, observer: Observer) -> Results:
    """Measure what each technique of a job buys; runs that the store has are not made again."""
    dataset = job.task.load(where.data)
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
            run_rows(workers, [(kept.rows[row], job) for row in made], spec.data_fingerprint, where, observer)
    return kept


def run_rows(
    workers: Launcher, runs: Sequence[tuple[DesignPoint, Job]], fingerprint: str, where: Workspace, observer: Observer
) -> None:
    """Make the runs that the store lacks; what fails is tried once more with another seed.

    runs, fingerprint: as for `missing`. The observer is told of every run that ends. Raises DataChanged where the data
    aren't those any more, and BakeoffError for a run that was made and isn't in the store, as where it got another id
    elsewhere: it would be made for ever.
    """
    store = where.store
    crashed: set[str] = set()
    made: set[str] = set()
    while trials := missing(runs, fingerprint, store, crashed):
        if lost := next((trial.run for trial in trials if trial.run in made), None):
            raise BakeoffError(f"run {lost} was made and isn't in {store.url}; what made it isn't what asked for it")
        left = len(trials)
        for trial, answer in workers.launch(trials):
            left -= 1
            if answer.status == "refused":
                runs[0][1].task.load(where.data)  # names what was changed, where it can
                raise DataChanged(answer.reason)
            if answer.status == "done":
                made.add(trial.run)
            if answer.status == "crashed":
                crashed.add(trial.run)
                record = store.read(trial.run)
                if record and record.status == "interrupted":  # its process had no time to say so
                    store.write(replace(record, status="crashed", reason=answer.reason))
            observer(RunEnded(trial.run, answer.status, answer.reason, answer.seconds, left))


def missing(
    runs: Sequence[tuple[DesignPoint, Job]], fingerprint: str, store: Store, crashed: Container[str] = ()
) -> list[Trial]:
    """The runs that the store lacks: of each row the first try, or the second where the first failed.

    runs: rows, each with the job whose techniques its levels switch. fingerprint: of their data. crashed: runs not to
    be tried again; a run that crashed earlier is, since the reason may be gone.
    """
    sorted_out = {id(job): factors(job) for _, job in runs}
    views = {key: {level.view for level in found.levels()} for key, found in sorted_out.items()}
    trials = []
    for row, job in runs:
        found, wanted = sorted_out[id(job)], views[id(job)]
        for seed, run in zip(row.seeds, row.runs, strict=True):
            record = store.read(run, wanted)
            if run in crashed or (record and record.status == "diverged"):
                continue
            if not (record and record.status == "done" and wanted <= {view.name for view in record.views}):
                plans = tuple(found.plans(row.configuration))
                recipe = found.recipe(row.configuration).as_json()
                work = TrainRun(task=job.task.name, recipe=recipe, plans=plans, seed=seed, data_fingerprint=fingerprint)
                trials.append(Trial(run, work, cost=float(plans[0].examples_seen * plans[0].train_px ** 2)))
            break
    return trials
