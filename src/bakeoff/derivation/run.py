"""Which recipe is best on this data? Search for it on one split, prove it with fresh runs on another."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bakeoff import recipes
from bakeoff.ablation.plan import Factors, factors
from bakeoff.ablation.run import run_rows
from bakeoff.derivation.candidates import dosed, knobs_of, recipe_of, write_recipe
from bakeoff.derivation.plan import SearchOptions, plan_search
from bakeoff.events import Observer
from bakeoff.launch.base import Launcher
from bakeoff.launch.local import launcher
from bakeoff.recipes.request import Job
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import level_sweep, thompson
from bakeoff.stats.outcomes import Bools
from bakeoff.stats.table import Reading
from bakeoff.study import decide, seeds, sweep
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.decide import Look
from bakeoff.study.events import SearchPlanned, SearchStage, Stage
from bakeoff.study.gather import gather, read, reuse_of_report_split, searched
from bakeoff.study.search import SPLIT, Search
from bakeoff.study.spec import Dose, Knob, Row, Spec

PUBLISHED = "torchvision-2021"


def derive(job: Job, options: SearchOptions, where: Workspace, reading: Reading, observer: Observer) -> Results:
    """Find the best recipe among a job's techniques, and prove it; runs that the store has are not made again."""
    asked = plan_search(job, options, where, job.task.load(where.data))
    observer(SearchPlanned(asked))
    where.store.prepare()
    asked = asked.save(where.store)
    begin = asked.opening
    with launcher(job.task, where, device=begin.device, jobs=begin.jobs, threads=begin.threads) as workers:
        conversation = Derivation(asked, job.without(list(begin.not_applicable)), where, workers, observer)
        return conversation.hold(reading)


class Derivation:
    """A search, held as a conversation: what the runs say, what follows from it, and the next runs, until the proof.

    rows: the runs of the search so far. The best recipe so far is in `recipe.yaml` from the initial design on.
    """

    def __init__(self, asked: Search, job: Job, where: Workspace, workers: Launcher, observer: Observer) -> None:
        self.asked, self.job, self.observer = asked, job, observer
        self.store, self.workers = where.store, workers
        self.found, self.fingerprint = factors(job), asked.opening.data_fingerprint
        self.rows: list[Row] = []
        self.taken = {run for row in asked.prior for run in row.runs}

    def hold(self, reading: Reading) -> Results:
        """Search, freeze, prove. What is decided follows from what was run: one that was stopped decides it again."""
        now, ended = self._search()
        knobs, tried, spent = self._sweep(now)
        tuned = dosed(self.job, knobs, [knob.chosen for knob in knobs])
        published = self.job.of(recipes.get(PUBLISHED))
        spec = replace(
            self._proof(now, tuned, published, spent),
            ended=ended,
            knobs=knobs,
            doses=tried,
            touched=reuse_of_report_split(self.store, self.asked),
        ).save(self.store)
        self._make("proof", now, [*((row, tuned) for row in spec.rows), *((row, published) for row in spec.rival)])
        results = analyse(gather(self.store, spec), reading)
        assert results.found is not None
        proved = dosed(self.job, spec.knobs, [knob.chosen for knob in spec.knobs])
        write_recipe(self.asked, proved, results.found.look, self.store, results)
        return results

    def _search(self) -> tuple[Look, str]:
        """What is known when the search ends, and why it does."""
        self._make("opening", None, [(row, self.job) for row in self.asked.opening.rows])
        self.rows += self.asked.opening.rows
        while True:
            now = decide.look(self.asked, searched(self.store, self.asked, self.rows))
            write_recipe(self.asked, self.job, now, self.store)
            if why := decide.enough(self.asked, now):
                self.observer(SearchStage(self.asked, "search", now, ()))
                return now, why
            proposed = decide.proposals(self.asked, now)
            shared = thompson.seeds(proposed, seeds.SEARCH + len(self.rows))
            batch = [
                self._fresh(self.found, levels, seed)
                for levels, seed in zip(proposed.tolist(), shared.tolist(), strict=True)
            ]
            self._make("search", now, [(row, self.job) for row in batch])
            self.rows += batch

    def _sweep(self, now: Look) -> tuple[tuple[Knob, ...], tuple[Dose, ...], float]:
        """Try other strengths of the recipe: the knobs with what was chosen, the runs, what is spent of the budget."""
        asked = self.asked
        knobs = knobs_of(self.job, asked.opening, now.reference) if asked.strengths else []
        if not knobs:
            return (), (), now.spent
        coded = level_sweep.design(len(knobs), asked.opening.design_seed)
        first = len(coded) * decide.cost(asked, now, now.standing.best[None]).sum()
        if now.spent + first + decide.proof_cost(asked, now, decide.LEAST, 1) > asked.budget:
            return (), (), now.spent
        training, known = now.reference[: len(now.standing.best)], searched(self.store, asked, self.rows)
        tried: list[Dose] = []
        while True:
            batch: list[tuple[Dose, Job]] = []
            for at in coded.tolist():
                other = dosed(self.job, knobs, at)
                seed = seeds.SWEEP + len(tried) + len(batch)
                batch.append((Dose(tuple(at), factors(other).row(training, seed, self.fingerprint)), other))
            self._make("strengths", now, [(dose.row, other) for dose, other in batch])
            tried += [dose for dose, _ in batch]
            swept = read(self.store, asked.opening, [dose.row for dose in tried], SPLIT)
            seen = sweep.look(asked, known, now, knobs, tried, swept)
            if sweep.enough(asked, now, seen, tried):
                chosen = zip(knobs, seen.best.tolist(), strict=True)
                return tuple(replace(knob, chosen=at) for knob, at in chosen), tuple(tried), seen.spent
            coded = sweep.more(asked, seen, tried)

    def _proof(self, now: Look, tuned: Job, published: Job, spent: float) -> Spec:
        """The study that proves what was found.

        Fresh runs of the recipe, of the baseline, of the recipe with each technique switched over, and of the published
        recipe if that is another one, all with seeds that nothing else has. spent: of the budget, so far.
        """
        asked, k = self.asked, len(self.asked.opening.training)
        runs, each = decide.proof(asked, now, spent)
        best = now.standing.best
        wanted: list[Bools] = [*[best] * runs]
        if best.any():
            wanted += [np.zeros(k, bool)] * runs
        wanted += [toggled for toggled in best ^ np.eye(k, dtype=bool) if toggled.any() for _ in range(each)]
        self.taken |= {run for row in self.rows for run in row.runs}
        ours, theirs = factors(tuned), factors(published)
        rows = [self._fresh(ours, levels.tolist(), seeds.PROOF + index) for index, levels in enumerate(wanted)]
        plan, rival = tuned.of(recipe_of(tuned, asked.opening, now.reference)).plan, []
        if plan.digest != published.plan.digest:
            on = [True] * len(theirs.training)
            rival = [self._fresh(theirs, on, seeds.PUBLISHED + index) for index in range(runs)]
        return replace(
            asked.opening,
            design="proof",
            rows=tuple(rows),
            search=(*self.rows, *asked.prior),
            reference=now.reference,
            rival=tuple(rival),
            rival_view=theirs.levels()[-1].view,
            recipe_plan=plan.model_dump(mode="json"),
        )

    def _make(self, stage: Stage, now: Look | None, runs: Sequence[tuple[Row, Job]]) -> None:
        self.observer(SearchStage(self.asked, stage, now, [row for row, _ in runs]))
        run_rows(self.workers, runs, self.store, self.observer)

    def _fresh(self, found: Factors, levels: Sequence[bool], seed: int) -> Row:
        """A run with a seed that the configuration hasn't had."""
        row = found.row(levels, seed, self.fingerprint)
        while self.taken & set(row.runs):
            seed += seeds.AGAIN
            row = found.row(levels, seed, self.fingerprint)
        return row
