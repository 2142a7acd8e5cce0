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
from bakeoff.launch.engines import Engine, launcher
from bakeoff.recipes.request import Job
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import level_sweep, thompson
from bakeoff.stats.outcomes import Bools
from bakeoff.stats.table import AnalysisOptions
from bakeoff.study import decide, seeds, sweep
from bakeoff.study.analyse import Results, analyse
from bakeoff.study.decide import SearchState
from bakeoff.study.events import SearchPlanned, SearchStage, Stage
from bakeoff.study.gather import gather, read, reuse_of_report_split, searched
from bakeoff.study.search import SPLIT, SearchSpec
from bakeoff.study.spec import DesignPoint, StudySpec, SweepPoint, SweptKnob

PUBLISHED = "torchvision-2021"


def derive(job: Job, search: SearchOptions, where: Workspace, options: AnalysisOptions, observer: Observer) -> Results:
    """Find the best recipe among a job's techniques, and prove it; runs that the store has are not made again."""
    Engine.parse(where.on)  # what isn't there is said at once
    asked = plan_search(job, search, where, job.task.load(where.folder))
    observer(SearchPlanned(asked))
    where.store.prepare()
    asked = asked.save(where.store)
    begin = asked.initial
    with launcher(job.task, where, device=begin.device, jobs=begin.jobs, threads=begin.threads) as workers:
        conversation = Derivation(asked, job.without(list(begin.not_applicable)), where, workers, observer)
        return conversation.hold(options)


class Derivation:
    """A search, held as a conversation: what the runs say, what follows from it, and the next runs, until the proof.

    rows: the runs of the search so far. The best recipe so far is in `recipe.yaml` from the initial design on.
    """

    def __init__(self, asked: SearchSpec, job: Job, where: Workspace, workers: Launcher, observer: Observer) -> None:
        self.asked, self.job, self.observer = asked, job, observer
        self.where, self.store, self.workers = where, where.store, workers
        self.found, self.fingerprint = factors(job), asked.initial.data_fingerprint
        self.rows: list[DesignPoint] = []
        self.taken = {run for row in asked.warm_start for run in row.runs}

    def hold(self, options: AnalysisOptions) -> Results:
        """Search, freeze, prove. What is decided follows from what was run: one that was stopped decides it again."""
        now, ended = self._search()
        knobs, tried, spent = self._sweep(now)
        tuned = dosed(self.job, knobs, [knob.chosen for knob in knobs])
        published = self.job.of(recipes.get(PUBLISHED))
        spec = replace(
            self._proof(now, tuned, published, spent),
            ended=ended,
            knobs=knobs,
            sweep_points=tried,
            report_split_reuse=reuse_of_report_split(self.store, self.asked),
        ).save(self.store)
        self._make(
            "proof", now, [*((row, tuned) for row in spec.rows), *((row, published) for row in spec.published_baseline)]
        )
        results = analyse(gather(self.store, spec), options)
        assert results.found is not None
        proved = dosed(self.job, spec.knobs, [knob.chosen for knob in spec.knobs])
        write_recipe(self.asked, proved, results.found.look, self.store, results)
        return results

    def _search(self) -> tuple[SearchState, str]:
        """What is known when the search ends, and why it does."""
        self._make("opening", None, [(row, self.job) for row in self.asked.initial.rows])
        self.rows += self.asked.initial.rows
        while True:
            now = decide.update(self.asked, searched(self.store, self.asked, self.rows))
            write_recipe(self.asked, self.job, now, self.store)
            if why := decide.enough(self.asked, now):
                self.observer(SearchStage(self.asked, "search", now, ()))
                return now, why
            proposed = decide.suggestions(self.asked, now)
            shared = thompson.seeds(proposed, seeds.SEARCH + len(self.rows))
            batch = [
                self._fresh(self.found, levels, seed)
                for levels, seed in zip(proposed.tolist(), shared.tolist(), strict=True)
            ]
            self._make("search", now, [(row, self.job) for row in batch])
            self.rows += batch

    def _sweep(self, now: SearchState) -> tuple[tuple[SweptKnob, ...], tuple[SweepPoint, ...], float]:
        """Try other strengths of the recipe: the knobs with what was chosen, the runs, what is spent of the budget."""
        asked = self.asked
        knobs = knobs_of(self.job, asked.initial, now.reference) if asked.strengths else []
        if not knobs:
            return (), (), now.spent
        coded = level_sweep.design(len(knobs), asked.initial.design_seed)
        first = len(coded) * decide.cost(asked, now, now.incumbent.best[None]).sum()
        if now.spent + first + decide.kept_for_proof(asked, now) > asked.budget:
            return (), (), now.spent
        training, known = now.reference[: len(now.incumbent.best)], searched(self.store, asked, self.rows)
        tried: list[SweepPoint] = []
        while True:
            batch: list[tuple[SweepPoint, Job]] = []
            for at in coded.tolist():
                other = dosed(self.job, knobs, at)
                seed = seeds.SWEEP + len(tried) + len(batch)
                batch.append((SweepPoint(tuple(at), factors(other).row(training, seed, self.fingerprint)), other))
            self._make("strengths", now, [(point.row, other) for point, other in batch])
            tried += [point for point, _ in batch]
            swept = read(self.store, asked.initial, [point.row for point in tried], SPLIT)
            seen = sweep.update(asked, known, now, knobs, tried, swept)
            if sweep.enough(asked, now, seen, tried):
                chosen = zip(knobs, seen.best.tolist(), strict=True)
                return tuple(replace(knob, chosen=at) for knob, at in chosen), tuple(tried), seen.spent
            coded = sweep.more(asked, seen, tried)

    def _proof(self, now: SearchState, tuned: Job, published: Job, spent: float) -> StudySpec:
        """The study that proves what was found.

        Fresh runs of the recipe, of the baseline, of the recipe with each technique switched over if the budget allows,
        and of the published recipe if that is another one, all with seeds that nothing else has; but for the published
        one, whose plan is another, they have the same ones. spent: of the budget, so far.
        """
        asked, k = self.asked, len(self.asked.initial.training)
        runs, each = decide.proof(asked, now, spent)
        best = now.incumbent.best
        wanted: list[tuple[Bools, int]] = [(best, runs)]
        if best.any():
            wanted.append((np.zeros(k, bool), runs))
        wanted += [(toggled, each) for toggled in best ^ np.eye(k, dtype=bool) if toggled.any()]
        self.taken |= {run for row in self.rows for run in row.runs}
        ours, theirs = factors(tuned), factors(published)
        rows = [self._fresh(ours, levels.tolist(), seeds.PROOF + b) for levels, n in wanted for b in range(n)]
        plan, published_baseline = tuned.of(recipe_of(tuned, asked.initial, now.reference)).plan, []
        if plan.digest != published.plan.digest:
            on = [True] * len(theirs.training)
            published_baseline = [self._fresh(theirs, on, seeds.PUBLISHED + index) for index in range(runs)]
        return replace(
            asked.initial,
            design="proof",
            rows=tuple(rows),
            search=(*self.rows, *asked.warm_start),
            reference=now.reference,
            published_baseline=tuple(published_baseline),
            published_view=theirs.levels()[-1].view,
            recipe_plan=plan.model_dump(mode="json"),
        )

    def _make(self, stage: Stage, now: SearchState | None, runs: Sequence[tuple[DesignPoint, Job]]) -> None:
        self.observer(SearchStage(self.asked, stage, now, [row for row, _ in runs]))
        run_rows(self.workers, self.asked.initial, runs, self.where, self.observer)

    def _fresh(self, found: Factors, levels: Sequence[bool], seed: int) -> DesignPoint:
        """A run with a seed that the configuration hasn't had."""
        row = found.row(levels, seed, self.fingerprint)
        while self.taken & set(row.runs):
            seed += seeds.AGAIN
            row = found.row(levels, seed, self.fingerprint)
        return row
