"""Studies of what comes from outside: files, packages and arrays in worker processes, and what lives in one process."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bakeoff as bo

EXAMPLES = Path(__file__).parents[1] / "examples"
GRIDMASK, POLY, NET = (
    f"{EXAMPLES}/{name}" for name in ("gridmask.py:GridMask", "poly_loss.py:PolyLoss", "net.py:build")
)

pytestmark = pytest.mark.slow


def bands() -> bo.Task:
    """Which third of the image is bright."""
    draw, labels = np.random.default_rng(0), np.arange(240) % 3
    bright = np.arange(12)[None, :, None] // 4 == labels[:, None, None]
    return bo.Task.from_arrays(draw.integers(0, 120, (240, 12, 12)) + 110 * bright, labels, name="bands")


def test_files_and_arrays_reach_the_workers(tmp_path: Path) -> None:
    results = bo.ablate(
        bands(), "baseline", with_=[GRIDMASK, POLY, "mixup"], model=NET, length=0.02, seeds=8, store=tmp_path, jobs=2
    )
    assert (results.left, results.lost, len(results.runs)) == (0, {}, len(results.spec.rows))
    assert {effect.technique for effect in results.main} == {"gridmask", "poly_loss", "mixup"}
    page = (tmp_path / "studies" / results.spec.name / "report.html").read_text()
    assert "GridMask" in page
    with_it = [row for row in results.spec.rows if row.configuration[results.spec.training.index("gridmask")]]
    record = bo.open_store(tmp_path).get(with_it[0].runs[0])
    assert {"gridmask", "model.net:build"} <= set(record.plan["sources"])


SCRIPT = """
import sys
from typing import ClassVar
import bakeoff as bo
from bakeoff.techniques.mixup import Mixup

class Twice(bo.Technique):
    name: ClassVar = "twice"
    slots: ClassVar = ("examples_seen",)
    card: ClassVar = Mixup.card

    def edit(self, base, task):
        return {"examples_seen": 2 * base.examples_seen}

asked = bo.Request(task="digits", with_=[Twice, "mixup"], model="softmax", length=0.02)
results = bo.ablate(asked, seeds=8, store=sys.argv[1])
print(results.spec.arrangement, results.lost, sorted(effect.technique for effect in results.main))
"""


def test_what_only_one_process_has_is_made_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-", str(tmp_path)], input=SCRIPT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "in this process, which alone has technique twice {} ['mixup', 'twice']\n"
