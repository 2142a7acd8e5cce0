"""Which recipe is best on this data? Search for it on one split, prove it with fresh runs on another."""

import math
import shlex
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from bakeoff import ablation, recipes, techniques
from bakeoff.ablation import Factors, factors, make_row, row_plans
from bakeoff.api import Job, data_folder, plan_job
from bakeoff.data.dataset import Dataset
from bakeoff.engine import device as devices
from bakeoff.engine.train import ENGINE_VERSION
from bakeoff.errors import RequestError
from bakeoff.launch import Outcome
from bakeoff.plan import Plan
from bakeoff.recipe import Recipe, compile_plan
from bakeoff.runner import SPLITS
from bakeoff.store import Store, open_store, write_text
from bakeoff.study import derive as study
from bakeoff.study import doses, search
from bakeoff.study import strengths as screening
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.derive import Look, Objective, Search
from bakeoff.study.runs import Bools
from bakeoff.study.spec import SPLIT, Dose, Knob, Row, Spec
from bakeoff.study.table import DEFAULT, Effect, Reading

PUBLISHED = "torchvision-2021"
_SEARCH, _DOSES, _PROOF, _RIVAL = 1_000, 50_000, 100_000, 200_000  # first seeds: what is proved has its own
_ROOM = 3  # batches of search that there must be room for before strengths are tried

Stage = Literal["opening", "search", "strengths", "proof"]


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
    `ablation.plan_study`. Raises RequestError for what can't be had.
    """
    for name in always:
        if name not in job.recipe:
            raise RequestError(f"technique '{name}' can't stay on (--always): it isn't among the candidates")
    results = open_store(store)
    wanted = [objective, budget, unit, sorted(always), slowest, seed, job.recipe.as_json(), job.plan.digest]
    name = ablation.study_name(job.task.name, "derive", [*wanted, dataset.fingerprint, ENGINE_VERSION])
    if name in study.searches(results):
        return Search.load(results, name)
    spec = ablation.plan_study(job, design_seed=seed, dataset=dataset, store=store, **request)
    slow = _too_slow(job, spec, slowest, dataset) if slowest is not None else {}
    job = _without(job, slow)
    spec = ablation.plan_study(job, design_seed=seed, dataset=dataset, store=store, **request)
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
    opening = ablation.arranged(
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


def _without(job: Job, names: Iterable[str]) -> Job:
    """A job with fewer candidates."""
    recipe = job.recipe
    for name in names:
        if name in recipe:
            recipe = recipe.minus(name)
    return Job(job.task, recipe, compile_plan(job.task, recipe, job.compiled.base))


def _too_slow(job: Job, spec: Spec, slowest: float, dataset: Dataset) -> dict[str, str]:
    """The candidates that alone make training longer than the limit, with the reason."""
    device = devices.resolve(spec.device)

    def took(plan: Plan) -> float:
        return ablation.seconds_per_image(plan, dataset, device, spec.threads) * plan.examples_seen

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
    per_image = statistics.mean(ablation.seconds_per_image(plan, dataset, device, opening.threads) for plan in both)
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


def derive(
    task: str = "digits",
    recipe: str = "torchvision-2021",
    *,
    budget: float | None = None,
    runs: int | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    always: Sequence[str] = (),
    settings: Sequence[str] = (),
    model: str | None = None,
    length: float = 1.0,
    objective: Objective = "acc1",
    max_time: float | None = None,
    strengths: bool = True,
    seed: int = 0,
    device: str = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    data: Path | str | None = None,
    store: Path | str | None = None,
) -> Results:
    """Find the best recipe for a task, and prove it; runs that the store has are not made again.

    recipe, include, exclude: the candidates. budget: seconds that pass; runs: instead. max_time: seconds that one
    training may take. The recipe's file is `studies/NAME/recipe.yaml` in the store, NAME being `results.spec.name`.
    """
    if (budget is None) == (runs is None):
        raise RequestError("a derivation needs a budget: seconds (budget=3600), or runs (runs=80)")
    job = plan_job(
        task, recipe, with_=include, without=exclude, settings=settings, model=model, length=length, data=data
    )
    dataset = job.task.load(data_folder(data))
    asked = plan_search(
        job, budget=float(runs or budget or 0), unit="runs" if runs else "seconds", objective=objective, always=always,
        slowest=max_time, strengths=strengths, seed=seed, dataset=dataset, store=store, device=device, jobs=jobs,
        threads=threads, data=data,
    )  # fmt: skip
    spec = run_search(asked, job, data=data, store=store)
    return finish(asked, job, spec, open_store(store), DEFAULT)[0]


def run_search(
    asked: Search,
    job: Job,
    *,
    data: Path | str | None = None,
    store: Path | str | None = None,
    planned: Callable[[Stage, Look | None, Sequence[Row]], None] = lambda stage, look, rows: None,
    report: Callable[[Outcome, int], None] = lambda outcome, left: None,
) -> Spec:
    """Search, freeze, prove; what the store has is not run again. Returns the study of the proof.

    planned: called before every batch of runs with the stage, what led to it, and the runs. report: after every run
    with its outcome and the number of runs left in the batch. The best recipe so far is in `recipe.yaml` from the
    opening on.
    """
    results = open_store(store)
    results.prepare()
    asked = asked.save(results)
    job = _without(job, asked.opening.not_applicable)
    found, fingerprint = factors(job), asked.opening.data_fingerprint

    rows = list(asked.opening.rows)
    taken = {run for row in asked.prior for run in row.runs}
    with ablation.crew(asked.opening, results, data) as crew:

        def run(stage: Stage, now: Look | None, runs: Sequence[tuple[Row, Job]]) -> None:
            planned(stage, now, [row for row, _ in runs])
            ablation.run_rows(crew, runs, results, report)

        run("opening", None, [(row, job) for row in rows])
        while True:
            now = study.look(asked, results, rows)
            write_recipe(asked, job, now, results)
            if why := study.enough(asked, now):
                planned("search", now, ())
                break
            proposed = study.proposals(asked, now)
            shared = search.seeds(proposed, _SEARCH + len(rows))
            batch = [
                _fresh(job, found, levels, seed, fingerprint, taken)
                for levels, seed in zip(proposed.tolist(), shared.tolist(), strict=True)
            ]
            run("search", now, [(row, job) for row in batch])
            rows += batch
        knobs, tried, spent = _strengths(asked, now, rows, job, results, run)
        tuned = dosed(job, knobs, [knob.chosen for knob in knobs])
        spec, rival = prove(asked, now, rows, tuned, spent)
        spec = replace(spec, ended=why, knobs=knobs, doses=tried, touched=study.touched(asked, results)).save(results)
        run("proof", now, [*((row, tuned) for row in spec.rows), *((row, rival) for row in spec.rival)])
    return spec


def _strengths(
    asked: Search,
    now: Look,
    rows: Sequence[Row],
    job: Job,
    results: Store,
    run: Callable[[Stage, Look, Sequence[tuple[Row, Job]]], None],
) -> tuple[tuple[Knob, ...], tuple[Dose, ...], float]:
    """Try other strengths of the recipe: the knobs with what was chosen, the runs, and what is spent of the budget."""
    knobs = knobs_of(job, asked.opening, now.reference) if asked.strengths else []
    if not knobs:
        return (), (), now.spent
    coded = screening.design(len(knobs), asked.opening.design_seed)
    first = len(coded) * study.cost(asked, now, now.standing.best[None]).sum()
    if now.spent + first + study.proof_cost(asked, now, study.LEAST, 1) > asked.budget:
        return (), (), now.spent
    training = now.reference[: len(now.standing.best)]
    tried: list[Dose] = []
    while True:
        batch: list[tuple[Dose, Job]] = []
        for at in coded.tolist():
            other = dosed(job, knobs, at)
            seed = _DOSES + len(tried) + len(batch)
            row = make_row(other, factors(other), training, seed, asked.opening.data_fingerprint)
            batch.append((Dose(tuple(at), row), other))
        run("strengths", now, [(dose.row, other) for dose, other in batch])
        tried += [dose for dose, _ in batch]
        seen = doses.look(asked, results, now, rows, knobs, tried)
        if doses.enough(asked, now, seen, tried):
            chosen = zip(knobs, seen.best.tolist(), strict=True)
            return tuple(replace(knob, chosen=at) for knob, at in chosen), tuple(tried), seen.spent
        coded = doses.more(asked, seen, tried)


def knobs_of(job: Job, opening: Spec, reference: Sequence[bool]) -> list[Knob]:
    """The strengths of a recipe that can be tried: three values make three trainings, and the job has one of them."""
    recipe = recipe_of(job, opening, reference)
    found = []
    for technique in recipe.techniques:
        if technique.strengths is None:
            continue
        knob, values = technique.strengths
        at = [value for value in values if math.isclose(value, getattr(technique, knob))]
        usual = values.index(at[0]) - 1 if at else 0
        entry = Knob(technique.name, knob, values, usual, usual)
        plans = {
            compile_plan(job.task, dosed(job, [entry], [code]).recipe, job.compiled.base).plan.training_digest
            for code in (-1, 0, 1)
        }
        if at and len(plans) == 3:
            found.append(entry)
    return found[: screening.MOST]


def dosed(job: Job, knobs: Sequence[Knob], coded: Sequence[int]) -> Job:
    """A job with other strengths."""
    recipe = job.recipe
    for knob, code in zip(knobs, coded, strict=True):
        (technique,) = (technique for technique in recipe.techniques if technique.name == knob.technique)
        values = {**technique.model_dump(), knob.knob: knob.values[code + 1]}
        recipe = recipe.plus(techniques.make(technique.name, **values))
    return Job(job.task, recipe, compile_plan(job.task, recipe, job.compiled.base))


def finish(asked: Search, job: Job, spec: Spec, results: Store, reading: Reading) -> tuple[Results, Path]:
    """What the proof found, and the recipe's file with it."""
    found = analyse(results, spec, reading)
    job = _without(job, asked.opening.not_applicable)
    job = dosed(job, spec.knobs, [knob.chosen for knob in spec.knobs])
    assert found.found is not None
    return found, write_recipe(asked, job, found.found.look, results, found)


def prove(asked: Search, now: Look, searched: Sequence[Row], job: Job, spent: float) -> tuple[Spec, Job]:
    """The study that proves what was found, and the published recipe.

    Fresh runs of the recipe, of the baseline, of the recipe with each technique switched over, and of the published
    recipe if that is another one, all with seeds that nothing else has. spent: of the budget, so far.
    """
    found, fingerprint, k = factors(job), asked.opening.data_fingerprint, len(asked.opening.training)
    runs, each = study.proof(asked, now, spent)
    best = now.standing.best
    wanted: list[Bools] = [*[best] * runs]
    if best.any():
        wanted += [np.zeros(k, bool)] * runs
    wanted += [toggled for toggled in best ^ np.eye(k, dtype=bool) if toggled.any() for _ in range(each)]
    taken = {run for row in (*searched, *asked.prior) for run in row.runs}
    rows = tuple(
        _fresh(job, found, levels.tolist(), _PROOF + index, fingerprint, taken) for index, levels in enumerate(wanted)
    )
    published = recipes.get(PUBLISHED)
    rival = Job(job.task, published, compile_plan(job.task, published, job.compiled.base))
    theirs = factors(rival)
    view = ablation.levels_of(rival, theirs)[-1].view
    others: tuple[Row, ...] = ()
    plan = compile_plan(job.task, recipe_of(job, asked.opening, now.reference), job.compiled.base).plan
    if plan.digest != rival.plan.digest:
        on = [True] * len(theirs.training)
        others = tuple(_fresh(rival, theirs, on, _RIVAL + index, fingerprint, taken) for index in range(runs))
    spec = replace(
        asked.opening,
        design="proof",
        rows=rows,
        search=(*searched, *asked.prior),
        reference=now.reference,
        rival=others,
        rival_view=view,
        recipe_plan=plan.model_dump(mode="json"),
    )
    return spec, rival


def recipe_of(job: Job, opening: Spec, reference: Sequence[bool]) -> Recipe:
    """The candidates that are on in `reference` (k + E,), as a recipe named after the derivation."""
    on = {name for name, is_on in zip(opening.names, reference, strict=True) if is_on}
    return Recipe(opening.name, tuple(technique for technique in job.recipe.techniques if technique.name in on))


def write_recipe(asked: Search, job: Job, now: Look, results: Store, proof: Results | None = None) -> Path:
    """Keep the best recipe so far as a file for `--recipe`, with where it comes from."""
    recipe = recipe_of(job, asked.opening, now.reference)
    proved: Any = "none yet: what a search believes of its own choice is too good on average"
    if proof is not None:
        proved = {
            "split": SPLIT,
            "runs": proof.recipe.runs,
            "acc1": _rounded(proof.recipe.acc["acc1"]),
            "gain_over_baseline_pp": _interval(proof.total),
            "gain_over_published_pp": _interval(proof.over_rival) if proof.over_rival else None,
            "in_recipe_pp": {effect.technique: _interval(effect) for effect in proof.main},
        }
    data = {
        "name": recipe.name,
        "techniques": recipe.as_json(),
        "provenance": {
            "study": asked.name,
            "task": asked.opening.task,
            "data_fingerprint": asked.opening.data_fingerprint,
            "command": asked.opening.command,
            "versions": asked.opening.versions,
            "search": {
                "split": study.SPLIT,
                "runs": len(now.runs),
                asked.objective: _rounded(now.standing.value),
                "sd": _rounded(now.standing.sd),
            },
            "proof": proved,
        },
    }
    path = results.root / "studies" / asked.name / "recipe.yaml"
    write_text(path, yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True, default_flow_style=None))
    return path


def _interval(effect: Effect) -> list[float]:
    """[gain, low, high], in points."""
    return [_rounded(value) for value in (effect.gain_pp, effect.low, effect.high)]


def _rounded(value: float) -> float:
    return round(float(value), 3)


def _fresh(job: Job, found: Factors, levels: Sequence[bool], seed: int, fingerprint: str, taken: set[str]) -> Row:
    """A run with a seed that the configuration hasn't had."""
    row = make_row(job, found, levels, seed, fingerprint)
    while taken & set(row.runs):
        seed += 10_000
        row = make_row(job, found, levels, seed, fingerprint)
    return row
