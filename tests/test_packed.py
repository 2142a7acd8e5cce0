"""Stores as a few files, and copied: the same bytes, readable like any other, and nothing lost in silence."""

import json
from pathlib import Path

import pytest

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.runs import moves
from bakeoff.runs.store import Store
from bakeoff.study.spec import StudySpec
from tests.kept import STUDIES, unpack


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A store of a few runs and a study, as files."""
    unpack("digits", tmp_path / "plain", "studies/")
    unpack("digits", tmp_path / "plain", "splits/")
    for run in Store(STUDIES / "digits").ids()[:3]:
        unpack("digits", tmp_path / "plain", f"{run}/")
    (tmp_path / "plain" / run / "weights.safetensors").write_bytes(b"weights")
    (tmp_path / "plain" / run / "lease-0001.json").write_text("{}")
    return tmp_path / "plain"


def test_packed_and_copied_it_is_the_same_files(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, again = tmp_path / "packed", tmp_path / "again"
    assert main(["store", "pack", str(plain), str(packed)]) == 0
    assert "3 runs, 19 files: packed in" in capsys.readouterr().out
    assert len(files(packed)) < 7
    assert main(["store", "copy", str(packed), str(again), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": 3, "files": 19, "written": 19}
    expected = files(plain)
    del expected[next(name for name in expected if "lease" in name)]  # who makes a run isn't copied
    assert files(again) == expected
    assert Store(again).ids() == Store(packed).ids() == Store(plain).ids()  # oldest first, in both
    assert moves.copy(Store(packed), Store(again)).written == 0


def test_a_packed_store_reads_like_any_other(plain: Path, tmp_path: Path) -> None:
    moves.pack(Store(plain), Store(tmp_path / "packed"))
    there, here = Store(tmp_path / "packed"), Store(plain)
    assert [there.get(run).as_json() for run in there.ids()] == [here.get(run).as_json() for run in here.ids()]
    assert there.views(there.ids()[0]) == here.views(here.ids()[0])
    assert there.weights(there.ids()[-1]).read() == here.weights(there.ids()[-1]).read()
    assert StudySpec.load(there, "digits") == StudySpec.load(here, "digits")
    assert there.splits(there.get(there.ids()[0]).data_fingerprint)
    assert Path(bo.write_report("digits", "md", store=there)).parent.parent.parent == tmp_path / "packed"


def test_what_is_added_lies_beside_and_what_is_packed_stays(plain: Path, tmp_path: Path) -> None:
    moves.pack(Store(plain), Store(tmp_path / "packed"))
    store = Store(tmp_path / "packed")
    before = files(tmp_path / "packed")
    record = bo.train("digits", model="softmax", length=0.01, store=store)
    assert record.run_id in Store(tmp_path / "packed").ids()
    assert {name: data for name, data in files(tmp_path / "packed").items() if name in before} == before
    store.remove(record.run_id)
    with pytest.raises(RequestError, match="is packed, and nothing that is packed can be removed"):
        store.remove(store.ids()[0])


@pytest.mark.parametrize("cut", [1, 100, 5000, "line"])
def test_a_damaged_pack_is_named(cut: int | str, plain: Path, tmp_path: Path) -> None:
    moves.pack(Store(plain), Store(tmp_path / "packed"))
    part = tmp_path / "packed" / "packed-0001.jsonl"
    data = part.read_bytes()
    part.write_bytes(data[: data.rindex(b"\n", 0, -1) + 1] if isinstance(cut, str) else data[:-cut])
    with pytest.raises(RequestError, match=r"packed-0001.jsonl isn't as it was written"):
        Store(tmp_path / "packed").ids()
    part.unlink()
    with pytest.raises(RequestError, match=r"packed-0001.jsonl is gone"):
        Store(tmp_path / "packed").ids()


def test_nothing_is_written_over(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moves.copy(Store(plain), Store(tmp_path / "other"))
    run = Store(plain).ids()[1]
    (tmp_path / "other" / run / "run.json").write_text("{}")
    (plain / "new.json").write_text("{}")
    with pytest.raises(BakeoffError, match=rf"has another {run}/run.json than"):
        moves.copy(Store(plain), Store(tmp_path / "other"))
    assert not (tmp_path / "other" / "new.json").exists()
    with pytest.raises(RequestError, match="a store is packed into a place of its own"):
        moves.pack(Store(plain), Store(tmp_path / "other"))
    assert main(["store", "copy", str(tmp_path / "nowhere"), str(tmp_path / "x")]) == 2
    assert "no store in" in capsys.readouterr().err


def test_the_kept_studies_are_a_few_files() -> None:
    assert sum(path.is_file() for path in STUDIES.rglob("*")) < 25
