"""How a derived recipe was found, as a section: what was asked, believed, tried and dropped."""

import math
from collections.abc import Sequence

from bakeoff.report import words
from bakeoff.report.page import Cell, Column, Section, Table, Text, strong
from bakeoff.stats.outcomes import Floats
from bakeoff.study.analyse import Results
from bakeoff.study.spec import DesignPoint
from bakeoff.techniques.published import blog_rows


def beside(results: Results) -> list[Text]:
    """The gain of a derived recipe over the one that was published."""
    gain = results.over_published
    if gain is None or not math.isfinite(gain.gain_pp):
        return []
    verb, points = words.change(gain.gain_pp)
    interval = f"{words.percent(gain.level)} interval {words.span(gain.low, gain.high)}"
    spec = results.spec
    known = {*spec.names, *spec.not_applicable}
    barred = [step.technique for step in blog_rows() if step.technique and step.technique not in known]
    names = words.listed([words.title(name) for name in barred])
    without = f" Not among the candidates here: {names}." if barred else ""
    return [
        Text.of(
            f"Over the recipe as published, all twelve techniques at the post's strengths, it {verb}s ",
            strong(points),
            f" ({interval}).{without}",
        )
    ]


def found(results: Results) -> Section | None:
    """How a derived recipe was found: what was asked, believed, tried and dropped."""
    if results.found is None:
        return None
    asked, now, spec = results.found.asked, results.found.look, results.spec
    tried = asked.made(spec)[len(asked.initial.rows) :]
    names = asked.initial.training
    seen = len({row.configuration for row in (*asked.made(spec), *asked.warm_start)})
    how = Text.of(
        f"Of {len(asked.allowed) * 2 ** len(spec.evaluation):,} recipes from {len(spec.names)} candidates, the one "
        f"with the highest Acc@{asked.k} was wanted, for {words.budget(asked.budget, asked.unit)} in all. ",
        f"The search made {len(asked.initial.rows)} runs to begin with and {len(tried)} more, each of a recipe that "
        "might be the best as far as was known",
        f", and used {len(asked.warm_start)} of earlier studies" if asked.warm_start else "",
        f", and {len(asked.low_fidelity)} shorter ones for what they agree on" if asked.low_fidelity else "",
        f"; {words.counted(seen, 'configuration')} of the training techniques were seen. It looked at the "
        f"part of the data called select only, and trained for {words.duration(results.found.seconds)} in all. It "
        f"ended because {spec.ended}.",
    )
    body = [
        (
            Cell("Believed by the search", f"select, seeds that the search knew{', published strengths' * spec.tuned}"),
            _range(now.incumbent.value, now.incumbent.sd),
        ),
        (Cell("The same images, fresh seeds", "select"), _mean(results.found.fresh)),
    ]
    if asked.k == 1:
        body.append(
            (
                Cell("Other images, fresh seeds", "report"),
                Cell(words.number(results.recipe.acc["acc1"], 2, words.PERCENT)),
            )
        )
    optimism = now.incumbent.value - float(results.found.fresh.mean()) if len(results.found.fresh) else math.nan
    honest = () if spec.tuned else (Text.of(
        "A search believes the best of what it saw, so it believes too much. Here it was off by ",
        strong(f"{words.signed(optimism)} points"), " on the same images. The split called report has other images, "
        "which may be harder or easier: only gains on one split compare.",
    ),)  # fmt: skip
    return Section(
        "found",
        "How the recipe was found",
        (
            how,
            Table((Column(f"Acc@{asked.k} of the recipe"), Column("Percent", True)), tuple(body)),
            *honest,
            Text.of(
                "What was tried, and why it was kept or dropped. Tried: how many of the search's own configurations, "
                "after the beginning, had it on. Believed: its effect beside the rest of the recipe, on select, when "
                "the search ended."
            ),
            Table(
                (Column("Technique"), Column("Tried", True), Column("Believed, points", True), Column("Decision")),
                tuple(_decision(results, index, tried) for index in range(len(names))),
                wide=True,
            ),
            *_strengths(results),
        ),
    )


def _strengths(results: Results) -> list[Text | Table]:
    assert results.found is not None
    belief, spec = results.found.strengths, results.spec
    if belief is None:
        return []
    mean, sd = float(belief.mean[0]), float(belief.sd[0])
    taken = (
        f"Those taken were believed to gain {words.signed(mean)} ± {1.96 * sd:.2f} points over the published ones."
        if spec.tuned
        else "None was surely better than the published ones, so these were kept."
    )
    body = tuple(
        (
            Cell(words.title(knob.technique), knob.knob),
            *(
                Cell(f"{value:.3g}", ", ".join(("published",) * (at == knob.usual) + ("taken",) * (at == knob.chosen)))
                for at, value in zip((-1, 0, 1), knob.values, strict=True)
            ),
        )
        for knob in spec.knobs
    )
    tried = words.counted(len(spec.sweep_points), "run")
    return [
        Text.of(f"Then three strengths of each technique of the recipe were tried, in {tried}. {taken}"),
        Table((Column("Strength"), Column("Low", True), Column("Middle", True), Column("High", True)), body),
    ]


def _decision(results: Results, index: int, tried: Sequence[DesignPoint]) -> tuple[Cell, ...]:
    assert results.found is not None
    belief, kept = results.found.in_recipe, bool(results.found.look.incumbent.best[index])
    mean, sd, positive = (float(values[index]) for values in (belief.mean, belief.sd, belief.positive))
    sure = positive if kept else 1 - positive
    probability = f"over 99{words.PERCENT}" if sure > 0.99 else words.percent(sure)  # 100 % would be certain
    why = f"{'helps' if kept else 'hurts'} with probability {probability}"
    return (
        Cell(words.title(results.spec.training[index])),
        Cell(f"{sum(row.configuration[index] for row in tried)} of {len(tried)}"),
        Cell(words.signed(mean), words.span(mean - 1.96 * sd, mean + 1.96 * sd)),
        Cell("kept" if kept else "dropped", why),
    )


def _range(value: float, sd: float) -> Cell:
    return Cell(words.number(value, 2, words.PERCENT), f"± {1.96 * sd:.2f}")


def _mean(values: Floats) -> Cell:
    if not len(values):
        return Cell(words.DASH)
    spread = f", sd {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return Cell(words.number(float(values.mean()), 2, words.PERCENT), f"{words.counted(len(values), 'run')}{spread}")
