"""How good the recipes are that a search finds, and how honest: ours and its peers with the same number of runs.

    python -m bench.search    needs `pip install -e '.[bench]'`; most of the time is SMAC3's, up to minutes a replay;
                              without it, by --methods, half an hour on 2 busy cores

`digits` is the real table of `ground_truth`: all combinations of nine techniques, six seeds. A run draws one of them;
what is chosen is chosen on the select split. Regret: the best of the table less the truth of what was chosen, there.
The table's truths are means of six runs, known to 0.3 points near the top, and the highest of 512 such means is high by
luck that nothing could foresee. So `digits, smooth` is the same table with the same noise and less luck in its truths:
the logarithms of their errors are their projections on main effects and interactions of two and three, all that can be
told from the noise. The other worlds are simulated, those of tests/worlds.py.

Optimism: what a method reports for its recipe less the truth of that recipe. Proof: the same of the mean of fresh
runs, on the report split where there is one; the methods' runs share their noise, and so do these.
"""

import argparse
import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from bakeoff.files import write_text
from bakeoff.stats import thompson as search
from bakeoff.stats.outcomes import Bools, Floats, Ints, Runs
from bakeoff.stats.surrogate import features
from bakeoff.study.decide import LEAST
from bakeoff.study.seeds import SHORTER
from bench import ground_truth
from bench.compare import ROOT, machine
from bench.peers import search as peers
from bench.peers.search import Choice, Peer, Train
from tests import worlds

AT = (26, 39, 52, 78)  # runs
SIMULATED = tuple((kind, sigma) for kind in ("structured", "unstructured") for sigma in (0.12, 0.3))
PLACES = ("digits", "digits, smooth", *(f"{kind}, sigma {sigma:g}" for kind, sigma in SIMULATED))


@dataclass(frozen=True, eq=False)
class World:
    """A world to search in, and its truth.

    truth: (2^k,) what each configuration reaches on the split for choosing, in percent, in the order of
    `search.configurations`; proved: on the split for proving. train, prove: runs on the two.
    """

    k: int
    truth: Floats
    proved: Floats
    train: Train
    prove: Train

    def row(self, levels: Bools) -> int:
        """Where a configuration stands."""
        return int(levels @ _places(self.k))


def _places(k: int) -> Ints:
    return 2 ** np.arange(k, dtype=np.int64)[::-1]


@cache
def _digits(smooth: bool) -> tuple[Floats, Floats]:
    """(512, seeds) Acc@1 of the table on the two splits, without EMA, which makes no difference there."""
    acc, levels, _ = ground_truth.load()
    splits = [acc[:, :, split, 0] for split in range(len(ground_truth.SPLITS))]
    if not smooth:
        return splits[0], splits[1]
    phi = features(levels)
    for index, split in enumerate(splits):
        error = np.log(100 - split)
        mean = error.mean(axis=1)
        projected = phi @ (phi.T @ mean) / len(mean)
        splits[index] = 100 - np.exp(error + (projected - mean)[:, None])
    return splits[0], splits[1]


def world(place: str, seed: int) -> World:
    """One of PLACES, drawn with a seed; the same for every method."""
    draw = np.random.default_rng([*b"world", seed])
    if place.startswith("digits"):
        choosing, proving = _digits(place != "digits")
        column: dict[int, int] = {}

        def look_up(table: Floats, levels: Bools, blocks: Ints) -> Floats:
            of = [column.setdefault(block, int(draw.integers(table.shape[1]))) for block in blocks.tolist()]
            return np.asarray(table[levels @ _places(levels.shape[1]), of])

        k = len(choosing).bit_length() - 1
        train, prove = partial(look_up, choosing), partial(look_up, proving)
        return World(k, choosing.mean(axis=1), proving.mean(axis=1), train, prove)
    kind, sigma = place.split(", sigma ")
    truth = getattr(worlds, kind)(np.random.default_rng(seed)).value(worlds.ALL)

    def run(levels: Bools, blocks: Ints) -> Floats:
        return np.asarray(truth[levels @ _places(worlds.K)] + float(sigma) * draw.standard_normal(len(blocks)))

    return World(worlds.K, truth, truth, run, run)


def standings(
    train: Train, k: int, at: Sequence[int], seed: int, shorter: tuple[Bools, Floats] | None = None
) -> Iterator[search.Incumbent]:
    """What our search knows after so many runs, as `bakeoff derive` goes about it.

    shorter: levels and accuracies of runs of a shorter training, which are known from the start.
    """
    draw = np.random.default_rng([*b"bakeoff", seed])
    opening, every = search.initial_design(k, seed), search.configurations(k)
    before = shorter or (np.zeros((0, k), bool), np.zeros(0))
    levels = np.concatenate([before[0], opening.levels])
    blocks = np.concatenate([SHORTER + np.arange(len(before[0])), opening.block])
    acc = np.concatenate([before[1], train(opening.levels, opening.block)])
    while True:
        made = len(acc) - len(before[0])
        runs = Runs.collect(levels, acc, blocks)
        short = runs.block >= SHORTER
        surface = search.fit_surrogate(runs, runs.view_average(), short if short.any() else None)
        if made in at:
            yield search.incumbent(surface, every, draw)
        if made >= max(at):
            return
        new = search.suggest(surface, every, draw, min(search.BATCH, min(n for n in at if n > made) - made))
        seeds = search.seeds(new, 1_000 + search.BATCH * made)
        levels, blocks = np.concatenate([levels, new]), np.concatenate([blocks, seeds])
        acc = np.concatenate([acc, train(new, seeds)])


def bakeoff(train: Train, k: int, at: Sequence[int], seed: int) -> list[Choice]:
    """Our search."""
    return [Choice(incumbent.best, incumbent.value) for incumbent in standings(train, k, at, seed)]


def every_once(train: Train, k: int, at: Sequence[int], seed: int) -> list[Choice]:
    """No peer but a bound, whatever `at` says: all 2^k configurations run once, and what our model makes of them."""
    every = search.configurations(k)
    blocks = np.arange(len(every))
    runs = Runs.collect(every, train(every, blocks), blocks)
    incumbent = search.incumbent(
        search.fit_surrogate(runs, runs.view_average()), every, np.random.default_rng([*b"all", seed])
    )
    return [Choice(incumbent.best, incumbent.value)] * len(at)


def ladder(aggregate: Callable[[Floats], float], published: bool) -> Peer:
    """The ladder in the published order, which is that of the techniques, or in a random one."""

    def choose(train: Train, k: int, at: Sequence[int], seed: int) -> list[Choice]:
        order = np.arange(k) if published else np.random.default_rng([*b"ladder", seed]).permutation(k)
        return [peers.ladder(train, order.tolist(), runs, aggregate) for runs in at]

    return choose


def _backward(train: Train, k: int, at: Sequence[int], seed: int) -> list[Choice]:
    return [peers.backward(train, k, runs) for runs in at]


METHODS: dict[str, tuple[Peer, float]] = {  # and the share of the replays that its time allows
    "bakeoff": (bakeoff, 0.5),
    "Optuna TPE, multivariate (default)": (partial(peers.optuna, sampler="tpe"), 0.2),
    "Optuna TPE, univariate": (partial(peers.optuna, sampler="tpe-univariate"), 0.2),
    "Optuna random": (partial(peers.optuna, sampler="random"), 0.2),
    "SMAC3": (peers.smac, 0.05),
    "ladder, best of the runs": (ladder(np.max, False), 1),
    "ladder, means": (ladder(np.mean, False), 1),
    "ladder, best of the runs, published order": (ladder(np.max, True), 1),
    "ladder, means, published order": (ladder(np.mean, True), 1),
    "backward elimination": (_backward, 1),
    "all configurations once, our model": (every_once, 0.2),
}


def replay(place: str, method: str, seed: int) -> list[tuple[float, float, float]]:
    """Regret, optimism and the proof's error at each of AT, in one world."""
    here = world(place, seed)
    choices = METHODS[method][0](here.train, here.k, AT, seed)
    found = []
    for index, choice in enumerate(choices):
        row = here.row(choice.levels)
        proof = here.prove(np.tile(choice.levels, (LEAST, 1)), 10**9 + index * LEAST + np.arange(LEAST)).mean()
        found.append((here.truth.max() - here.truth[row], choice.claim - here.truth[row], proof - here.proved[row]))
    return found


@dataclass(frozen=True)
class Line:
    """A method in a world with a number of runs: means over replays, each with its standard error, in points."""

    place: str
    method: str
    runs: int
    replays: int
    regret: tuple[float, float]
    optimism: tuple[float, float]
    proof: tuple[float, float]


def measure(
    replays: int, jobs: int, places: Sequence[str] = PLACES, methods: Sequence[str] = tuple(METHODS)
) -> list[Line]:
    """Every method in every place; published order is that of the table's techniques, so only there."""
    lines = []
    with ProcessPoolExecutor(jobs) as pool:
        for place in places:
            for method in methods:
                if "published" in method and not place.startswith("digits"):
                    continue
                seeds = range(max(4, round(replays * METHODS[method][1])))
                start = time.perf_counter()
                found = np.array(list(pool.map(partial(replay, place, method), seeds)))  # (R, runs, 3)
                print(f"{place}: {method}, {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
                mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(len(found))
                for index, runs in enumerate(AT):
                    pairs = [(float(m), float(e)) for m, e in zip(mean[index], error[index], strict=True)]
                    lines.append(Line(place, method, runs, len(found), *pairs))
    return lines


def main(arguments: Sequence[str]) -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--replays", type=int, default=300, help="of the fastest methods")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--places", nargs="+", choices=PLACES, default=PLACES)
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results")
    options = parser.parse_args(arguments)
    lines = measure(options.replays, options.jobs, options.places, options.methods)
    console = Console(width=170)
    for place in options.places:
        columns = [f"{runs} runs" for runs in AT]
        shown = Table("method", "replays", *columns, "optimism", "proof", title=place, box=box.SIMPLE)
        for method in options.methods:
            row = [line for line in lines if (line.place, line.method) == (place, method)]
            if row:
                pairs = [*(line.regret for line in row), row[2].optimism, row[2].proof]
                shown.add_row(method, str(row[0].replays), *(f"{mean:.3f} ± {error:.3f}" for mean, error in pairs))
        shown.caption = f"mean regret in points ± its standard error; optimism and proof at {AT[2]} runs"
        console.print(shown)
    path = options.out / f"{datetime.datetime.now(datetime.UTC).date()}-search.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = {(line.place, line.method) for line in lines}
    before = json.loads(path.read_text())["results"] if path.exists() else []
    kept = [line for line in before if (line["place"], line["method"]) not in new]  # parts can be measured one by one
    about = {"machine": machine(), "results": [*kept, *map(asdict, lines)]}
    write_text(path, json.dumps(about, indent=2) + "\n")
    print(f"kept in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
