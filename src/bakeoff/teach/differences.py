"""Why the post's number for a technique and a study's differ: only what the numbers at hand say something about."""

import math

from bakeoff import techniques
from bakeoff.plan import Plan
from bakeoff.report import words
from bakeoff.report.rows import EffectRow
from bakeoff.report.stacked import steps
from bakeoff.stats.table import Effect
from bakeoff.study.analyse import Results
from bakeoff.techniques import published
from bakeoff.techniques.published import Increment


def reasons(row: EffectRow, results: Results) -> tuple[str, ...]:
    """Each reason as a paragraph; none where the post or the study has no number."""
    if row.effect is None or row.post is None or not row.measured:
        return ()
    return tuple(
        reason
        for reason in (
            _agreement(row.effect, row.post),
            _order(row, results),
            _company(row, results),
            _data(results),
            _room(row.post, results),
            _luck(row, row.post, results),
            f"The setting. {techniques.get(row.technique).card.scaling}",
            "What can't be told. The study varied neither its data nor its model, so it can't say how much of the "
            "difference is due to them.",
        )
        if reason
    )


def _agreement(effect: Effect, post: Increment) -> str:
    if not math.isfinite(effect.high - effect.low):
        return "Is there a difference? The study has no interval for its number, so it can't say."
    number = words.signed(post.acc1, 3)
    if effect.low <= post.acc1 <= effect.high:
        return (
            f"Is there a difference? The post's {number} lies inside the study's interval: as far as these runs can "
            "tell, the two may be the same."
        )
    return (
        f"Is there a difference? The post's {number} lies outside the study's interval, so the gap is more than "
        "other seeds here would explain. The post's own error isn't known."
    )


def _order(row: EffectRow, results: Results) -> str:
    spec, name = results.spec, row.technique
    asked = "The question. The post's number is what it adds to the steps before it; the study's is "
    asked += f"{words.ESTIMANDS[spec.design]}."
    table = [each.technique for each in published.blog_rows() if each.technique in spec.order]
    step = next((step for step in steps(results) if step.technique == name), None)
    if spec.design != "factorial" or step is None or table != [each for each in spec.order if each in table]:
        return asked
    inside = next((effect for effect in results.in_recipe if effect.technique == name), None)
    digits = words.digits([*results.main, *results.in_recipe])
    gain = words.signed(step.after - step.before, digits)
    found = f" In the post's order its step here would be {gain} ({words.span(step.low, step.high, digits)})"
    if inside and math.isfinite(inside.gain_pp):
        found += f", and in the whole recipe it is worth {words.signed(inside.gain_pp, digits)} "
        found += f"({words.span(inside.low, inside.high, digits)})"
    assert row.effect is not None
    apart = not step.low <= row.effect.gain_pp <= step.high
    so = "So the order explains a part of it." if apart else "So these runs don't show that the order matters for it."
    return f"{asked}{found}, by a model of all runs. {so}"


def _company(row: EffectRow, results: Results) -> str:
    """What was on at the same time."""
    if results.spec.design != "factorial":
        return ""
    found = []
    for relation in ("works with", "fights with"):
        others = [
            f"{words.title(pair.second if pair.first == row.technique else pair.first)} ({words.signed(pair.gain_pp)})"
            for pair in results.interactions
            if row.technique in (pair.first, pair.second) and pair.relation == relation
        ]
        found += [f"it {relation} {words.listed(others)}"] if others else []
    if not found:
        return "Other techniques at the same time. No pair with it stands out in these runs."
    return (
        f"Other techniques at the same time. Here {words.listed(found)}, in points where both are on. Of the pairs "
        "that a study names about one in twenty may have the wrong sign."
    )


def _data(results: Results) -> str:
    spec = results.spec
    base, whole = Plan.model_validate(spec.base_plan), Plan.model_validate(spec.recipe_plan)
    post = {each["name"]: each for each in published.published()["recipes"]["parameters"]}
    images = max(1, spec.splits["train"])
    passes = words.listed(list(dict.fromkeys(f"{plan.examples_seen / images:.3g}" for plan in (base, whole))))
    return (
        f"Data, model and length. The post: ImageNet, 1,000 classes, training images of "
        f"{post['train_crop_size']['baseline']} px, ResNet50, {post['epochs']['baseline']} passes over the data for "
        f"the baseline and {post['epochs']['final']} for the recipe. Here: {words.dataset(spec.task)}, "
        f"{len(spec.classes):,} classes, {images:,} training images of {base.train_px} px, {base.model.name}, {passes} "
        "passes."
    )


def _room(post: Increment, results: Results) -> str:
    here = results.baseline.acc["acc1"]
    if not math.isfinite(here):
        return ""
    there = post.acc1_after - post.acc1
    return (
        f"Room to improve. The post's step starts from {there:.2f} %, so {100 - there:.2f} points were left to win; "
        f"the baseline here is right on {here:.2f} % already, which leaves {100 - here:.2f}."
    )


def _luck(row: EffectRow, post: Increment, results: Results) -> str:
    """How far the post's way of counting could be off, by the noise that was seen here."""
    best = "Best of 3. The post states the best of 3 runs of every row, the study the mean of all its runs."
    if row.evaluation:
        return f"{best} Here both readings come from the same runs, so what differs between runs cancels."
    sigma = results.noise.sigma
    if not math.isfinite(sigma):
        return best
    return (
        f"{best} Here the same training with other seeds varies by {sigma:.2f} points (standard deviation), so even "
        f"the difference between two means of 3 runs would vary by {sigma * math.sqrt(2 / 3):.2f}. The post doesn't "
        f"say how much its runs vary, so it can't be told how much of its {words.signed(post.acc1, 3)} is chance."
    )
