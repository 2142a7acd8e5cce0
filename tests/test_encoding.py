"""A field that is added later, at a default that changes nothing, leaves every stored id as it is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.encoding import Value
from bakeoff.plan import Cutmix, Loss, RandomErasing
from bakeoff.runs.store import Store
from tests.helpers import small_plan

ROOT = Path(__file__).parent.parent

FIND = """
import sys
from pathlib import Path
from bakeoff.plan import Loss, Plan
from bakeoff.runs.record import run_id
from bakeoff.runs.store import Store

assert {"poly"} <= set(Loss.model_fields) and {"accumulate"} <= set(Plan.model_fields)
found = 0
for folder in sorted(Path(sys.argv[1]).iterdir()):
    store = Store(folder) if folder.is_dir() else None
    for run in store.ids() if store else ():
        record = store.read(run)
        plan = Plan.model_validate(record.plan)
        identity = (record.seed, record.data_fingerprint, record.engine_version, record.revisions)
        assert run_id(plan, *identity) == run, (folder, run)
        assert plan.digest == record.plan_digest
        assert plan.model_copy(update={"loss": Loss(poly=0.5)}).digest != plan.digest
        found += 1
print(found)
"""


def test_fields_added_to_loss_an_operation_and_the_plan_orphan_no_kept_run(tmp_path: Path) -> None:
    copy = tmp_path / "bakeoff"
    shutil.copytree(ROOT / "src" / "bakeoff", copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "plan.py").read_text()
    for field, addition in (
        ("label_smoothing: Fraction = 0.0\n", "    poly: float = 0.0\n"),
        ("    batch_size: Count\n", "    accumulate: int = 1\n"),
        ("shift: Fraction = 0.125", "    fill: tuple[int, ...] = (0, 0, 0)\n"),
    ):
        at = source.index("\n", source.index(field)) + 1
        source = source[:at] + addition + source[at:]
    (copy / "plan.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", FIND, str(ROOT / "studies")],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == sum(len(Store(path.parent).ids()) for path in (ROOT / "studies").glob("*/store.json"))


class Newer(Value):
    kind: str = "newer"
    size: int
    share: float = 0.5
    names: tuple[str, ...] = ()


def test_a_class_that_came_later_writes_its_kind_and_what_is_not_at_its_default() -> None:
    assert Newer(size=3).model_dump(mode="json") == {"kind": "newer", "size": 3}
    data = Newer(size=3, share=0.25, names=("a",)).model_dump(mode="json")
    assert data == {"kind": "newer", "size": 3, "share": 0.25, "names": ["a"]}
    assert Newer.model_validate(data) == Newer(size=3, share=0.25, names=("a",))


def test_what_0_1_had_is_always_written() -> None:
    data = small_plan(image_ops=(RandomErasing(),)).model_dump(mode="json")
    assert data["loss"] == {"label_smoothing": 0.0}
    assert data["image_ops"] == [{"kind": "random_erasing", "p": 0.1, "area": [0.02, 0.33], "aspect": [0.3, 3.3]}]
    assert data["sampler"] == {"kind": "shuffle"}
    assert data["average"] is None


@pytest.mark.parametrize("value", [Loss(label_smoothing=0.1), Cutmix(alpha=1.0), small_plan()])
def test_a_dump_reads_back(value: Value) -> None:
    assert type(value).model_validate_json(value.model_dump_json()) == value
