"""How a study was made, as a paragraph for a paper's methods section."""

import math

from bakeoff.plan import Plan
from bakeoff.report import words
from bakeoff.runs.versions import ENGINE_VERSION
from bakeoff.study.analyse import Results

_KINDS = {
    "factorial": "A technique's effect is its gain averaged over all configurations of the others, estimated by least "
    "squares from a two-level factorial design in which every technique is on in half of the runs",
    "leave-one-out": "A technique's effect is the accuracy of the whole recipe minus that of the recipe without it",
    "add-one": "A technique's effect is the accuracy of the baseline with it minus that of the baseline",
    "ladder": "A technique's effect is what it adds to those above it, in one order",
    "proof": "The recipe was chosen by a search on the selection images alone. A technique's effect is what this "
    "recipe loses without it, or would gain with it, in runs that were made after it was fixed",
}


def methods(results: Results) -> str:
    """Design, seeds, splits, training, intervals, hardware and versions, in sentences."""
    if results.spec.program:
        return " ".join([_command(results), _design(results), _intervals(results)]).replace("\u00a0", " ")
    return " ".join(
        [_data(results), _training(results), _design(results), _intervals(results), _machine(results)]
    ).replace("\u00a0", " ")


def _data(results: Results) -> str:
    spec = results.spec
    splits = words.listed([f"{count:,} {name}" for name, count in spec.splits.items()])
    return (
        f"Data: {words.dataset(spec.task)}, {len(spec.classes)} classes; {splits} images, split once (fingerprint "
        f"{spec.data_fingerprint}). Accuracy is Acc@1 on the report images, on which nothing was tuned."
    )


def _command(results: Results) -> str:
    spec = results.spec
    assert spec.program is not None
    better = "" if spec.sign > 0 else ", of which less is better"
    return (
        f"Each run is one of the command `{spec.program.command.command}` with its own seed; the metric is "
        f"{spec.measures[0]}, as the command states it{better}."
    )


def _training(results: Results) -> str:
    base, whole = (Plan.model_validate(plan) for plan in (results.spec.base_plan, results.spec.recipe_plan))
    shown = f"{base.examples_seen:,}"
    if whole.examples_seen != base.examples_seen:
        shown += f" to {whole.examples_seen:,}"
    batch = f"{base.batch_size}" + (f" to {whole.batch_size}" if whole.batch_size != base.batch_size else "")
    return (
        f"Each run trains {base.model.name} at {base.train_px} px from random weights on {shown} images shown, in "
        f"batches of {batch}; the weights after the last step are evaluated, no run and no epoch is chosen."
    )


def _design(results: Results) -> str:
    spec = results.spec
    done = sum(record is not None and record.status == "done" for record in results.records)
    parts = [f"{_KINDS[spec.design]}."]
    seeds = len({row.block for row in spec.rows})
    parts.append(
        f"{done:,} of {words.counted(len(spec.rows), 'run')} were finished, with {words.counted(seeds, 'seed')}."
    )
    if spec.evaluation:
        names = words.listed([words.title(name) for name in spec.evaluation])
        parts.append(f"{names}: both levels were read from the same trained weights.")
    if spec.not_applicable:
        parts.append(f"Not applicable to these data: {words.listed([words.title(n) for n in spec.not_applicable])}.")
    return " ".join(parts)


def _intervals(results: Results) -> str:
    level, noise = words.percent(results.total.level), results.noise.sigma
    if results.total.unplanned:
        return f"Intervals are at {level}, valid at any look, conditional on the evaluation images."
    kind = "of Student's t"
    if results.spec.looks:
        kind = "corrected for the planned interim looks"
    scatter = f" Runs scatter by a standard deviation of about {noise:.2f} points." if math.isfinite(noise) else ""
    return (
        f"Intervals are at {level}, {kind}, conditional on the evaluation images; simultaneous ones and p-values are "
        f"by the studentized maximum modulus over the {len(results.main)} effects.{scatter}"
    )


def _machine(results: Results) -> str:
    spec = results.spec
    done = [record for record in results.records if record and record.status == "done"]
    formats = words.listed(sorted({record.dtype for record in done if record.dtype}))
    spent = f", {words.duration(sum(record.seconds for record in done))} of training in all" if done else ""
    versions = ", ".join(f"{name} {version}" for name, version in spec.versions.items())
    again = f" Command: {spec.command}" if spec.command else ""
    return (
        f"Hardware: {spec.device}{f' in {formats}' if formats else ''}, "
        f"{spec.jobs} {'process' if spec.jobs == 1 else 'processes'} of "
        f"{words.counted(spec.threads, 'thread')}{spent}. Versions: {versions}, engine {ENGINE_VERSION}. "
        f"Study {spec.name}; the same plan, seed and data give the same run.{again}"
    )
