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
from bakeoff.stats.estimates import difference, difference_within, from_fit, paired_mean
from bakeoff.stats.linear import Combination, fit
from bakeoff.stats.log_error import LogError
from bakeoff.stats.noise import ENOUGH_DF, Variance, measure, odd_space, with_churn
from bakeoff.stats.outcomes import Bools, Floats, Ints, Runs
from bakeoff.stats.table import DEFAULT, AnalysisOptions, Effect, Estimand, Estimate, OnErrors, table

__all__ = ["AnalysisOptions", "Effect", "averaged", "modelled", "stacked", "surface", "switched", "total"]


def averaged(
    runs: Runs,
    names: Sequence[str],
    options: AnalysisOptions = DEFAULT,
    first_stage: Runs | None = None,
    *,
    percent: bool = True,
) -> list[Effect]:
    """M_j, the gain averaged over all settings of the other techniques (STATISTICS 4.1).

    From fold pairs; without them from least squares on main effects and interactions of two; where too many runs were
    lost for that, from the model. Evaluation techniques: mean of the difference within the run, see `_within_pairs`.
    names: k + E technique names. first_stage: the runs whose noise said how many these were to be; the intervals of
    training techniques then take it from them alone (Stein 1945, https://doi.org/10.1214/aoms/1177731088). percent: the
    results are accuracies, and have an error.

    Gains are in points of accuracy, which add up to the total. What to do is decided on the scale of the error, where
    techniques nearly add up, so that the same runs say more (docs/decisions.md).
    """
    estimates = _averages(runs, first_stage)
    scale = _error_scale(runs) if percent else None
    on_errors = None
    if scale is not None:
        stage = None if first_stage is None else scale.runs(first_stage)
        on_errors = OnErrors(scale, _averages(scale.runs(runs), stage))
    return table(estimates, names, "average", options, on_errors)


def _error_scale(runs: Runs) -> LogError | None:
    """The scale of the error, at that of all techniques together, else of the middle one of all runs."""
    whole = runs.acc[runs.rows(np.ones(runs.levels.shape[1], bool)), -1]
    reference = 100 - float(whole.mean() if len(whole) else np.median(runs.acc)) if len(runs) else 0.0
    return LogError(reference) if reference > 0 else None


def _averages(runs: Runs, first_stage: Runs | None) -> list[Estimate]:
    """The estimates of `averaged`, of whatever the accuracies are measured in."""
    views, k = runs.view_average(), runs.levels.shape[1]
    first, second = runs.fold_pairs
    odd = odd_space(runs, views)
    if odd is not None:
        of_noise = odd if first_stage is None else odd_space(first_stage, views)
        variance = Variance(2 * of_noise.s2, of_noise.df) if of_noise is not None and of_noise.df else Variance()
        estimates = from_fit(odd, variance, 0.5, runs, np.concatenate([first, second]), np.eye(k))
    else:
        first = second = used = np.arange(len(runs))
        second_order = model.features(runs.levels, order=2)
        whole = fit(Combination(runs, ((used, views),)), second_order)
        if whole is not None and whole.df:
            rows = 2 * np.eye(len(whole.beta))[1 : k + 1]
            estimates = from_fit(whole, Variance(whole.s2, whole.df), 1.0, runs, used, rows)
        else:
            rows = 2 * np.eye(len(model.terms(k)))[1 : k + 1]
            why = f"{len(runs.lost)} runs lost" if len(runs.lost) else "not a factorial"
            estimates = _believed(runs, surface(runs, views), rows) if len(runs) else [Estimate()] * k
            estimates = [replace(estimate, note=f"{why}: from the model") for estimate in estimates]
    estimates += [_within_pairs(runs, first, second, technique) for technique in range(runs.evaluations)]
    return estimates


def _within_pairs(runs: Runs, first: Ints, second: Ints, technique: int) -> Estimate:
    """An evaluation technique's mean difference within runs, over fold pairs (or single runs, each its own pair).

    What other techniques do to it alone cancels in a pair. What they do in twos is fitted where the pairs are enough
    for that. Where they aren't, it cancels in the mean of a whole design, and the noise is what the runs of a pair
    differ by. Of a design that lost runs it doesn't: there any two techniques are alike in m_ij more of the pairs than
    they are unlike, and their part of the mean, m_ij times their coefficient, is as large as what is between pairs
    beyond the noise makes one expect.
    """
    k, views, used = runs.levels.shape[1], runs.view_effect(technique), np.union1d(first, second)
    differences = Combination(runs, ((first, 0.5 * views), (second, 0.5 * views)))
    in_twos = np.delete(model.features(runs.levels[first], order=2), slice(1, k + 1), axis=1)
    if len(first) - in_twos.shape[1] >= ENOUGH_DF and (found := fit(differences, in_twos)) is not None:
        return paired_mean(found, runs, used)
    means = fit(differences, np.ones((len(first), 1)))
    if means is None:
        return Estimate(method="paired", note="no runs")
    odd = odd_space(runs, views)
    if odd is not None and odd.df:
        m2 = np.square(in_twos[:, 1:].mean(axis=0))
        seen = float((1 - m2).sum())
        beyond = max(0.0, means.s2 - odd.s2) * means.df * float(m2.sum()) / seen if seen else 0.0
        s2 = odd.s2 + beyond
        terms = max(1, min(means.df, len(m2)))
        df = s2**2 / (odd.s2**2 / odd.df + beyond**2 / terms) if s2 else odd.df  # Satterthwaite
        examples = means.examples
        if examples is not None and odd.examples is not None:
            examples = replace(examples, residual=odd.examples.residual)
        means = replace(means, s2=s2, df=df, examples=examples)
    return paired_mean(means, runs, used)


def switched(
    runs: Runs,
    names: Sequence[str],
    reference: Bools,
    estimand: Estimand = "leave_one_out",
    options: AnalysisOptions = DEFAULT,
) -> list[Effect]:
    """The gain of each technique beside a fixed configuration, from runs that differ from it in that alone (4.2).

    reference: (k + E,) levels. For a technique that it has: what is lost without it; for another: what is gained with
    it. The recipe gives leave-one-out, all off add-one. Runs must not have been used to choose the reference.
    """
    k = runs.levels.shape[1]
    training, at = reference[:k], reference[k:]
    views = runs.view_at(at)
    estimates = []
    for toggled in training ^ np.eye(k, dtype=bool):
        more, less = (training, toggled) if training.sum() > toggled.sum() else (toggled, training)
        estimates.append(difference(runs, more, less, views, views))
    for technique in range(runs.evaluations):
        estimates.append(difference_within(runs, training, runs.view_effect(technique, at)))
    return table(estimates, names, estimand, options)


def stacked(runs: Runs, names: Sequence[str], order: Sequence[int], options: AnalysisOptions = DEFAULT) -> list[Effect]:
    """The gain of each technique when they are added one after the other; it depends on the order (STATISTICS 1).

    order: the k + E techniques, first added first. The effects come back in that order.
    """
    k = runs.levels.shape[1]
    state = np.zeros((len(order) + 1, len(order)), bool)
    for rung, technique in enumerate(order, start=1):
        state[rung:, technique] = True
    estimates = []
    for rung, technique in enumerate(order, start=1):
        at = state[rung, k:]
        if technique < k:
            views = runs.view_at(at)
            estimates.append(difference(runs, state[rung, :k], state[rung - 1, :k], views, views))
        else:
            estimates.append(difference_within(runs, state[rung, :k], runs.view_effect(technique - k, at)))
    return table(estimates, [names[technique] for technique in order], "stacked", options)


def total(runs: Runs, recipe: Bools, baseline: Bools, options: AnalysisOptions = DEFAULT) -> Effect:
    """The gain of the recipe over the baseline, both (k + E,), from the runs of these two alone."""
    k = runs.levels.shape[1]
    on, off = runs.view_at(recipe[k:]), runs.view_at(baseline[k:])
    if np.array_equal(recipe[:k], baseline[:k]):
        estimate = difference_within(runs, recipe[:k], on - off)
    else:
        estimate = difference(runs, recipe[:k], baseline[:k], on, off)
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

    fitted: `surface` at the reference's evaluation; of one on the scale of the error the gains are at the error that it
    believes of the reference. It needs a factorial block: with leave-one-out runs alone it covers too little. direct:
    the table of `switched`; what differs from it by more than 3 combined standard errors is noted as lack of fit.
    Evaluation techniques: a surface of their own, of the differences within the runs.
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
    scale = fitted.scale
    on_scale = runs if scale is None else scale.runs(runs)
    for technique in range(runs.evaluations):
        difference = _difference_surface(on_scale, runs.view_effect(technique, at))
        (estimate,) = _believed(runs, difference, model.features(training[None]))
        estimates.append(replace(estimate, direct_runs=here))
    if scale is not None:
        error = 100 - float(fitted.accuracy(training[None]).mean[0])
        estimates = [
            _at_error(estimate, scale, error, without=bool(on))
            for estimate, on in zip(estimates, reference, strict=True)
        ]
    found = table(estimates, names, estimand, options)
    for index, (ours, theirs) in enumerate(zip(found, direct, strict=False)):
        if abs(ours.gain_pp - theirs.gain_pp) > 3 * math.hypot(ours.se, theirs.se):
            found[index] = replace(ours, note=f"lack of fit: direct runs say {theirs.gain_pp:+.2f}")
    return found


def _at_error(estimate: Estimate, scale: LogError, error: float, *, without: bool) -> Estimate:
    """A gain on the scale of the error in points of accuracy, beside a configuration of that error, in percent.

    without: the configuration has the technique, and its error grows without it; else it shrinks with it.
    """
    sign = 1 if without else -1
    times = sign * estimate.gain / scale.reference
    slope = error / scale.reference * math.exp(times)
    return replace(estimate, gain=sign * error * math.expm1(times), se=slope * estimate.se)


def surface(runs: Runs, views: Floats, scale: LogError | None = None) -> model.Surface:
    """The model of all runs, for the accuracies that `views` (V,) picks.

    scale: of the error; there techniques nearly add up, and the same runs tell more of single configurations
    (docs/decisions.md).
    """
    on_scale = runs if scale is None else scale.runs(runs)
    noise, y = measure(on_scale, views), (on_scale.acc * views).sum(axis=1)
    sigma, df = noise.sigma, 0.0  # what the design's residual says of the noise, the model sees for itself
    if noise.replicate.df:
        known = with_churn(noise.replicate, noise.churn**2)
        sigma, df = math.sqrt(known.value), min(noise.replicate.df, known.df)
    if not sigma > 0:
        sigma = max(float(np.std(y)) / 4, 1e-3)
    priors = model.PRIORS.scaled(model.unit(runs.levels, y))
    fitted = model.fit(runs.levels, y, runs.block, sigma=sigma, df=df, priors=priors)
    return replace(fitted, scale=scale)


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
