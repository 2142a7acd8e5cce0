"""How long the effects of a study of 10,000 runs take, from the files of its store.

The store is made up from a kept study of 54 runs: each run takes the record of a real one, and its correctness with one
image in 256 switched over; one in a hundred diverged and was made again with another seed. It is analysed by new
processes, imports included, once with all evaluation images and once with few. Seconds are the CPU's, on one thread,
which other work on the machine changes little; what a disk adds is left out, as the files are in memory by then.
"""

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt

from bakeoff.runs.record import RunRecord, View
from bakeoff.runs.store import Store
from bakeoff.stats import designs
from bakeoff.study.spec import DesignPoint, StudySpec
from bench.compare import ROOT, Ratio

KEPT = ROOT / "studies" / "mnist-5k"
RUNS = 10_000
IMAGES = (600, 30_000)  # of the report split
REPEATS = 3
PROMISE = 5.0  # seconds

Evaluation = tuple[View, dict[int, npt.NDArray[np.bool_]]]

EFFECTS = """
import json, sys
from bakeoff.runs.store import open_store
from bakeoff.study.analyse import analyse
from bakeoff.study.spec import Spec
store = open_store(sys.argv[1])
print(json.dumps(analyse(store, Spec.load(store, "")).as_json()))
"""


def measure(data: Path) -> list[Ratio]:
    """Seconds from a folder of runs to all effects, for each number of images. data: isn't needed."""
    found = []
    for images in IMAGES:
        with tempfile.TemporaryDirectory() as folder:
            study = build(Path(folder), RUNS, images)
            took = [seconds([sys.executable, "-c", EFFECTS, folder]) for _ in range(REPEATS + 1)][1:]
        found.append(
            Ratio(
                name=f"analysis_{images}_images",
                over=f"CPU seconds for the effects of {RUNS:,} runs / 1 second",
                ratios=[cpu for cpu, _ in took],
                bound="at most",
                promise=PROMISE,
                detail={
                    "wall_seconds": [wall for _, wall in took],
                    "runs": len(study.rows),
                    "images": images,
                    "levels": len(study.eval_settings),
                    "threads": 1,
                },
            )
        )
    return found


def seconds(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a process on one thread."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **one})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def build(root: Path, runs: int, images: int) -> StudySpec:
    """Write a factorial study of about `runs` runs, with up to `images` images in each split, and return it."""
    kept, store = Store(KEPT), Store(root)
    spec = StudySpec.load(kept, "")
    examples = [
        (
            record,
            [(view, {k: kept.hits(record.run_id, view.name, k) for k in (1, spec.top_k)}) for view in record.views],
        )
        for run in sorted(kept.ids())
        if (record := kept.read(run)) and record.status == "done"
    ]
    drawn = designs.factorial(len(spec.training), 24 * round(runs / 24), corners=3)
    rows = []
    for index, (levels, block) in enumerate(zip(drawn.levels.tolist(), drawn.block.tolist(), strict=True)):
        first, second = (hashlib.sha256(f"{index} {attempt}".encode()).hexdigest()[:12] for attempt in (1, 2))
        rows.append(DesignPoint(tuple(levels), block, (block, block + 1_000_000), (first, second)))
    spec = replace(spec, rows=tuple(rows))
    spec.save(store)
    draw = np.random.default_rng(0)
    with mock.patch("os.fsync"):  # a store that is thrown away need not outlive a power cut
        for index, row in enumerate(rows):
            record, views = examples[index % len(examples)]
            failed = index % 100 == 50
            if failed:
                _write(store, replace(record, status="diverged", reason="the loss is not finite"), row, 0, ())
            _write(store, record, row, int(failed), _changed(views, images, draw))
    return spec


def _changed(views: Iterable[Evaluation], images: int, draw: np.random.Generator) -> Iterator[Evaluation]:
    for view, hits in views:
        n = min(images, view.n)
        changed = {k: hit[:n] ^ (draw.integers(0, 256, n, np.uint8) == 0) for k, hit in hits.items()}
        yield replace(view, n=n, acc={f"acc{k}": 100 * float(hit.mean()) for k, hit in changed.items()}), changed


def _write(store: Store, record: RunRecord, row: DesignPoint, attempt: int, views: Iterable[Evaluation]) -> None:
    run = row.runs[attempt]
    store.write(replace(record, run_id=run, seed=row.seeds[attempt]))
    for view, hits in views:
        store.add_view(run, view, hits)
