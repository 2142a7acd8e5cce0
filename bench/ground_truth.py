"""A real ground truth: every combination of the training techniques, trained; and the designs replayed on it.

    python -m bench.ground_truth make --store DIR    train what the store lacks, keep the table in studies/
    python -m bench.ground_truth                     replay: error and coverage of each design with equal runs

The table holds Acc@1 for every combination, seed, split (select, report) and level of the evaluation technique (EMA).
Averaged effects are of the mean over its levels on the report split; the truth of one is its mean over all combinations
and seeds. A replay draws a design, looks its
runs up with a random one of the table's seeds for each of the design's, and estimates as a study does.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from bakeoff import api
from bakeoff.ablation.design import CORNERS
from bakeoff.ablation.plan import factors
from bakeoff.launch import base
from bakeoff.launch.engines import launcher
from bakeoff.launch.queue import Batch, Queue, Trial, Try
from bakeoff.runs.record import EvalSetting, run_id
from bakeoff.runs.versions import ENGINE_VERSION
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import designs, effects
from bakeoff.stats.log_error import LogError
from bakeoff.stats.outcomes import Runs
from bench.compare import ROOT

TABLE = ROOT / "studies" / "ground-truth-digits.npz"
REQUEST: dict[str, Any] = {
    "task": "digits",
    "recipe": "torchvision-2021",
    "model": "mlp",  # fast, and it takes one size only: FixRes doesn't apply, nine training techniques are left
    "settings": ("model.knobs.hidden=64", "lr.per_256=0.8"),
    "length": 0.25,
}
SEEDS = 6
SPLITS = ("select", "report")

Floats = npt.NDArray[np.float64]


def make(store: Path, jobs: int) -> None:
    """Train every combination with every seed, and keep the table."""
    job = api.plan_job(**REQUEST)
    found, where = factors(job), Workspace.open(store=store)
    where.store.prepare()
    dataset = job.task.load(where.folder)
    combinations = list(itertools.product((False, True), repeat=len(found.training)))
    trials = []
    for seed, levels in itertools.product(range(SEEDS), combinations):
        plans = tuple(found.plans(levels))
        tried = Try(seed=seed, run=run_id(plans[0], seed, dataset.fingerprint, ENGINE_VERSION))
        trials.append(Trial.of(plans, found.recipe(levels).as_json(), [tried]))

    settings = [EvalSetting(ema=ema, **dict(job.plan.eval_view)) for ema in (False, True)]
    kept = [setting.view_of(split) for split in SPLITS for setting in settings]

    def values(trial: Trial) -> list[float] | None:
        record = where.store.read(trial.name)
        known = {view.name: view.acc["acc1"] for view in record.views} if record else {}
        return [known[name] for name in kept] if known.keys() >= set(kept) else None

    batch = Batch(
        task=job.task.name, data_fingerprint=dataset.fingerprint, threads=1, extensions=(), trials=tuple(trials)
    )
    with launcher(job.task, where, device="cpu", jobs=jobs, threads=1) as pool:
        for ended, left in base.make(pool, Queue(where.store, "ground-truth"), batch):
            if left % 50 == 0 or ended.status != "done":
                print(f"{left} left: {ended.status} {ended.reason}", flush=True)
    acc = np.array([values(trial) for trial in trials], np.float32).reshape(SEEDS, len(combinations), len(SPLITS), 2)
    about = {
        "techniques": [technique.name for technique in found.training],
        "request": REQUEST,
        "engine_version": ENGINE_VERSION,
        "data": dataset.fingerprint,
    }
    np.savez_compressed(TABLE, acc=acc.swapaxes(0, 1), levels=np.array(combinations), about=json.dumps(about))


def load(path: Path = TABLE) -> tuple[Floats, npt.NDArray[np.bool_], list[str]]:
    """Acc@1 (2^k, seeds, splits, off and on) in percent, levels (2^k, k), and the techniques' names."""
    with np.load(path) as data:
        return data["acc"].astype(np.float64), data["levels"], json.loads(str(data["about"]))["techniques"]


def reported(acc: Floats) -> Floats:
    """(2^k, seeds) Acc@1 on the report split, the mean over the levels of EMA."""
    mean: Floats = acc[:, :, SPLITS.index("report")].mean(axis=-1)
    return mean


def truth(acc: Floats, levels: npt.NDArray[np.bool_]) -> Floats:
    """(k,) averaged effects: mean with the technique minus mean without, in points."""
    mean = acc.mean(axis=1)
    return np.array([mean[column].mean() - mean[~column].mean() for column in levels.T])


def in_recipe(acc: Floats) -> Floats:
    """(k,) effects beside the whole recipe: all on minus all on but one, in points."""
    mean, k = acc.mean(axis=1), acc.shape[0].bit_length() - 1
    return np.array([mean[-1] - mean[2**k - 1 - 2 ** (k - 1 - j)] for j in range(k)])


def replay(
    acc: Floats, draw: Callable[[int], designs.Design], estimate: Callable[[Runs], list[effects.Effect]], times: int
) -> tuple[Floats, Floats, Floats]:
    """Gains, lower and upper limits (times, k) of a design that is drawn anew each time."""
    k = acc.shape[0].bit_length() - 1
    weights = 2 ** np.arange(k)[::-1]
    found = []
    for seed in range(times):
        design = draw(seed)
        random = np.random.default_rng([seed, 7])
        rows = design.levels @ weights
        of_block = {block: random.integers(acc.shape[1]) for block in np.unique(design.block).tolist()}
        column = np.array([of_block[block] for block in design.block.tolist()])
        effects_found = estimate(Runs.collect(design.levels, acc[rows, column], design.block))
        by_name = sorted(effects_found, key=lambda effect: int(effect.technique))
        found.append([(effect.gain_pp, effect.low, effect.high) for effect in by_name])
    gain, low, high = np.moveaxis(np.array(found), 2, 0)
    return gain, low, high


def measure(times: int = 400) -> list[dict[str, float | str]]:
    """Each design at about equal runs: error to the averaged effects, and coverage of its intervals."""
    table, levels, names = load()
    acc = reported(table)
    k, average, beside = len(names), truth(acc, levels), in_recipe(acc)
    numbers = [str(index) for index in range(k)]
    on = np.ones(k, bool)

    def shuffled(seed: int, repeats: int) -> designs.Design:
        order = np.random.default_rng([seed, 3]).permutation(k).tolist()
        return designs.ladder(order, repeats, seed=seed)

    def stacked(runs: Runs) -> list[effects.Effect]:
        order = np.argsort(-runs.levels.sum(axis=0), kind="stable")  # the first added is on most often
        return effects.stacked(runs, numbers, order.tolist())

    def ladder(repeats: int) -> Callable[[int], designs.Design]:
        return lambda seed: shuffled(seed, repeats)

    def fold(runs: int) -> Callable[[int], designs.Design]:
        return lambda seed: designs.factorial(k, runs, seed=seed)

    def leave(repeats: int) -> Callable[[int], designs.Design]:
        return lambda seed: designs.leave_one_out(k, repeats, seed=seed)

    def averaged(runs: Runs) -> list[effects.Effect]:
        return effects.averaged(runs, numbers)

    def without(runs: Runs) -> list[effects.Effect]:
        return effects.switched(runs, numbers, on)

    def modelled(runs: Runs) -> list[effects.Effect]:
        found = effects.surface(runs, runs.view_average(), LogError.near_the_best(runs.acc[:, 0]))
        return effects.modelled(runs, numbers, on, found)

    def fold_and_corners(seed: int) -> designs.Design:
        return designs.factorial(k, 48, corners=CORNERS, seed=seed)

    rows: list[dict[str, float | str]] = []
    for effect, real, name, draw, estimate, repeats in (
        ("averaged", average, "factorial", fold(24), averaged, times),
        ("averaged", average, "factorial", fold(48), averaged, times),
        ("averaged", average, "factorial", fold(96), averaged, times),
        ("averaged", average, "ladder", ladder(2), stacked, times),
        ("averaged", average, "ladder", ladder(16), stacked, times),
        ("averaged", average, "leave-one-out", leave(4), without, times),
        ("averaged", average, "leave-one-out", leave(16), without, times),
        ("in recipe", beside, "leave-one-out", leave(4), without, times),
        ("in recipe", beside, "factorial, model", fold_and_corners, modelled, times // 5),
    ):
        gain, low, high = replay(acc, draw, estimate, repeats)
        rows.append(
            {
                "effect": effect,
                "design": name,
                "runs": len(draw(0)),
                "rmse": float(np.sqrt(np.mean((gain - real) ** 2))),
                "bias": float(np.sqrt(np.mean((gain.mean(axis=0) - real) ** 2))),
                "coverage": float(np.mean((low <= real) & (real <= high))),
                "half_width": float(np.mean(high - low) / 2),
            }
        )
    return rows


def main(arguments: list[str]) -> int:
    """Make the table or replay on it."""
    parser = argparse.ArgumentParser(prog="python -m bench.ground_truth", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("make", "replay"), default="replay")
    parser.add_argument("--store", type=Path, default=Path("runs"), help="where the runs are kept while they are made")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    if options.what == "make":
        make(options.store, options.jobs)
        return 0
    table, levels, names = load()
    acc = reported(table)
    console = Console()
    console.print(
        f"averaged effects: {', '.join(f'{n} {e:+.2f}' for n, e in zip(names, truth(acc, levels), strict=True))}"
    )
    shown = Table("effect", "design", "runs", "RMSE", "bias", "coverage", "half-width")
    for row in measure():
        shown.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(shown)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
