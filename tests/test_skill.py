"""The skill file: what it says of itself is true, and its commands run."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

import bakeoff
from bakeoff.judging.judge import STATUS
from tests.test_cli import run

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_agents_find_it_and_it_is_short() -> None:
    _, head, body = bakeoff.skill().split("---\n", 2)
    about = yaml.safe_load(head)
    assert set(about) == {"name", "description"}
    assert re.fullmatch(r"[a-z0-9-]{1,64}", about["name"])
    assert 20 < len(about["description"]) <= 1024
    assert len(body.splitlines()) < 100
    for status, verdict in re.findall(r"^\| (\d) \| `(\w+)`", body, re.MULTILINE):
        assert STATUS[verdict] == int(status)


def test_its_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BAKEOFF_STORE", raising=False)
    commands = re.findall(r"```sh\n(.*)\n```", bakeoff.skill())
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command.replace("--pairs 20", "--pairs 2"))
        assert words[0] == "bakeoff"
        run(capsys, *words[1:], status=5 if "--pairs" in words else 0)


def test_it_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "skill")[0] == bakeoff.skill()
    place = tmp_path / "skills" / "bakeoff" / "SKILL.md"
    assert run(capsys, "skill", "--output", str(place))[0] == f"skill: {place}\n"
    assert place.read_text("utf-8") == bakeoff.skill()
