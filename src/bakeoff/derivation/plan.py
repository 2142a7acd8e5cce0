"""Lay a derivation out: what is run first, what earlier studies left, and whether the budget is enough."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bakeoff import reader
from bakeoff.ablation.design import MOST_RUNS, Budget, Factorial, Runs
from bakeoff.ablation.plan import Factors, factors, plan_study, study_name
from bakeoff.ablation.size import arranged, for_less, seconds_per_image
from bakeoff.data.dataset import Dataset
from bakeoff.errors import RequestError
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe
from bakeoff.recipes.request import Job
from bakeoff.runs.idle import fitted
from bakeoff.runs.runner import SPLITS
from bakeoff.runs.store import Store
from bakeoff.runs.versions import ENGINE_VERSION, revisions
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import thompson
from bakeoff.study import decide, seeds
from bakeoff.study.search import Objective, SearchSpec
from bakeoff.study.spec import DesignPoint, StudySpec

_ROOM = 3  # batches of search that there must be room for before strengths are tried


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How a recipe is searched for.

    size: the time that passes, or the runs, for everything. objective: acc1 or acc5. always: candidates that stay on.
    max_time: seconds that one training may take. strengths: whether to try other strengths of the recipe's techniques,
    where the budget allows. seed: of the search.
    """

    size: Budget | Runs
    objective: Objective = "acc1"
    always: Sequence[str] = ()
    max_time: float | None = None
    strengths: bool = True
    seed: int = 0

    @property
    def budget(self) -> tuple[float, Literal["seconds", "runs"]]:
        """The amount, and its unit."""
        if isinstance(self.size, Runs):
            return float(reader.whole(self.size.count, "--runs", 1, MOST_RUNS)), "runs"
        return self.size.seconds, "seconds"


def plan_search(job: Job, search: SearchOptions, where: Workspace, dataset: Dataset) -> SearchSpec:
    """Lay a derivation out; nothing is run. One that was begun comes as it was.

    job: the recipe whose techniques are the candidates. Raises RequestError for what can't be had.
    """
    for name in search.always:
        if name not in job.recipe:
            raise RequestError(f"technique '{name}' can't stay on (--always): it isn't among the candidates")
    job = fitted(job, dataset)
    (budget, unit), slowest = search.budget, search.max_time
    seed = reader.whole(search.seed, "--seed", 0, reader.MOST_SEED)
    wanted: list[Any] = [search.objective, budget, unit, sorted(search.always), slowest, seed, job.recipe.as_json()]
    wanted += [job.plan.digest, dataset.fingerprint, ENGINE_VERSION, *revisions(job.plan).items()]
    name = study_name(job.task.name, "derive", wanted)
    if name in where.store.study_names("search"):
        return SearchSpec.load(where.store, name)
    slow = {}
    if slowest is not None:
        slow = _too_slow(job, plan_study(job, Factorial(seed=seed), where, dataset), slowest, where, dataset)
        job = fitted(job.without(list(slow)), dataset)
    spec = plan_study(job, Factorial(seed=seed), where, dataset)
    found, k = factors(job), len(spec.training)
    thompson.configurations(k)
    drawn = thompson.initial_design(k, seed)
    initial = replace(
        spec,
        name=name,
        rows=tuple(
            found.row(on_off, block, dataset.fingerprint)
            for on_off, block in zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True)
        ),
        not_applicable={**spec.not_applicable, **slow},
    )
    initial = arranged(initial, job, where, dataset)
    warm_start, low_fidelity = earlier(where.store, job, found, initial)
    whole, least = 1.0, float(len(drawn) + 3 * decide.LEAST)
    if unit == "seconds":
        whole, least = _least(initial, job, where, dataset)
    if budget < least:
        raise RequestError(_too_little(job, budget, least, unit))
    room = budget >= least + whole * (decide.DOSES + thompson.BATCH * _ROOM)
    return SearchSpec(
        initial,
        search.objective,
        budget,
        unit,
        tuple(search.always),
        slowest,
        warm_start,
        least,
        search.strengths and room,
        low_fidelity,
    )


def _too_slow(job: Job, spec: StudySpec, slowest: float, where: Workspace, dataset: Dataset) -> dict[str, str]:
    """The candidates that alone make training longer than the limit, with the reason."""
    device = where.torch_device()

    def took(plan: Plan) -> float:
        return seconds_per_image(plan, dataset, device, spec.threads) * plan.examples_seen

    base = took(job.compiled.base)
    if base > slowest:
        raise RequestError(f"the baseline alone trains for about {base:.0f} s, longer than the limit (--max-time)")
    slow = {}
    for technique in factors(job).training:
        alone = job.of(Recipe("alone", (technique,))).plan
        if (seconds := took(alone)) > slowest:
            slow[technique.name] = f"training takes about {seconds:.0f} s with it, the limit is {slowest:.0f} s"
    return slow


def _least(initial: StudySpec, job: Job, where: Workspace, dataset: Dataset) -> tuple[float, float]:
    """Seconds of a run of the whole recipe, and of the opening and the smallest proof, from short runs here."""
    k, device, found = len(initial.training), where.torch_device(), factors(job)
    both = (job.compiled.base, job.plan)
    per_image = statistics.mean(seconds_per_image(plan, dataset, device, initial.threads) for plan in both)
    looked_at = len(initial.eval_settings) * sum(len(dataset.splits[split]) for split in SPLITS) / 3  # no gradients

    def took(levels: Sequence[bool]) -> float:
        return per_image * (found.plans(levels)[0].examples_seen + looked_at) / initial.jobs

    whole, none = took((True,) * k), took((False,) * k)
    return whole, sum(took(row.configuration) for row in initial.rows) + decide.LEAST * (2 * whole + none)


def _too_little(job: Job, budget: float, least: float, unit: str) -> str:
    if unit == "runs":
        return f"{budget:.0f} runs aren't enough to begin a search and prove what it finds; that takes {least:.0f}"
    return (
        f"to begin a search and prove what it finds takes about {least / 60:.1f} minutes; give it that, leave "
        f"techniques out (--exclude), {for_less(job, budget / least)}"
    )


def earlier(
    store: Store, job: Job, found: Factors, initial: StudySpec
) -> tuple[tuple[DesignPoint, ...], tuple[DesignPoint, ...]]:
    """Runs of the store, outside the opening, that are configurations of the same candidates; and shorter ones.

    Of the shorter ones those of the length of which there are most; their seeds are marked (`seeds.SHORTER`).
    """
    ours = {run for row in initial.rows for run in row.runs}
    views = {level.view_of(split) for level in initial.eval_settings for split in SPLITS}
    lengths: dict[int, Factors] = {}
    warm_start: list[DesignPoint] = []
    low_fidelity: dict[int, list[DesignPoint]] = {}
    for run in sorted(store.ids()):
        try:
            record = store.read(run)
        except RequestError:  # one that can't be read stands in the way of no other: `store check` names it
            continue
        if record is None or record.status != "done" or run in ours:
            continue
        if record.data_fingerprint != initial.data_fingerprint or not views <= {view.name for view in record.views}:
            continue
        on = {name for technique in record.recipe for name in technique}
        levels = tuple(name in on for name in initial.training)
        base, seed = job.compiled.base, record.seed
        share = record.plan["examples_seen"] / found.plans(levels)[0].examples_seen
        length = round(share * base.examples_seen)
        if length not in lengths:
            lengths[length] = replace(found, job=job.of(job.recipe, base.model_copy(update={"examples_seen": length})))
        if share > 1 or lengths[length].row(levels, seed, record.data_fingerprint).runs[0] != run:
            continue
        if share == 1:
            warm_start.append(DesignPoint(levels, seed, (seed, seed), (run, run)))
        else:
            low_fidelity.setdefault(length, []).append(
                DesignPoint(levels, seed + seeds.SHORTER, (seed, seed), (run, run))
            )
    most = max(low_fidelity, key=lambda length: (len(low_fidelity[length]), length), default=0)
    return tuple(warm_start), tuple(low_fidelity.get(most, ()))
