"""Which recipe is best on this data? Search for it on one split, prove it with fresh runs on another."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bakeoff import recipes
from bakeoff.ablation.plan import Factors, factors
from bakeoff.ablation.run import pool, run_rows
from bakeoff.derivation.candidates import dosed, knobs_of, recipe_of, write_recipe
from bakeoff.derivation.plan import SearchOptions, plan_search
from bakeoff.events import Observer
from bakeoff.recipes.request import Job
from bakeoff.runs.store import Store
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import level_sweep as screening
from bakeoff.stats import thompson as search
from bakeoff.stats.outcomes import Bools
from bakeoff.stats.table import Reading
from bakeoff.study import decide
from bakeoff.study import sweep as doses
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.decide import Look
from bakeoff.study.events import SearchPlanned, SearchStage, Stage
from bakeoff.study.gather import gather, read, reuse_of_report_split, searched
from bakeoff.study.search import SPLIT, Search
from bakeoff.study.spec import Dose, Knob, Row, Spec

PUBLISHED = "torchvision-2021"
_SEARCH, _DOSES, _PROOF, _RIVAL = 1_000, 50_000, 100_000, 200_000  # first seeds: what is proved has its own


def derive(job: Job, options: SearchOptions, where: Workspace, reading: Reading, observer: Observer) -> Results:
    """Find the best recipe among a job's techniques, and prove it; runs that the store has are not made again."""
    asked = plan_search(job, options, where, job.task.load(where.data))
    observer(SearchPlanned(asked))
    spec = run_search(asked, job, where, observer)
    return finish(asked, job, spec, where.store, reading)


def run_search(asked: Search, job: Job, where: Workspace, observer: Observer) -> Spec:
    """Search, freeze, prove; what the store has is not run again. Returns the study of the proof.

    The observer is told of every batch before it is run, and of every run that ends. The best recipe so far is in
    `recipe.yaml` from the opening on.
    """
    store = where.store
    store.prepare()
    asked = asked.save(store)
    job = job.without(list(asked.opening.not_applicable))
    found, fingerprint = factors(job), asked.opening.data_fingerprint

    rows = list(asked.opening.rows)
    taken = {run for row in asked.prior for run in row.runs}
    with pool(asked.opening, where) as workers:

        def run(stage: Stage, now: Look | None, runs: Sequence[tuple[Row, Job]]) -> None:
            observer(SearchStage(asked, stage, now, [row for row, _ in runs]))
            run_rows(workers, runs, store, observer)

        run("opening", None, [(row, job) for row in rows])
        while True:
            now = decide.look(asked, searched(store, asked, rows))
            write_recipe(asked, job, now, store)
            if why := decide.enough(asked, now):
                observer(SearchStage(asked, "search", now, ()))
                break
            proposed = decide.proposals(asked, now)
            shared = search.seeds(proposed, _SEARCH + len(rows))
            batch = [
                _fresh(found, levels, seed, fingerprint, taken)
                for levels, seed in zip(proposed.tolist(), shared.tolist(), strict=True)
            ]
            run("search", now, [(row, job) for row in batch])
            rows += batch
        knobs, tried, spent = _strengths(asked, now, rows, job, store, run)
        tuned = dosed(job, knobs, [knob.chosen for knob in knobs])
        spec, rival = prove(asked, now, rows, tuned, spent)
        spec = replace(spec, ended=why, knobs=knobs, doses=tried, touched=reuse_of_report_split(store, asked)).save(
            store
        )
        run("proof", now, [*((row, tuned) for row in spec.rows), *((row, rival) for row in spec.rival)])
    return spec


def _strengths(
    asked: Search,
    now: Look,
    rows: Sequence[Row],
    job: Job,
    store: Store,
    run: Callable[[Stage, Look, Sequence[tuple[Row, Job]]], None],
) -> tuple[tuple[Knob, ...], tuple[Dose, ...], float]:
    """Try other strengths of the recipe: the knobs with what was chosen, the runs, and what is spent of the budget."""
    knobs = knobs_of(job, asked.opening, now.reference) if asked.strengths else []
    if not knobs:
        return (), (), now.spent
    coded = screening.design(len(knobs), asked.opening.design_seed)
    first = len(coded) * decide.cost(asked, now, now.standing.best[None]).sum()
    if now.spent + first + decide.proof_cost(asked, now, decide.LEAST, 1) > asked.budget:
        return (), (), now.spent
    training, known = now.reference[: len(now.standing.best)], searched(store, asked, rows)
    tried: list[Dose] = []
    while True:
        batch: list[tuple[Dose, Job]] = []
        for at in coded.tolist():
            other = dosed(job, knobs, at)
            seed = _DOSES + len(tried) + len(batch)
            row = factors(other).row(training, seed, asked.opening.data_fingerprint)
            batch.append((Dose(tuple(at), row), other))
        run("strengths", now, [(dose.row, other) for dose, other in batch])
        tried += [dose for dose, _ in batch]
        swept = read(store, asked.opening, [dose.row for dose in tried], SPLIT)
        seen = doses.look(asked, known, now, knobs, tried, swept)
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
    runs, each = decide.proof(asked, now, spent)
    best = now.standing.best
    wanted: list[Bools] = [*[best] * runs]
    if best.any():
        wanted += [np.zeros(k, bool)] * runs
    wanted += [toggled for toggled in best ^ np.eye(k, dtype=bool) if toggled.any() for _ in range(each)]
    taken = {run for row in (*searched, *asked.prior) for run in row.runs}
    rows = tuple(
        _fresh(found, levels.tolist(), _PROOF + index, fingerprint, taken) for index, levels in enumerate(wanted)
    )
    published = recipes.get(PUBLISHED)
    rival = job.of(published)
    theirs = factors(rival)
    view = theirs.levels()[-1].view
    others: tuple[Row, ...] = ()
    plan = job.of(recipe_of(job, asked.opening, now.reference)).plan
    if plan.digest != rival.plan.digest:
        on = [True] * len(theirs.training)
        others = tuple(_fresh(theirs, on, _RIVAL + index, fingerprint, taken) for index in range(runs))
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


def finish(asked: Search, job: Job, spec: Spec, store: Store, reading: Reading) -> Results:
    """What the proof found; it goes into the recipe's file."""
    found = analyse(gather(store, spec), reading)
    assert found.found is not None
    job = job.without(list(asked.opening.not_applicable))
    job = dosed(job, spec.knobs, [knob.chosen for knob in spec.knobs])
    write_recipe(asked, job, found.found.look, store, found)
    return found


def _fresh(found: Factors, levels: Sequence[bool], seed: int, fingerprint: str, taken: set[str]) -> Row:
    """A run with a seed that the configuration hasn't had."""
    row = found.row(levels, seed, fingerprint)
    while taken & set(row.runs):
        seed += 10_000
        row = found.row(levels, seed, fingerprint)
    return row
