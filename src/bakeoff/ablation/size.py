"""How large a study is and how it is run: by time, by the width of its intervals, on how many processes."""

import math
import os
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bakeoff.ablation.plan import CORNERS, design_of, factors, plan_study, row_plans
from bakeoff.api import Job, data_folder
from bakeoff.data.dataset import Dataset
from bakeoff.engine import device as devices
from bakeoff.engine import timing
from bakeoff.errors import RequestError
from bakeoff.launch.parallel import arrange, speeds
from bakeoff.plan import Plan
from bakeoff.runs.runner import SPLITS, decoders
from bakeoff.runs.store import open_store
from bakeoff.stats import designs
from bakeoff.stats.intervals import t_quantile
from bakeoff.stats.power import Kind, runs_for, stein
from bakeoff.study.analyse import Results
from bakeoff.study.preview import Choice, choices
from bakeoff.study.spec import Spec

_MOST_BLOCKS = 40  # beyond, the evaluation images are what limits the intervals
_WORTH_TIMING = 120.0  # seconds of a study: to time its processes takes about 5


def sized(
    job: Job, half_width: float | None = None, limit: float | None = None, length: float = 1.0, **request: Any
) -> Spec:
    """A study laid out, of the size that was asked for.

    half_width: of the intervals, in points: the study is a first stage, which `enlarged` goes on from. limit: in
    seconds: the largest factorial that fits. length: the job's, for advice. request: as for `plan_study`. Raises
    RequestError for sizes that contradict each other, and if not even the smallest factorial fits.
    """
    spec = plan_study(job, **request)
    for option, given in (("--half-width", half_width), ("--budget", limit)):
        taken = request["runs"] or request["seeds"] or (half_width and limit)
        if given is not None and (spec.design != "factorial" or taken):
            others = "--runs and --seeds" if half_width is None else "--budget, --runs and --seeds"
            raise RequestError(f"{option} picks the size of a factorial; leave {others} out")
    if half_width is not None and not 0 < half_width < math.inf:
        raise RequestError(f"--half-width takes points above 0, not {half_width:g}")
    spec = _arranged(spec, job, request)
    if limit is None:
        return spec
    whole = prospects(spec, job, request["dataset"])[0]
    per_run, block = whole.seconds / whole.runs, _block(spec)
    blocks = min(_MOST_BLOCKS, int((limit / per_run - 2 * CORNERS) // block))
    if blocks < 1:
        raise RequestError(
            f"the smallest factorial takes about {whole.seconds / 60:.1f} minutes; give it that, or train for less "
            f"(--length {length * limit / whole.seconds:.2g})"
        )
    return _arranged(plan_study(job, **{**request, "runs": blocks * block}), job, request, like=spec)


def enlarged(first: Results, half_width: float, job: Job, **request: Any) -> Spec | None:
    """The study that goes on from a first one until the intervals are +-`half_width` points; None if they are.

    Its size comes from the first one's noise (`power.stein`). job, request: what `first` was planned from. Raises
    RequestError where that takes more runs than a study has.
    """
    spec = first.spec
    known = [effect for effect in first.main[: len(spec.training)] if math.isfinite(effect.se)]
    widest = max(known, key=lambda effect: effect.se, default=None)
    if widest is None or (now := t_quantile(widest.level, widest.df) * widest.se) <= half_width:
        return None
    runs, block = len(spec.rows), _block(spec)
    noise, most = widest.se * math.sqrt(runs) / 2, _MOST_BLOCKS * block + 2 * CORNERS
    blocks = math.ceil((stein(noise, widest.df, runs, half_width) - 2 * CORNERS) / block)
    if blocks > _MOST_BLOCKS:
        raise RequestError(
            f"intervals of +-{half_width:g} points take about {blocks * block:,} runs at this noise, and a study has "
            f"{most} at most, for about +-{now * math.sqrt(runs / most):.2g}; `bakeoff report {spec.name}` shows the "
            f"first {runs}"
        )
    larger = plan_study(job, **{**request, "runs": blocks * block})
    return _arranged(replace(larger, first_stage=spec.name), job, request, like=spec)


def prospects(spec: Spec, job: Job, dataset: Dataset, half_width: float | None = None) -> list[Choice]:
    """What the study would take and tell at its size, and at others that the design can have.

    The time comes from short runs on this machine. How large the noise is, only the study will show: the task's own is
    taken if it is known, else effects are in units of it. half_width: its size is there too, where that is known.
    """
    k, device = len(spec.training), devices.resolve(spec.device)
    both = (job.compiled.base, job.plan)
    per_image = statistics.mean(seconds_per_image(plan, dataset, device, spec.threads) for plan in both)
    levels = [row.levels for row in spec.rows]
    found = factors(job)
    shown = sum(row_plans(job, found, level)[0].examples_seen for level in levels)
    looked_at = len(levels) * len(spec.levels) * sum(len(dataset.splits[split]) for split in SPLITS)
    whole = per_image * (shown + looked_at / 3) / spec.jobs  # without gradients a third is left
    kind, noise = spec.design, job.task.noise_pp
    sizes = {len(spec.rows), *other_sizes(kind, k)}
    if half_width is not None and noise is not None:
        block = _block(spec)
        blocks = math.ceil((runs_for("factorial", half_width, noise, k) - 2 * CORNERS) / block)
        sizes.add(min(max(2, blocks), _MOST_BLOCKS) * block + 2 * CORNERS)
    return choices(kind, {runs: whole * runs / len(spec.rows) for runs in sorted(sizes)}, k, noise)


def other_sizes(kind: Kind, k: int) -> list[int]:
    """A few sizes, in runs, that a design comes in."""
    if kind == "factorial":
        return [len(designs.factorial(k)) * blocks + 2 * CORNERS for blocks in (1, 2, 4)]
    return [len(design_of(kind, k, seeds, None, 0)) for seeds in (2, 4, 8)]


def seconds_per_image(plan: Plan, dataset: Dataset, device: torch.device, threads: int) -> float:
    """Training time per image of a plan in one process, from a moment of it."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return timing.seconds_per_image(plan, dataset, device, seconds=0.2, workers=decoders(dataset, None))
    finally:
        torch.set_num_threads(before)


def arranged(
    spec: Spec,
    job: Job,
    *,
    jobs: int | None,
    threads: int | None,
    dataset: Dataset,
    data: Path | str | None = None,
    store: Path | str | None = None,
    like: Spec | None = None,
) -> Spec:
    """A study with its processes and threads settled: as asked for, as it began, or as a short timing says.

    jobs, threads: what was asked for. It is timed only where there is something to choose and the study is long enough;
    what was chosen stays with the study, so that going on with it can't change its bits. like: a study of the same job
    that is settled already.
    """
    cores, results = os.cpu_count() or 1, open_store(store)
    if jobs or threads:
        return replace(spec, arrangement="as asked for")
    if spec.name in results.study_names():
        begun = Spec.load(results, spec.name)
        return replace(spec, jobs=begun.jobs, threads=begun.threads, arrangement=begun.arrangement)
    if like:
        return replace(spec, jobs=like.jobs, threads=like.threads, arrangement=like.arrangement)
    if spec.device != "cpu":
        return replace(spec, arrangement="one device")
    if cores == 1:
        return replace(spec, arrangement="one core")
    found = factors(job)
    shown = sum(row_plans(job, found, row.levels)[0].examples_seen for row in spec.rows)
    alone = seconds_per_image(job.plan, dataset, devices.resolve(spec.device), spec.threads)
    if shown * alone / spec.jobs < _WORTH_TIMING:
        return replace(spec, arrangement="too short a study to time others")
    plans = [plan.model_dump(mode="json") for plan in (job.compiled.base, job.plan)]
    most = min(cores, len(spec.rows))
    with speeds(spec.task, plans, data=data_folder(data), device=spec.device, most=most) as speed:
        best = arrange(cores, most, speed)
    return replace(spec, jobs=best.jobs, threads=best.threads, arrangement=best.why)


def _arranged(spec: Spec, job: Job, request: dict[str, Any], like: Spec | None = None) -> Spec:
    asked = {name: request.get(name) for name in ("jobs", "threads", "data", "store")}
    return arranged(spec, job, dataset=request["dataset"], **asked, like=like)


def _block(spec: Spec) -> int:
    """Runs that a factorial grows by."""
    return len(designs.factorial(len(spec.training)))
