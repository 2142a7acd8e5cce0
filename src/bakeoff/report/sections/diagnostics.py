"""The sections behind the effects: accuracies, curves, classes, calibration, noise, what was run, what it can't say."""

import math
from datetime import datetime

from bakeoff.plan import Plan
from bakeoff.report import baseline_vs_recipe, chart, words
from bakeoff.report.page import Block, Bullets, Cell, Code, Column, Picture, Section, Table, Text, strong, term
from bakeoff.report.sections import derivation
from bakeoff.study.analyse import Results

_MOST_FAILURES = 20
_SOURCES = {
    "replicates": "runs that differ in the seed only",
    "design residual": "what the techniques don't explain between runs that share a seed",
    "churn": "how many images change between right and wrong from run to run",
}


def accuracy(results: Results) -> Section | None:
    """Acc@1 and Acc@K of baseline and recipe, and the gain."""
    k, classes = results.top_k, len(results.spec.classes)
    corners = (results.baseline, results.recipe)
    if not any(corner.runs for corner in corners):
        return None
    body = []
    for key, effect in (("acc1", results.total), (f"acc{k}", results.total_k)):
        values = [Cell(words.number(c.acc[key], 2, words.PERCENT), words.counted(c.runs, "run")) for c in corners]
        gain = Cell(words.signed(effect.gain_pp), words.span(effect.low, effect.high))
        body.append((Cell(f"Acc@{key[3:]}"), *values, gain if math.isfinite(effect.gain_pp) else Cell(words.DASH)))
    definition = Text.of(
        term(f"Acc@{k}"), f" is the share of images whose right class is among the {k} most likely ones. ",
        f"With {classes} classes it is 100\u00a0% whatever the model does. " if k == classes else "",
        "Accuracies are means over runs, of the last step of training and never of the best one, on the part of the "
        "data called report, which was used for nothing else. The gain is from these runs alone; its interval is "
        f"{words.percent(results.total.level)}, for the same images and other seeds.",
    )  # fmt: skip
    named = (("baseline", results.baseline), ("recipe", results.recipe))
    sds = [f"{name} {words.number(corner.sd)}" for name, corner in named if corner.runs > 1]
    columns = (Column(""), Column("Baseline", True), Column("Recipe", True), Column("Gain, points", True))
    blocks: list[Block] = [definition, Table(columns, tuple(body))]
    blocks += derivation.beside(results)
    if sds:
        blocks.append(Text.of(f"Standard deviation of Acc@1 between runs, in points: {', '.join(sds)}."))
    added = sum(effect.gain_pp for effect in results.main)
    if results.spec.design == "factorial" and math.isfinite(added + results.total.gain_pp):
        blocks.append(
            Text.of(
                f"The averaged effects add up to {words.signed(added)} points. How that differs from the gain above is "
                "noise, and what three or more techniques do together."
            )
        )
    return Section("accuracy", "Baseline and recipe", tuple(blocks))


def learning(results: Results) -> Section | None:
    """Training loss over the images seen."""
    if not any(record.losses for on in (False, True) for record in baseline_vs_recipe.corner_runs(results, on)):
        return None
    caption = Text.of(
        "The ", term("training loss"), " measures how far the predictions are from the training targets; 0 is perfect. "
        "Thin lines are runs, thick ones their mean. The two levels can't be compared: techniques such as mixup and "
        "label smoothing make the targets themselves harder, so the recipe's loss is higher and its accuracy may be "
        "higher too. Look at the shapes: a curve that still falls at its end would gain from longer training.",
    )  # fmt: skip
    picture = Picture(
        "curves",
        lambda narrow: chart.curves(results, narrow=narrow),
        "Training loss of the baseline's and the recipe's runs, falling as more images are seen.",
        caption,
    )
    return Section("curves", "Learning curves", (picture,))


def classes(results: Results) -> Section | None:
    """Acc@1 of every class."""
    changes = baseline_vs_recipe.class_changes(results)
    if not changes:
        return None
    most = f" Shown are {chart.MOST_CLASSES} of {len(changes)}: half gain most, half lose most or gain least."
    caption = Text.of(
        "Acc@1 of each class, from the baseline (ring) to the recipe (dot).",
        most if len(changes) > chart.MOST_CLASSES else "",
        " A class has few images, so its changes are noisier than the total: the table gives their intervals, of which "
        "one in twenty misses by chance.",
    )
    shown = chart.shown_classes(changes)
    alt = "Accuracy of each class: " + "; ".join(f"{c.name} {words.signed(c.gain, 1)} points" for c in shown)
    picture = Picture("classes", lambda narrow: chart.per_class(results, narrow=narrow), alt, caption)
    body = tuple(
        (
            Cell(change.name),
            Cell(words.number(change.baseline, 1, words.PERCENT)),
            Cell(words.number(change.recipe, 1, words.PERCENT)),
            Cell(words.signed(change.gain, 1), words.span(change.low, change.high, 1)),
        )
        for change in shown
    )
    columns = (Column("Class"), Column("Baseline", True), Column("Recipe", True), Column("Change, points", True))
    return Section("classes", "Class by class", (picture, Table(columns, body)))


def calibration(results: Results) -> Section | None:
    """Whether confidence can be believed."""
    changes = baseline_vs_recipe.calibration(results)
    if not changes:
        return None
    body = tuple(
        (
            Cell(change.name),
            Cell(words.number(change.baseline, digits)),
            Cell(words.number(change.recipe, digits)),
            Cell(words.signed(change.gain, digits), words.span(change.low, change.high, digits)),
        )
        for change, digits in zip(changes, (3, 2), strict=True)
    )
    intro = Text.of(
        "A model is ", term("calibrated"), " if it is right in 80\u00a0% of the cases in which it says 80\u00a0%. ",
        term("ECE"), ", the expected calibration error, is the mean gap between what it says and how often it is "
        "right. ", term("Cross-entropy"), " also punishes being unsure of right answers. Lower is better for both. "
        "They say how far to trust a probability, not which technique to keep: label smoothing and mixup make a model "
        "less sure on purpose, and can raise both while accuracy improves.",
    )  # fmt: skip
    columns = (Column(""), Column("Baseline", True), Column("Recipe", True), Column("Change", True))
    return Section("calibration", "Calibration", (intro, Table(columns, body)))


def noise(results: Results) -> Section | None:
    """How much runs differ, why, and what would help."""
    n = results.noise
    if not math.isfinite(n.sigma):
        return None
    images = f" on {n.images:,} images" if n.images else ""
    sigma = strong(f"{words.number(n.sigma, 3)} points")
    residual = n.source == "design residual"
    if residual:
        intro = Text.of(
            "The intervals of the averaged effects are as wide as the ", term("residual"), " of the design makes them: "
            "what the single techniques don't explain of the differences between fold pairs, told as the standard "
            "deviation of one run's Acc@1, ", sigma, f"{images}. It holds what other seeds change, the ", term("noise"),
            ", and what three or more techniques do together."
        )  # fmt: skip
    else:
        intro = Text.of(
            "Two runs of the same configuration with different seeds don't reach the same accuracy. Their ",
            term("noise"), " is the standard deviation of one run's Acc@1: ", sigma, f"{images}, known from "
            f"{_SOURCES.get(n.source, 'nothing')}. It is what makes the intervals as wide as they are.",
        )  # fmt: skip
    common = "some runs are better on all images; only more runs help"
    if residual:
        common = "some runs, and some combinations of techniques, are better on all images; only more runs help"
    body = [
        (
            Cell("Images on the edge"),
            Cell(words.number(n.churn, 3)),
            Cell("each run gets other borderline images wrong; shrinks with more evaluation images"),
        ),
        (Cell("Common to all images"), Cell(words.number(n.distribution, 3)), Cell(common)),
    ]
    table = Table((Column("Part of it"), Column("Points", True), Column("What it is")), tuple(body))
    blocks: list[Block] = [intro, table]
    if residual and n.replicate.df:
        alone = words.number(math.sqrt(n.replicate.value), 3)
        blocks.append(
            Text.of(
                f"Runs that differ in their seed only, those of the baseline and of the recipe, scatter by {alone} "
                "points. Other configurations may scatter more."
            )
        )
    if n.rho is not None:
        blocks.append(Text.of(_shared(n.rho, folded=results.spec.design == "factorial")))
    blocks.append(Text.of(words.noise(n)))
    return Section("noise", "Noise, and what would shrink the intervals", tuple(blocks))


def _shared(rho: float, *, folded: bool) -> str:
    """What it brings that runs share their seed."""
    which = "of a fold pair, which differ in every technique," if folded else "with the same seed"
    helps = "so comparing them removes a part of the noise." if rho > 0.1 else "so their seed removes no noise."
    closer = " Runs that differ in less may agree more." if folded else ""
    return f"Accuracies of runs {which} have a correlation of {words.signed(rho)}, {helps}{closer}"


def made(results: Results) -> Section:
    """What was run, on what, for how long, and how to get it again."""
    spec = results.spec
    base, whole = Plan.model_validate(spec.base_plan), Plan.model_validate(spec.recipe_plan)
    done = [record for record in results.records if record and record.status == "done"]
    seeds = len({row.block for row in spec.rows})
    facts = [
        ("Study", spec.name),
        ("Design", words.DESIGNS[spec.design]),
        ("Runs", f"{len(done):,} of {len(spec.rows):,} finished, with {words.counted(seeds, 'seed')}"),
        ("Data", f"{words.dataset(spec.task)}, {len(spec.classes)} classes, fingerprint {spec.data_fingerprint}"),
        ("Images", ", ".join(f"{name} {count:,}" for name, count in spec.splits.items())),
        ("Model", f"{base.model.name}, built for {base.model.px} px"),
        ("Training", f"baseline {_length(base, spec.splits)}; recipe {_length(whole, spec.splits)}"),
        ("Evaluated", _views(base, whole)),
    ]
    if done:
        spent = sum(record.seconds for record in done)
        facts.append(("Training time", f"{words.duration(spent)} in all, {words.duration(spent / len(done))} a run"))
        if when := _when(done[0].started and [(r.started, r.finished) for r in done]):
            facts.append(("When", when))
    jobs = f"{spec.jobs} processes" if spec.jobs != 1 else "1 process"
    facts.append(("Machine", f"{spec.device}, {jobs} of {words.counted(spec.threads, 'thread')}"))
    facts.append(("Versions", ", ".join(f"{name} {version}" for name, version in spec.versions.items())))
    table = Table((Column("What"), Column("Value")), tuple((Cell(name), Cell(value)) for name, value in facts))
    blocks: list[Block] = [table]
    if spec.command:
        blocks += [
            Text.of("To get the same study again (what the store has is not run twice):"),
            Code(spec.command),
        ]
    failed = baseline_vs_recipe.failures(results)
    if failed:
        rows = [(Cell(on), Cell(status), Cell(reason)) for on, status, reason in failed[:_MOST_FAILURES]]
        more = f" The first {_MOST_FAILURES} of {len(failed)}." if len(failed) > _MOST_FAILURES else ""
        blocks += [
            Text.of(f"Runs that gave no result.{more}"),
            Table((Column("Techniques"), Column("Status"), Column("Reason")), tuple(rows), wide=True),
        ]
    return Section("runs", "What was run", tuple(blocks))


def _length(plan: Plan, splits: dict[str, int]) -> str:
    passes = plan.examples_seen / max(1, splits.get("train", 1))
    return f"{plan.examples_seen:,} images shown ({passes:.3g} passes over the data), {plan.batch_size} at a time"


def _views(base: Plan, whole: Plan) -> str:
    shown = []
    for name, plan in (("baseline", base), ("recipe", whole)):
        weights = "moving average of the weights" if plan.average else "last weights"
        shown.append(f"{name} at {words.size(plan.eval_view)}, {weights}")
    return "; ".join(shown)


def _when(times: list[tuple[str, str]] | str) -> str:
    stamps = sorted(stamp for pair in times or () for stamp in pair if stamp)
    if not stamps:
        return ""
    first, last = (datetime.fromisoformat(stamp) for stamp in (stamps[0], stamps[-1]))
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def limits(results: Results) -> Section:
    """What these numbers don't say."""
    spec = results.spec
    base, whole = Plan.model_validate(spec.base_plan), Plan.model_validate(spec.recipe_plan)
    length = f"{base.examples_seen:,} to {whole.examples_seen:,} images shown"
    items = [
        Text.of(
            strong("They hold here."),
            f" For {words.dataset(spec.task)}, {base.model.name} and {length}. Other data, a larger model or longer "
            "training can turn a loss into a gain: many of these techniques pay late.",
        ),
        Text.of(
            strong("One strength each."), " A technique that hurts may help in a smaller dose: the settings are the "
            "recipe's, and none was tuned here.",
        ),
        Text.of(
            strong("The intervals allow for other seeds, not for other images."), " The wider ones in the table "
            "of all intervals allow for those too, as long as the new images are of the same kind.",
        ),
        Text.of(
            strong("Advice is about accuracy."), " It follows what is likelier, and what isn't beyond doubt may be "
            "wrong. It doesn't count training time, and what doesn't matter for accuracy may pay in calibration.",
        ),
        Text.of(
            strong("The post's column is no yardstick."), " It is ImageNet and ResNet50, stacked in one order, the "
            "best of 3 runs. The best of three is too high on average, the order decides what a step adds, and by "
            "its own noise (about ±0.25 points a step) most of its smaller steps can't be told from 0.",
        ),
        Text.of(
            strong("The papers' claims"), " are by their authors, mostly of one technique alone on a plain baseline, "
            "often of one run.",
        ),
    ]  # fmt: skip
    if spec.evaluation:
        names = words.listed([words.title(name) for name in spec.evaluation])
        items.append(
            Text.of(
                strong(f"{names}:"), " read from the same trained weights, with and without, so compared within each "
                "run. That is why the intervals are narrow and the training time is none.",
            )
        )  # fmt: skip
    return Section("limits", "What these numbers can't say", (Bullets(tuple(items)),))
