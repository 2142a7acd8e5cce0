"""What an installed package offers is listed, loaded when it is asked for, and one line where it is broken."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bakeoff import api, models, techniques
from bakeoff.cli import main
from bakeoff.errors import RequestError
from bakeoff.techniques import published
from bakeoff.testing import check_model, check_technique
from tests.doors import EXAMPLES, QUICK
from tests.doors import forget as forget


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example's package as pip leaves it in a folder of the path."""
    for name in ("cutout", "wide_mlp"):
        source = EXAMPLES / "plugin" / "src" / "bakeoff_plugin" / f"{name}.py"
        (tmp_path / "bakeoff_plugin").mkdir(exist_ok=True)
        (tmp_path / "bakeoff_plugin" / f"{name}.py").write_text(source.read_text())
    info = tmp_path / "bakeoff_plugin-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bakeoff-plugin\nVersion: 0.1.0\n")
    project = (EXAMPLES / "plugin" / "pyproject.toml").read_text()
    points = "".join(
        f"[bakeoff.{group}]\n" + project.split(f'."bakeoff.{group}"]\n')[1].split("\n\n")[0].replace('"', "") + "\n"
        for group in ("techniques", "models")
    )
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    for room in (techniques, models):
        room.REGISTRY.__dict__.pop("_entry_points", None)
    yield tmp_path
    for room in (techniques, models):
        room.REGISTRY.__dict__.pop("_entry_points", None)
    for name in [name for name in sys.modules if name.partition(".")[0] == "bakeoff_plugin"]:
        del sys.modules[name]


@pytest.mark.slow
def test_a_package_offers_a_technique_and_a_model(package: Path, tmp_path: Path) -> None:
    assert techniques.names()[-1] == "cutout"
    assert "bakeoff_plugin.cutout" not in sys.modules  # until it is asked for
    assert set(api.plan_job("digits", model="wide-mlp").plan.sources) == {"model.wide-mlp"}
    check_technique("cutout")
    check_model("wide-mlp", width=16)
    record = api.train("digits", with_=["cutout"], model="wide-mlp", store=tmp_path / "store", **QUICK)
    assert set(record.plan["sources"]) == {"cutout", "model.wide-mlp"}
    origin = techniques.REGISTRY.origin("cutout")
    assert origin is not None
    assert (origin.where, origin.portable) == ("bakeoff-plugin 0.1.0", True)
    assert published.papers("cutout")[0].arxiv == "1708.04552"


def test_a_broken_package_is_one_line_and_nobody_elses_trouble(package: Path) -> None:
    (package / "bakeoff_plugin" / "cutout.py").write_text("import nothing_like_it\n")
    with pytest.raises(
        RequestError, match=r"technique 'cutout' of the package bakeoff-plugin 0.1.0 can't be loaded: Mod"
    ):
        techniques.get("cutout")
    assert api.plan_job("digits", with_=["mixup"]).plan.mixers


def test_the_list_shows_what_packages_offer_and_why_a_broken_one_is_not_there(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["techniques", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["title"] == "Cutout"
    techniques.REGISTRY._named.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "bakeoff_plugin"]:
        del sys.modules[name]
    (package / "bakeoff_plugin" / "cutout.py").write_text("import nothing_like_it\n")
    assert main(["techniques", "list", "--json"]) == 0
    assert "can't be loaded" in json.loads(capsys.readouterr().out)[-1]["error"]
