"""Help, versions, completion, and what is suggested to somebody who typed something that isn't there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.cli import main, suggest


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, str]:
    assert main(arguments) == status
    out, err = capsys.readouterr()
    return out, err


@pytest.mark.parametrize("group", [(), ("runs",), ("techniques",), ("data",)])
def test_a_group_alone_shows_its_help_as_help(group: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, *group)
    assert out.startswith(" ".join(("Usage: bakeoff", *group)))
    assert err == ""
    for option in ("-h", "--help"):
        assert run(capsys, *group, option)[0].strip() == out.strip()
    assert "..." not in out.partition("Commands:")[2]  # what commands are for is told in full


def test_every_command_has_short_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("train", "ablate", "derive", "report", "evaluate", "predict", "handin"):
        assert f"Usage: bakeoff {command} " in run(capsys, command, "-h")[0]


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"bakeoff \d+\.\d+\.\d+\n", run(capsys, "--version")[0])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("train --epochs 3", "--length 2"),
        ("ablate --epochs=3", "--length 2"),
        ("train --lr 0.1", "--set lr.per_256="),
        ("train --learning_rate 0.1", "--set lr.per_256="),
        ("train --batch-size 64", "--set batch_size=64"),
        ("train --batch_size 64", "--set batch_size=64"),
        ("train --lr-decay 0.1", "--set lr.KNOB=VALUE"),
        ("train --weight-decay 0.1", "--set decay.weight_decay="),
        ("train --mixup", "--with mixup"),
        ("train --label-smoothing 0.1", "--with label_smoothing"),
        ("train --no-ema", "--without ema"),
        ("train --lenght 2", "did you mean --length?"),
        ("train --Length 2", "did you mean --length?"),
        ("train --dataset mnist", "--task"),
        ("train --nonsense", "bakeoff train --help"),
        ("evaluate abc --top-k 5", "--topk 1,5"),
        ("evaluate abc --epochs 5", "bakeoff evaluate --help"),
        ("trane", "did you mean bakeoff train?"),
        ("fit", "bakeoff train"),
        ("eval abc", "bakeoff evaluate"),
        ("ls", "bakeoff runs list"),
        ("runs lst", "did you mean bakeoff runs list?"),
        ("techniques xyz", "there are: list, show, pick"),
        ("--nonsense", "bakeoff --help"),
    ],
)
def test_the_right_way_is_suggested(arguments: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, *shlex.split(arguments), status=2)
    assert out == ""
    assert err.count("\n") == 1
    assert says in err


def test_what_is_suggested_works(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {how for needs, how in suggest._INSTEAD.values() if needs in ("--set", "--with", "--length", "--device")}
    assert len(wanted) > 10
    for how in wanted - {"--device cuda"}:
        option, value = how.split(",")[0].split()
        run(capsys, "train", option, value, "--dry-run", "--json")
    for command in suggest._COMMANDS.values():
        assert f"bakeoff {command}".removesuffix(" --help") in run(capsys, *command.split(), "-h")[0] or "-" in command


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell: str, tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("bakeoff"))
    line = {"COMP_WORDS": "bakeoff train --len", "COMP_CWORD": "2", "_TYPER_COMPLETE_ARGS": "bakeoff train --len"}
    asked = {"_BAKEOFF_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    environment = {**os.environ, **line, **asked}
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, env=environment)
    assert "--length" in done.stdout
