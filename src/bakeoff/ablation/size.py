"""How large a study is and how it is run: by time, by the width of its intervals, on how many processes."""

import math
import os
import statistics
from dataclasses import replace

import torch

from bakeoff.ablation.design import (
    CORNERS,
    FEWEST_SEEDS,
    AddOne,
    Budget,
    Design,
    Factorial,
    HalfWidth,
    Ladder,
    LeaveOneOut,
    Runs,
    Seeds,
    Settled,
    least_runs,
)
from bakeoff.ablation.plan import factors, plan_study
from bakeoff.ablation.subject import Subject
from bakeoff.data.dataset import Dataset
from bakeoff.engine import timing
from bakeoff.errors import RequestError
from bakeoff.events import Doing, tell
from bakeoff.launch.base import stays_here
from bakeoff.launch.engines import Engine
from bakeoff.launch.parallel import fastest
from bakeoff.plan import Plan
from bakeoff.recipes.request import Job
from bakeoff.runs.runner import SPLITS, num_workers
from bakeoff.runs.workspace import LOCAL, Workspace
from bakeoff.stats import designs
from bakeoff.stats.designs import LEAST_SEEDS
from bakeoff.stats.intervals import t_quantile
from bakeoff.stats.power import runs_for, stein
from bakeoff.stats.sequential import share
from bakeoff.study.analyse import Results
from bakeoff.study.events import StudyEstimated, StudyShortened
from bakeoff.study.preview import SizeOption, size_options
from bakeoff.study.spec import StudySpec

_MOST_SEEDS = 200  # of a leave-one-out that fills a time
_MOST_BLOCKS = 40  # beyond, the evaluation images are what limits the intervals
_SHORTEST = 0.05  # share of its length that a training is cut to, so that a study fits into a time
LEAST_STEPS = 100  # of a baseline: those of digits and mnist-5k get over 80 % right in 38 to 78, 44 % in 20
_WORTH_TIMING = 120.0  # seconds of a study: to time its processes takes about 5


def sized(subject: Subject, design: Design) -> StudySpec:
    """A study laid out, of the size that was asked for; for a width, its first stage, which `enlarged` goes on from.

    Raises RequestError if not even the smallest factorial fits the budget.
    """
    size = design.size if isinstance(design, Factorial) else None
    if isinstance(size, HalfWidth) and not 0 < size.points < math.inf:
        raise RequestError(f"--half-width takes points above 0, not {size.points:g}")
    limit = _limit(design)  # read before the machine is timed
    spec = subject.laid_out(design)
    if limit is None and (estimate := subject.estimated(spec)) is not None:
        tell(StudyEstimated(len(spec.rows), estimate))
    spec = subject.arranged(spec)
    if limit is None:
        return spec
    subject.time(spec)
    whole = preview(spec, subject, design)[0]
    per_run = whole.seconds / whole.runs
    if (took := per_run * _least(design, len(spec.training))) > limit:
        raise RequestError(
            f"the smallest {design.kind} takes about {took / 60:.1f} minutes; give it that, leave techniques out "
            f"(--without){subject.for_less(limit / took)}"
        )
    return subject.arranged(subject.laid_out(_fitting(design, spec, int(limit / per_run))), like=spec)


def _limit(design: Design) -> float | None:
    """The seconds that a study may take, if that is what was asked for."""
    match design:
        case Factorial(Budget() as time) | LeaveOneOut(Settled(Budget() as time)):
            return time.seconds
    return None


def _least(design: Design, k: int) -> int:
    """The fewest runs that a design fills a time with."""
    return FEWEST_SEEDS * (k + 1) if isinstance(design, LeaveOneOut) else least_runs(k) + 2 * CORNERS


def _fitting(design: Design, spec: StudySpec, runs: int) -> Design:
    """The largest design of as many runs."""
    k = len(spec.training)
    match design:
        case LeaveOneOut(Settled() as size):
            return replace(design, size=replace(size, within=Seeds(min(_MOST_SEEDS, runs // (k + 1)))))
        case _:
            blocks = min(_MOST_BLOCKS, (runs - 2 * CORNERS) // _block(spec))
            return Factorial(Runs(max(blocks * _block(spec), least_runs(k))), design.seed)


def for_less(job: Job, share: float) -> str:
    """The advice to train for a share of the length, with what that risks; or not to, where hardly any would learn."""
    length, steps = f"--length {job.request.length * share:.2g}", job.compiled.base.steps * share
    if steps < LEAST_STEPS:
        return f"but don't train for less ({length}): {max(1, round(steps))} steps may be too few to learn anything"
    return f"or train for less ({length}), where techniques that need long training look worse than they are"


def estimated(spec: StudySpec, job: Job, where: Workspace, dataset: Dataset) -> float:
    """Seconds that a study takes by the speed of the machine alone, before anything is timed."""
    speed, found = timing.speed(where.torch_device()), factors(job)
    training = sum(speed.seconds(found.plans(row.configuration)[0]) for row in spec.rows)
    shown = sum(found.plans(row.configuration)[0].examples_seen for row in spec.rows)
    return training * (1 + _looked_at(spec, dataset) / shown)


def shortened(job: Job, design: Design, where: Workspace, dataset: Dataset) -> Job:
    """A job whose smallest factorial fits into the time that was asked for, where no length was.

    Only for somebody's own data whose plan was chosen here: there, no length is more right than another.
    """
    limit = _limit(design)
    if limit is None or job.chosen is None or job.request.length != 1.0:
        return job
    spec = plan_study(job, design, where, dataset)
    least = seconds_of(spec, job, where, dataset) / len(spec.rows) * _least(design, len(spec.training))
    if least <= limit:
        return job
    length = math.floor(100 * limit / least) / 100
    if length < _SHORTEST or length * job.compiled.base.steps < LEAST_STEPS:
        return job
    tell(StudyShortened(length, limit))
    base = job.compiled.base
    shorter = base.model_copy(update={"examples_seen": max(1, round(length * base.examples_seen))})
    return replace(job.of(job.recipe, shorter), request=replace(job.request, length=length))


def enlarged(first: Results, subject: Subject, design: Design) -> StudySpec | None:
    """The study that goes on from a first one until its intervals are as narrow as asked for; None if they are.

    Its size comes from the first one's noise (`power.stein`). Raises RequestError where that takes more runs than a
    study has.
    """
    if not (isinstance(design, Factorial) and isinstance(design.size, HalfWidth)):
        return None
    spec, wanted = first.spec, design.size.points
    known = [effect for effect in first.main[: len(spec.training)] if math.isfinite(effect.se)]
    widest = max(known, key=lambda effect: effect.se, default=None)
    if widest is None or (now := t_quantile(widest.level, widest.df) * widest.se) <= wanted:
        return None
    block, most = _block(spec), _MOST_BLOCKS * _block(spec)
    noise = widest.se * math.sqrt(widest.runs) / 2
    blocks = math.ceil(stein(noise, widest.df, widest.runs, wanted) / block)
    if blocks > _MOST_BLOCKS:
        raise RequestError(
            f"intervals of +-{wanted:g} points take about {blocks * block:,} runs at this noise, and a study has "
            f"{most} at most, for about +-{now * math.sqrt(widest.runs / most):.2g}; "
            f"`bakeoff report {spec.name}` shows the first {len(spec.rows)}"
        )
    larger = subject.laid_out(replace(design, size=Runs(blocks * block)))
    return subject.arranged(replace(larger, first_stage=spec.name), like=spec)


def preview(spec: StudySpec, subject: Subject, design: Design) -> list[SizeOption]:
    """What the study would take and tell at its size, and at others that the design can have.

    How large the noise is, only the study will show: the subject's own is taken if it is known, else effects are in
    units of it; where it is known and a width was asked for, the size for that is there too.
    """
    k, whole = len(spec.training), subject.seconds(spec)
    noise, sizes = subject.noise(design), {len(spec.rows), *_other_sizes(design, spec)}
    if isinstance(design, Factorial) and isinstance(design.size, HalfWidth) and noise is not None:
        block = _block(spec)
        blocks = math.ceil(runs_for("factorial", design.size.points, noise, k) / block)
        sizes.add(min(max(2, blocks), _MOST_BLOCKS) * block + 2 * CORNERS)
    corners = 2 * CORNERS if isinstance(design, Factorial) else 0
    times = {runs: whole * runs / len(spec.rows) for runs in sorted(sizes)}
    shares = {seeds * (k + 1): share(look, len(spec.looks)) for look, seeds in enumerate(spec.looks, start=1)}
    return size_options(design.kind, times, k, noise, corners, shares)


def seconds_of(spec: StudySpec, job: Job, where: Workspace, dataset: Dataset) -> float:
    """How long a study of our own trainer takes here, by short runs on this machine."""
    device, both = where.torch_device(), (job.compiled.base, job.plan)
    per_image = statistics.mean(seconds_per_image(plan, dataset, device, spec.threads) for plan in both)
    levels = [row.configuration for row in spec.rows]
    found = factors(job)
    shown = sum(found.plans(level)[0].examples_seen for level in levels)
    return per_image * (shown + _looked_at(spec, dataset)) / spec.jobs


def noise_pp(job: Job, design: Design) -> float | None:
    """The run-to-run sd in points that was measured on a job's task, of the configurations of such a design."""
    return job.task.noise_in_recipe_pp if isinstance(design, LeaveOneOut) else job.task.noise_pp


def _looked_at(spec: StudySpec, dataset: Dataset) -> float:
    """Images of a study's evaluations, as many to be trained on take as long: without gradients a third is left."""
    return len(spec.rows) * len(spec.eval_settings) * sum(len(dataset.splits[split]) for split in SPLITS) / 3


def _other_sizes(design: Design, spec: StudySpec) -> list[int]:
    """A few sizes, in runs, that a design comes in, or that a study may end with."""
    k = len(spec.training)
    match design:
        case Factorial():
            return [runs + 2 * CORNERS for runs in (least_runs(k), *(len(designs.factorial(k)) * n for n in (2, 4)))]
        case LeaveOneOut(Settled()):
            return [seeds * (k + 1) for seeds in spec.looks]
        case LeaveOneOut() | AddOne() | Ladder():
            return [count * (k + 1) for count in (LEAST_SEEDS, 2 * LEAST_SEEDS, 4 * LEAST_SEEDS)]


def seconds_per_image(plan: Plan, dataset: Dataset, device: torch.device, threads: int) -> float:
    """Training time per image of a plan in one process, from a moment of it, or as it was timed before."""
    tell(Doing(f"timing a few steps of {plan.model.name} at {plan.train_px} px"))
    return timing.timed(plan, dataset, device, threads, num_workers(dataset, "train", plan, device, None))


def arranged(spec: StudySpec, job: Job, where: Workspace, dataset: Dataset, like: StudySpec | None = None) -> StudySpec:
    """A study with its processes and threads settled: as asked for, as it began, or as a short timing says.

    It is timed only where there is something to choose and the study is long enough; what was chosen stays with the
    study, so that going on with it can't change its bits. like: a study of the same job that is settled already.
    """
    cores = os.cpu_count() or 1
    if here := stays_here(job.task, where):
        threads = torch.get_num_threads()
        return replace(spec, jobs=1, threads=threads, arrangement=f"in this process, which alone has {here}")
    if where.jobs or where.threads:
        return replace(spec, arrangement="as asked for")
    if spec.name in where.store.study_names():
        begun = StudySpec.load(where.store, spec.name)
        return replace(spec, jobs=begun.jobs, threads=begun.threads, arrangement=begun.arrangement)
    if where.on != LOCAL:
        jobs = Engine.parse(where.on).at_once()
        return replace(spec, jobs=jobs, threads=1, arrangement=f"workers on {where.on}: --jobs says how many")
    if like:
        return replace(spec, jobs=like.jobs, threads=like.threads, arrangement=like.arrangement)
    device = where.torch_device()
    if device.type not in ("cpu", "cuda"):
        return replace(spec, arrangement="one device")
    if cores == 1:
        return replace(spec, arrangement="one core")
    found = factors(job)
    shown = sum(found.plans(row.configuration)[0].examples_seen for row in spec.rows)
    alone = seconds_per_image(job.plan, dataset, device, spec.threads)
    if shown * alone / spec.jobs < _WORTH_TIMING:
        return replace(spec, arrangement="too short a study to time others")
    most = min(cores, len(spec.rows))
    tell(Doing("timing processes and threads"))
    best = fastest(job.task, (job.compiled.base, job.plan), where, most=most)
    return replace(spec, jobs=best.jobs, threads=best.threads, arrangement=best.why)


def _block(spec: StudySpec) -> int:
    """Runs that a factorial grows by."""
    return len(designs.factorial(len(spec.training)))
