"""Lay a derivation out: what is run first, what earlier studies left, and whether the budget is enough."""

import shlex
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from bakeoff.ablation import plan as layout
from bakeoff.ablation import size as sizing
from bakeoff.ablation.plan import Factors, factors, make_row, row_plans
from bakeoff.api import Job
from bakeoff.data.dataset import Dataset
from bakeoff.derivation.candidates import without
from bakeoff.engine import device as devices
from bakeoff.errors import RequestError
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.runs.runner import SPLITS
from bakeoff.runs.store import Store, open_store
from bakeoff.runs.versions import ENGINE_VERSION, revisions
from bakeoff.stats import thompson as search
from bakeoff.study import search as study
from bakeoff.study.search import Objective, Search
from bakeoff.study.spec import Row, Spec

_ROOM = 3  # batches of search that there must be room for before strengths are tried


def plan_search(
    job: Job,
    *,
    budget: float,
    unit: Literal["seconds", "runs"],
    objective: Objective = "acc1",
    always: Sequence[str] = (),
    slowest: float | None = None,
    strengths: bool = True,
    seed: int = 0,
    dataset: Dataset,
    store: Path | str | None = None,
    command: Sequence[str] = (),
    **request: Any,
) -> Search:
    """Lay a derivation out; nothing is run.

    job: the recipe whose techniques are the candidates. budget: in seconds that pass, or in runs. objective: acc1 or
    acc5. always: candidates that stay on. slowest: seconds that one training may take. strengths: whether to try other
    strengths of the recipe's techniques, where the budget allows. request: device, jobs, threads, data, as for
    `layout.plan_study`. Raises RequestError for what can't be had.
    """
    for name in always:
        if name not in job.recipe:
            raise RequestError(f"technique '{name}' can't stay on (--always): it isn't among the candidates")
    results = open_store(store)
    wanted: list[Any] = [objective, budget, unit, sorted(always), slowest, seed, job.recipe.as_json(), job.plan.digest]
    wanted += [dataset.fingerprint, ENGINE_VERSION, *revisions(job.plan).items()]
    name = layout.study_name(job.task.name, "derive", wanted)
    if name in study.searches(results):
        return Search.load(results, name)
    slow = {}
    if slowest is not None:
        spec = layout.plan_study(job, design_seed=seed, dataset=dataset, store=store, **request)
        slow = _too_slow(job, spec, slowest, dataset)
        job = without(job, slow)
    spec = layout.plan_study(job, design_seed=seed, dataset=dataset, store=store, **request)
    found, k = factors(job), len(spec.training)
    search.configurations(k)
    drawn = search.opening(k, seed)
    opening = replace(
        spec,
        name=name,
        rows=tuple(
            make_row(job, found, on_off, block, dataset.fingerprint)
            for on_off, block in zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True)
        ),
        not_applicable={**spec.not_applicable, **slow},
        command=shlex.join(["bakeoff", *command]) if command else "",
    )
    opening = sizing.arranged(
        opening,
        job,
        jobs=request["jobs"],
        threads=request["threads"],
        dataset=dataset,
        data=request["data"],
        store=store,
    )
    prior, shorter = earlier(results, job, found, opening)
    whole, least = 1.0, float(len(drawn) + 3 * study.LEAST + k)
    if unit == "seconds":
        whole, least = _least(opening, job, dataset)
    if budget < least:
        raise RequestError(_too_little(budget, least, unit))
    room = budget >= least + whole * (study.DOSES + search.BATCH * _ROOM)
    return Search(opening, objective, budget, unit, tuple(always), slowest, prior, least, strengths and room, shorter)


def _too_slow(job: Job, spec: Spec, slowest: float, dataset: Dataset) -> dict[str, str]:
    """The candidates that alone make training longer than the limit, with the reason."""
    device = devices.resolve(spec.device)

    def took(plan: Plan) -> float:
        return sizing.seconds_per_image(plan, dataset, device, spec.threads) * plan.examples_seen

    base = took(job.compiled.base)
    if base > slowest:
        raise RequestError(f"the baseline alone trains for about {base:.0f} s, longer than the limit (--max-time)")
    slow = {}
    for technique in factors(job).training:
        alone = compile_plan(job.task, Recipe("alone", (technique,)), job.compiled.base).plan
        if (seconds := took(alone)) > slowest:
            slow[technique.name] = f"training takes about {seconds:.0f} s with it, the limit is {slowest:.0f} s"
    return slow


def _least(opening: Spec, job: Job, dataset: Dataset) -> tuple[float, float]:
    """Seconds of a run of the whole recipe, and of the opening and the smallest proof, from short runs here."""
    k, device, found = len(opening.training), devices.resolve(opening.device), factors(job)
    both = (job.compiled.base, job.plan)
    per_image = statistics.mean(sizing.seconds_per_image(plan, dataset, device, opening.threads) for plan in both)
    looked_at = len(opening.levels) * sum(len(dataset.splits[split]) for split in SPLITS) / 3  # no gradients

    def took(levels: Sequence[bool]) -> float:
        return per_image * (row_plans(job, found, levels)[0].examples_seen + looked_at) / opening.jobs

    whole, none = took((True,) * k), took((False,) * k)
    return whole, sum(took(row.levels) for row in opening.rows) + study.LEAST * (2 * whole + none) + k * whole


def _too_little(budget: float, least: float, unit: str) -> str:
    if unit == "runs":
        return f"{budget:.0f} runs aren't enough to begin a search and prove what it finds; that takes {least:.0f}"
    return (
        f"to begin a search and prove what it finds takes about {least / 60:.1f} minutes; give it that, or train for "
        f"less (--length), or leave techniques out (--exclude)"
    )


def earlier(results: Store, job: Job, found: Factors, opening: Spec) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Runs of the store, outside the opening, that are configurations of the same candidates; and shorter ones.

    Of the shorter ones those of the length of which there are most; their seeds are marked (`study.SHORTER`).
    """
    ours = {run for row in opening.rows for run in row.runs}
    views = {level.view_of(split) for level in opening.levels for split in SPLITS}
    jobs: dict[int, Job] = {}
    prior: list[Row] = []
    shorter: dict[int, list[Row]] = {}
    for run in sorted(results.ids()):
        record = results.read(run)
        if record is None or record.status != "done" or run in ours:
            continue
        if record.data_fingerprint != opening.data_fingerprint or not views <= {view.name for view in record.views}:
            continue
        on = {name for technique in record.recipe for name in technique}
        levels = tuple(name in on for name in opening.training)
        base, seed = job.compiled.base, record.seed
        share = record.plan["examples_seen"] / row_plans(job, found, levels)[0].examples_seen
        length = round(share * base.examples_seen)
        if length not in jobs:
            other = base.model_copy(update={"examples_seen": length})
            jobs[length] = Job(job.task, job.recipe, compile_plan(job.task, job.recipe, other))
        if share > 1 or make_row(jobs[length], found, levels, seed, record.data_fingerprint).runs[0] != run:
            continue
        if share == 1:
            prior.append(Row(levels, seed, (seed, seed), (run, run)))
        else:
            shorter.setdefault(length, []).append(Row(levels, seed + study.SHORTER, (seed, seed), (run, run)))
    most = max(shorter, key=lambda length: (len(shorter[length]), length), default=0)
    return tuple(prior), tuple(shorter.get(most, ()))
