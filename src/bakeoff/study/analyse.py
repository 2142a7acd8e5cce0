"""From a study's runs to what is said about them."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bakeoff.runs.record import RunRecord
from bakeoff.stats import effects
from bakeoff.stats.interactions import Interaction, interactions
from bakeoff.stats.log_error import LogError
from bakeoff.stats.noise import Noise, measure
from bakeoff.stats.outcomes import Bools, Hits, Runs
from bakeoff.stats.table import DEFAULT, AnalysisOptions, Effect
from bakeoff.study.found import Found, found_by
from bakeoff.study.gather import Gathered, Records, outcomes
from bakeoff.study.health import Finding, MissingRuns, NothingLearned, SeedIgnored, health
from bakeoff.study.health import as_json as finding_as_json
from bakeoff.study.preview import training_time
from bakeoff.study.sequential import as_far_as_it_went, tolerance
from bakeoff.study.spec import DesignPoint, StudySpec
from bakeoff.study.training_time import worth
from bakeoff.techniques.published import claims, increment


@dataclass(frozen=True, eq=False)
class Corner:
    """The runs of one configuration. acc: "acc1", "acc5" -> mean in percent; sd of Acc@1 between runs, in points."""

    acc: dict[str, float]
    sd: float
    runs: int


@dataclass(frozen=True, eq=False)
class Results:
    """What a study found.

    spec: the study. options: how it was read; tolerance: the delta that was meant. records: what stands for each of its
    runs; left: how many haven't ended. noise: from run to run. interactions: pairs of techniques that work with or
    against each other. runs: what effects are stated from. known: what the model is fitted to; of a derived recipe also
    the runs that led to it. main: the table that the design is for (averaged, leave-one-out, add-one or stacked
    effects). in_recipe: beside the recipe, from the model; not of all designs. total, total_k: gain of the recipe over
    the baseline in Acc@1 and Acc@K. over_published: over the recipe as published, where that was run. found: how a
    derived recipe was. cost: technique -> training time with / without. worth: technique -> times the training
    length that buy as much, where the study knows. health: what is wrong with the runs.
    grown_from: earlier studies that it goes on from, whose results may have been seen.
    """

    spec: StudySpec
    options: AnalysisOptions
    tolerance: float
    runs: Runs
    known: Runs
    records: list[RunRecord | None]
    noise: Noise
    main: list[Effect]
    in_recipe: list[Effect]
    interactions: list[Interaction]
    total: Effect
    total_k: Effect
    over_published: Effect | None
    found: Found | None
    baseline: Corner
    recipe: Corner
    cost: dict[str, float]
    worth: dict[str, float]
    health: tuple[Finding, ...]
    left: int
    grown_from: tuple[str, ...]

    @property
    def judged(self) -> bool:
        """Whether a verdict on techniques follows: not from models that haven't learned, or runs that never scatter."""
        return not any(isinstance(finding, NothingLearned | SeedIgnored) for finding in self.health)

    @property
    def lost(self) -> dict[str, int]:
        """How many runs each failure took."""
        return next((finding.statuses for finding in self.health if isinstance(finding, MissingRuns)), {})

    @property
    def top_k(self) -> int:
        """The K of Acc@K."""
        return self.spec.top_k

    def as_json(self) -> dict[str, Any]:
        """Plain data, as `bakeoff ablate --json` prints it."""
        return {
            "study": self.spec.name,
            "task": self.spec.task,
            "design": self.spec.design,
            "runs": len(self.runs),
            "runs_left": self.left,
            "grown_from": list(self.grown_from),
            "lost": self.lost,
            "health": [finding_as_json(finding) for finding in self.health],
            "tolerance_pp": self.tolerance,
            "noise": _finite(asdict(self.noise)),
            "baseline": _finite(asdict(self.baseline)),
            "recipe": _finite(asdict(self.recipe)),
            "total_gain": dict(zip(self.spec.measures, (self.total.as_json(), self.total_k.as_json()), strict=True)),
            "effects": [self._effect(effect) for effect in (*self.main, *self.in_recipe)]
            + [
                {"technique": name, "verdict": "not_applicable", "reason": reason, **_published(name)}
                for name, reason in self.spec.not_applicable.items()
            ],
            "interactions": [_finite(asdict(pair)) for pair in self.interactions],
        }

    def _effect(self, effect: Effect) -> dict[str, Any]:
        cost = self.cost.get(effect.technique, math.nan)
        return {
            **effect.as_json(),
            **({} if self.judged else {"verdict": None, "decision": None}),
            "metric": self.spec.measures[0],
            "cost_ratio": None if math.isnan(cost) else cost,
            "worth_length": self.worth.get(effect.technique) if effect in self.main else None,
            **({} if self.spec.program else _published(effect.technique)),
        }


def analyse(gathered: Gathered, options: AnalysisOptions = DEFAULT) -> Results:
    """Estimate everything that a study's runs can say, whether or not all of them are there.

    Where it is looked at before its end, or goes on from a smaller one, all intervals hold however often one looks.
    """
    gathered, options = as_far_as_it_went(gathered, options)
    spec, records, grown_from = gathered.spec, gathered.records, gathered.grown_from
    left = sum(record is None or not record.ended for record in records)
    if left or grown_from:
        options = replace(options, unplanned=True, share=1.0)
    runs, runs_k = (outcomes(spec, spec.rows, records, k) for k in (1, spec.top_k))
    all_rows, all_records = (*spec.rows, *spec.search), [*records, *gathered.searched]
    known = runs
    if spec.search:  # at other strengths than the search's the recipe is none of its configurations
        tuned = spec.tuned
        known = outcomes(spec, spec.search, gathered.searched) if tuned else outcomes(spec, all_rows, all_records)
    k, recipe = len(spec.training), spec.recipe_levels
    nothing = np.zeros(len(spec.names), bool)
    corners = _corner(spec, nothing, runs, runs_k), _corner(spec, recipe, runs, runs_k)
    asked = options
    if options.delta is None:
        options = replace(
            options,
            delta=tolerance(spec, runs, [each.acc[spec.measures[0]] for each in reversed(corners) if each.runs]),
        )
    at_recipe = runs.view_at(recipe[k:])
    noise = _noise(spec, runs)
    stage = gathered.first_stage
    first_stage = outcomes(spec, spec.rows[:stage], records[:stage]) if stage else None
    names = list(spec.names)
    in_recipe: list[Effect] = []
    pairs: list[Interaction] = []
    main = _main(spec, runs, options, first_stage)
    if spec.design in ("factorial", "proof") and len(known):
        scale = LogError.near_the_best((known.acc * at_recipe).sum(axis=1)) if spec.percent else None
        fitted = effects.surface(known, at_recipe, scale)
        direct = main if spec.design == "proof" else ()
        if not spec.tuned:
            in_recipe = effects.modelled(known, names, recipe, fitted, options=options, direct=direct)
        pairs = interactions(known, names, fitted)
    if spec.design == "proof" and in_recipe and not any(math.isfinite(effect.se) for effect in main[:k]):
        main = in_recipe  # the budget didn't allow fresh runs of each technique
    # Bonferroni over the recipes proved.
    once = replace(options, level=1 - (1 - options.level) / (1 + spec.report_split_reuse))
    return Results(
        spec=spec,
        options=asked,
        tolerance=options.tolerance,
        runs=runs,
        known=known,
        records=records,
        noise=noise,
        main=main,
        in_recipe=in_recipe,
        interactions=pairs,
        total=effects.total(runs, recipe, nothing, once),
        total_k=effects.total(runs_k, recipe, nothing, once),
        over_published=_over_published(gathered, once),
        found=found_by(spec, gathered.derived) if gathered.derived else None,
        baseline=corners[0],
        recipe=corners[1],
        cost=_costs(spec, all_rows, all_records),
        worth=worth(spec, main),
        health=health(gathered, main),
        left=left,
        grown_from=grown_from,
    )


def _over_published(gathered: Gathered, options: AnalysisOptions) -> Effect | None:
    """Gain of the recipe over the one that was published, each evaluated as it asks for."""
    spec = gathered.spec
    if not spec.published_baseline:
        return None
    levels = tuple(spec.recipe_levels[: len(spec.training)].tolist())
    ours = [r for row, r in zip(spec.rows, gathered.records, strict=True) if row.configuration == levels]
    sides = (
        (True, spec.level_at(spec.recipe_levels).view, ours),
        (False, spec.published_view, gathered.published_baseline),
    )
    found = [
        (side, record.seed, view)
        for side, name, group in sides
        for record in group
        if record and record.status == "done"
        for view in record.views
        if view.name == name
    ]
    if not found:
        return None
    hits = Hits(np.stack([view.packed_hits() for _, _, view in found])[:, None], found[0][2].n)
    table = Runs.collect(
        [[side] for side, _, _ in found],
        [view.acc["acc1"] for _, _, view in found],
        [seed for _, seed, _ in found],
        hits,
    )
    return effects.total(table, np.ones(1, bool), np.zeros(1, bool), options)


def so_far(spec: StudySpec, records: Records) -> list[Effect]:
    """The effects that a study is for while runs are still missing, in intervals that hold however often one looks.

    records: what stands for each of its rows. What only a model of the runs says isn't among them: it doesn't hold so.
    """
    runs = outcomes(spec, spec.rows, records)
    found = _main(spec, runs, replace(DEFAULT, unplanned=True)) if len(runs) else []
    return [effect for effect in found if effect.method != "model"]


def _noise(spec: StudySpec, runs: Runs) -> Noise:
    """From run to run, of what the main effects are made of."""
    k, recipe = len(spec.training), spec.recipe_levels
    if spec.design == "factorial":
        return measure(runs, runs.view_average())
    if spec.design == "proof":
        runs = runs.near(recipe[:k], 1)  # the baseline's runs may scatter more
    return measure(runs, runs.view_at(recipe[k:]))


def _main(spec: StudySpec, runs: Runs, options: AnalysisOptions, first_stage: Runs | None = None) -> list[Effect]:
    """The table that the design is for."""
    names, recipe = list(spec.names), spec.recipe_levels
    match spec.design:
        case "factorial":
            return effects.averaged(runs, names, options, first_stage, percent=spec.percent)
        case "leave-one-out" | "proof":
            return effects.switched(runs, names, recipe, "leave_one_out", options)
        case "add-one":
            return effects.switched(runs, names, np.zeros_like(recipe), "add_one", options)
        case _:
            return effects.stacked(runs, names, [names.index(name) for name in spec.order], options)


def _corner(spec: StudySpec, levels: Bools, runs: Runs, runs_k: Runs) -> Corner:
    k = len(spec.training)
    found = {}
    for name, table in zip(reversed(spec.measures), (runs_k, runs), strict=True):
        values = spec.sign * (table.acc[table.rows(levels[:k])] @ table.view_at(levels[k:]))
        found[name] = float(values.mean()) if len(values) else math.nan
    sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return Corner(found, sd, len(values))


def _costs(spec: StudySpec, rows: Sequence[DesignPoint], records: Records) -> dict[str, float]:
    """Training time with a technique over the time without: main effects on the logarithm of seconds."""
    time = training_time(np.array([row.configuration for row in rows], bool).reshape(len(rows), -1), records)
    if time is None:
        return {}
    cost = dict(zip(spec.training, np.exp(time[1:]).tolist(), strict=True))
    return {**cost, **dict.fromkeys(spec.evaluation, 1.0)}


def _published(name: str) -> dict[str, Any]:
    post = increment(name)
    return {
        "blog_pp": post.acc1 if post else None,
        "paper": [
            {
                "gain_pp": claim.gain,
                "dataset": claim.dataset,
                "model": claim.model,
                "metric": claim.metric,
                "source": claim.where,
                "verified": claim.verified,
                "comparable": claim.comparable,
            }
            for claim in claims(name)
            if claim.by_authors
        ],
    }


def _finite(data: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: None instead."""
    return {
        key: _finite(value)
        if isinstance(value, dict)
        else None
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for key, value in data.items()
    }
