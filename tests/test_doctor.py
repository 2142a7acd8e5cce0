"""`bakeoff doctor`: what is there, what is lacking, and what is broken that was asked for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.runs.doctor import Finding
from bakeoff.runs.store import Store
from tests.helpers import DATA, needs


def found(**asked) -> dict[str, Finding]:
    return {each.what: each for each in bo.doctor(**asked)}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bakeoff that is installed with other requirements; what is written there is found before it."""
    place = tmp_path / "site" / "bakeoff-9.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: bakeoff\nVersion: 9.0\nProvides-Extra: many\nProvides-Extra: none\n"
        "Provides-Extra: test\nRequires-Dist: numpy>=1.0\nRequires-Dist: numpy>=1; extra == 'none'\n"
        "Requires-Dist: no-such-package>=2; extra == 'many'\nRequires-Dist: numpy>=99; extra == 'many'\n"
    )
    monkeypatch.syspath_prepend(str(place.parent))
    return place / "METADATA"


def test_every_part_has_its_line_and_nothing_is_written(tmp_path: Path) -> None:
    all_ = found(store=tmp_path / "runs", data=DATA if DATA.exists() else None)
    parts = {"bakeoff", "python", "packages", "memory", "store", "data", "cache", "threads", "device"}
    assert parts <= all_.keys()
    assert all(finding.state != "broken" for finding in all_.values())
    assert "the first run makes it" in all_["store"].found
    assert not list(tmp_path.iterdir())


def test_what_an_extra_lacks(packages: Path) -> None:
    all_ = found()
    assert all_["bakeoff"].found.startswith("9.0 in ")
    assert all_["packages"].state == "ok"
    assert all_["extra none"].state == "ok"
    assert all_["extra many"].state == "lacking"
    assert "lacks no-such-package>=2, numpy>=99 (" in all_["extra many"].found
    assert "pip install 'bakeoff[many]'" in all_["extra many"].found
    assert "extra test" not in all_


def test_a_requirement_that_is_missing_is_broken(packages: Path) -> None:
    packages.write_text(packages.read_text() + "Requires-Dist: no-such-package\n")
    assert found()["packages"] == Finding("packages", found()["packages"].found, "broken")
    assert found()["packages"].found.endswith("; no-such-package")


@needs("mnist")
def test_data_that_are_there() -> None:
    assert found(data=DATA)["data"].found.startswith(f"{DATA}: mnist, mnist-5k")


def test_only_what_was_asked_for_can_be_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = str(tmp_path / "nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
    monkeypatch.delenv("BAKEOFF_DATA", raising=False)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["broken"] == []
    (tmp_path / "file").touch()
    assert main(["doctor", "--json", "--data", nowhere, "--store", "file", "--device", "tpu"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["broken"] == ["store", "data", "device"]
    assert err == "bakeoff: broken: store, data, device\n"
    monkeypatch.setenv("BAKEOFF_DATA", nowhere)
    assert main(["doctor", "--quiet"]) == 1
    assert capsys.readouterr().out.split()[0] == "data"


def test_a_store_of_a_later_format_is_broken(tmp_path: Path) -> None:
    (tmp_path / "store.json").write_text('{"format": 2}')
    assert found(store=tmp_path)["store"].state == "broken"
    assert "update bakeoff" in found(store=tmp_path)["store"].found
    (tmp_path / "store.json").unlink()
    Store(tmp_path).write_study("one", {})
    assert found(store=tmp_path)["store"].found.startswith(f"{tmp_path}: 0 runs, 1 study; ")


def test_the_block_for_a_bug_report_doesn_t_name_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BAKEOFF_STORE", str(tmp_path / "\x1b[31mstore"))
    assert main(["doctor", "--paste"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "```text"
    assert lines[-1] == "```"
    assert not [line for line in lines if str(tmp_path) in line or "\x1b" in line]
    assert any(line.startswith(r"store: ~/\x1b[31mstore isn't there yet") for line in lines)


@pytest.mark.slow
def test_the_first_lines_come_before_torch() -> None:
    code = (
        "import sys, bakeoff as bo\nfor found in bo.doctor():\n"
        "    if found.what == 'data':\n        break\n    assert 'torch' not in sys.modules, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
