"""Which recipe is best on this data? Search for it on one split, prove it with fresh runs on another."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from bakeoff import recipes
from bakeoff.ablation import plan as layout
from bakeoff.ablation import run as ablation
from bakeoff.ablation.plan import Factors, factors, make_row
from bakeoff.api import Job, data_folder, plan_job
from bakeoff.derivation.candidates import dosed, knobs_of, recipe_of, without, write_recipe
from bakeoff.derivation.plan import plan_search
from bakeoff.errors import RequestError
from bakeoff.launch.local import Outcome
from bakeoff.recipe import compile_plan
from bakeoff.runs.store import Store, open_store
from bakeoff.stats import level_sweep as screening
from bakeoff.stats import thompson as search
from bakeoff.stats.outcomes import Bools
from bakeoff.stats.table import DEFAULT, Reading
from bakeoff.study import search as study
from bakeoff.study import sweep as doses
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.search import Look, Objective, Search
from bakeoff.study.spec import Dose, Knob, Row, Spec

__all__ = ["derive", "finish", "plan_search", "run_search"]

PUBLISHED = "torchvision-2021"
_SEARCH, _DOSES, _PROOF, _RIVAL = 1_000, 50_000, 100_000, 200_000  # first seeds: what is proved has its own

Stage = Literal["opening", "search", "strengths", "proof"]


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
    job = without(job, asked.opening.not_applicable)
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
    view = layout.levels_of(rival, theirs)[-1].view
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


def finish(asked: Search, job: Job, spec: Spec, results: Store, reading: Reading) -> tuple[Results, Path]:
    """What the proof found, and the recipe's file with it."""
    found = analyse(results, spec, reading)
    job = without(job, asked.opening.not_applicable)
    job = dosed(job, spec.knobs, [knob.chosen for knob in spec.knobs])
    assert found.found is not None
    return found, write_recipe(asked, job, found.found.look, results, found)


def _fresh(job: Job, found: Factors, levels: Sequence[bool], seed: int, fingerprint: str, taken: set[str]) -> Row:
    """A run with a seed that the configuration hasn't had."""
    row = make_row(job, found, levels, seed, fingerprint)
    while taken & set(row.runs):
        seed += 10_000
        row = make_row(job, found, levels, seed, fingerprint)
    return row
