"""What each technique buys, with intervals and a verdict.

Three quantities have that name (STATISTICS 1): averaged over the other techniques (`averaged`), beside a given recipe
or the baseline (`switched`, `modelled`), and stacked in an order (`stacked`). Techniques are numbered with the training
techniques first, in the order of the columns of levels, then the evaluation techniques.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bakeoff.stats import surrogate as model
from bakeoff.stats.estimates import Cells, from_fit, odd_variance, paired_mean
from bakeoff.stats.linear import Combination, fit
from bakeoff.stats.noise import Noise, Variance, measure, odd_space, with_churn
from bakeoff.stats.outcomes import Bools, Floats, Runs
from bakeoff.stats.table import DEFAULT, AnalysisOptions, Effect, Estimand, Estimate, table

__all__ = ["AnalysisOptions", "Effect", "averaged", "modelled", "stacked", "surface", "switched", "total"]


def averaged(
    runs: Runs, names: Sequence[str], noise: Noise | None = None, options: AnalysisOptions = DEFAULT
) -> list[Effect]:
    """M_j, the gain averaged over all settings of the other techniques (STATISTICS 4.1).

    From fold pairs; without them from least squares on main effects and interactions of two; where too many runs were
    lost for that, from the model. Evaluation techniques: mean of the difference within the run. names: k + E technique
    names. noise: of the mean over the evaluations, measured if not given.
    """
    views, k = runs.view_average(), runs.levels.shape[1]
    noise = measure(runs, views) if noise is None else noise
    first, second = runs.fold_pairs
    odd = odd_space(runs, views)
    if odd is not None:
        used, variance, unit = first, odd_variance(odd, noise), 0.5
        estimates = from_fit(odd, variance, noise, unit, runs, np.concatenate([first, second]), np.eye(k))
    else:
        first = second = used = np.arange(len(runs))
        second_order = model.features(runs.levels, order=2)
        whole = fit(Combination.single(runs, used, views), second_order)
        if whole is not None and whole.df:
            rows = 2 * np.eye(len(whole.beta))[1 : k + 1]
            estimates = from_fit(whole, Variance(whole.s2, whole.df), noise, 1.0, runs, used, rows)
        else:
            rows = 2 * np.eye(len(model.terms(k)))[1 : k + 1]
            why = f"{len(runs.lost)} runs lost" if len(runs.lost) else "not a factorial"
            estimates = _believed(runs, surface(runs, noise, views), rows) if len(runs) else [Estimate()] * k
            estimates = [replace(estimate, note=f"{why}: from the model") for estimate in estimates]
    rows_used = np.union1d(first, second)
    for technique in range(runs.evaluations):
        difference = Combination(runs, first, second, (0.5, 0.5), runs.view_effect(technique))
        means = fit(difference, np.ones((len(first), 1)))
        estimates.append(paired_mean(means, np.ones(1), runs, rows_used, rows_used))
    return table(estimates, names, "average", options)


def switched(
    runs: Runs,
    names: Sequence[str],
    reference: Bools,
    estimand: Estimand = "leave_one_out",
    noise: Noise | None = None,
    options: AnalysisOptions = DEFAULT,
) -> list[Effect]:
    """The gain of each technique beside a fixed configuration, from runs that differ from it in that alone (4.2).

    reference: (k + E,) levels. For a technique that it has: what is lost without it; for another: what is gained with
    it. The recipe gives leave-one-out, all off add-one. Runs must not have been used to choose the reference.
    """
    k = runs.levels.shape[1]
    training, at = reference[:k], reference[k:]
    noise = measure(runs, runs.view_at(at)) if noise is None else noise
    cells = Cells.of(runs, np.concatenate([training[None], training ^ np.eye(k, dtype=bool)]), runs.view_at(at))
    estimates = []
    for j in range(k):
        on, off = (0, j + 1) if training[j] else (j + 1, 0)
        estimates.append(cells.difference(on, off, noise))
    estimates += [cells.within(0, runs.view_effect(e, at)) for e in range(runs.evaluations)]
    return table(estimates, names, estimand, options)


def stacked(
    runs: Runs,
    names: Sequence[str],
    order: Sequence[int],
    noise: Noise | None = None,
    options: AnalysisOptions = DEFAULT,
) -> list[Effect]:
    """The gain of each technique when they are added one after the other; it depends on the order (STATISTICS 1).

    order: the k + E techniques, first added first. The effects come back in that order.
    """
    k = runs.levels.shape[1]
    state = np.zeros((len(order) + 1, len(order)), bool)
    for rung, technique in enumerate(order, start=1):
        state[rung:, technique] = True
    rungs = state[[0, *(rung for rung, technique in enumerate(order, start=1) if technique < k)], :k]
    estimates, cell = [], 0
    for rung, technique in enumerate(order, start=1):
        views = runs.view_at(state[rung, k:])
        cells = Cells.of(runs, rungs, views)
        if technique < k:
            cell += 1
            step = cells.difference(cell, cell - 1, measure(runs, views) if noise is None else noise)
            estimates.append(replace(step, loading=0.0))  # neighbouring steps are correlated, which only helps
        else:
            estimates.append(cells.within(cell, runs.view_effect(technique - k, state[rung, k:])))
    return table(estimates, [names[technique] for technique in order], "stacked", options)


def total(
    runs: Runs, recipe: Bools, baseline: Bools, noise: Noise | None = None, options: AnalysisOptions = DEFAULT
) -> Effect:
    """The gain of the recipe over the baseline, both (k + E,), from the runs of these two alone."""
    k = runs.levels.shape[1]
    noise = measure(runs, runs.view_at(recipe[k:])) if noise is None else noise
    views = np.stack([runs.view_at(baseline[k:]), runs.view_at(recipe[k:])])
    cells = Cells.of(runs, np.stack([baseline[:k], recipe[:k]]), views)
    if np.array_equal(recipe[:k], baseline[:k]):
        estimate = cells.within(0, views[1] - views[0])
    else:
        estimate = cells.difference(1, 0, noise)
    return table([estimate], ["recipe"], "total", options)[0]


def modelled(
    runs: Runs,
    names: Sequence[str],
    reference: Bools,
    fitted: model.Surface,
    estimand: Estimand = "leave_one_out",
    options: AnalysisOptions = DEFAULT,
    direct: Sequence[Effect] = (),
) -> list[Effect]:
    """The same as `switched` from all runs, factorial included, by one Gaussian process (STATISTICS 4.3).

    fitted: `surface` at the reference's evaluation. It needs a factorial block: with leave-one-out runs alone it covers
    too little. direct: the table of `switched`; what differs from it by more than 3 combined standard errors is noted
    as lack of fit. Evaluation techniques: a surface of their own, of the differences within the runs.
    """
    k = runs.levels.shape[1]
    training, at = reference[:k], reference[k:]
    toggled = training ^ np.eye(k, dtype=bool)
    rows = np.where(training, 1.0, -1.0)[:, None] * (model.features(training[None]) - model.features(toggled))
    here = len(runs.rows(training))
    estimates = [
        replace(estimate, direct_runs=here + len(runs.rows(levels)))
        for estimate, levels in zip(_believed(runs, fitted, rows), toggled, strict=True)
    ]
    for technique in range(runs.evaluations):
        difference = _difference_surface(runs, runs.view_effect(technique, at))
        (estimate,) = _believed(runs, difference, model.features(training[None]))
        estimates.append(replace(estimate, direct_runs=here))
    found = table(estimates, names, estimand, options)
    for index, (ours, theirs) in enumerate(zip(found, direct, strict=False)):
        if abs(ours.gain_pp - theirs.gain_pp) > 3 * math.hypot(ours.se, theirs.se):
            found[index] = replace(ours, note=f"lack of fit: direct runs say {theirs.gain_pp:+.2f}")
    return found


def surface(runs: Runs, noise: Noise, views: Floats, short: Bools | None = None) -> model.Surface:
    """The model of all runs, for the accuracies that `views` (V,) picks. short: (N,) runs of another length."""
    y = (runs.acc * views).sum(axis=1)
    sigma, df = noise.sigma, 0.0  # what the design's residual says of the noise, the model sees for itself
    if noise.replicate.df:
        known = with_churn(noise.replicate, noise.churn**2)
        sigma, df = math.sqrt(known.value), min(noise.replicate.df, known.df)
    if not sigma > 0:
        sigma = max(float(np.std(y)) / 4, 1e-3)
    priors = model.PRIORS.scaled(model.unit(runs.levels, y))
    return model.fit(runs.levels, y, runs.block, sigma=sigma, df=df, priors=priors, short=short)


def _difference_surface(runs: Runs, views: Floats) -> model.Surface:
    """The model of a difference within the run: one order less, since on and off of one technique are taken apart."""
    y = (runs.acc * views).sum(axis=1)
    sigma = max(0.7 * float(np.std(y)), 1e-3)
    usual = model.PRIORS.scaled(2.0)
    priors = model.Priors(usual.pair, usual.triple[1:], (0.0,), (0.06, 0.016))
    return model.fit(runs.levels, y, sigma=sigma, df=0, priors=priors)


def _believed(runs: Runs, fitted: model.Surface, rows: Floats) -> list[Estimate]:
    """What a surface says of `rows` (C, F) of coefficients."""
    belief, sigma = fitted.coefficients(rows), fitted.scales.sigma
    count, seeds = len(runs), len(np.unique(runs.block))
    return [
        Estimate(float(mean), float(sd), math.inf, sigma, "model", count, seeds, study_runs=count)
        for mean, sd in zip(belief.mean, belief.sd, strict=True)
    ]
