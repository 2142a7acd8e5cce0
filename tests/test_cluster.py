"""The files for clusters ask for what there is: our commands, our exit codes."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from bakeoff.cli.program import app

CLUSTER = Path(__file__).parents[1] / "examples" / "cluster"
JOB = yaml.safe_load((CLUSTER / "job.yaml").read_text())
SKY = yaml.safe_load((CLUSTER / "sky.yaml").read_text())
DOCKERFILE = (CLUSTER / "Dockerfile").read_text()


@pytest.mark.parametrize(
    "command",
    [JOB["spec"]["template"]["spec"]["containers"][0]["args"], shlex.split(SKY["run"])[1:]],
    ids=["job", "sky"],
)
def test_commands_are_ours(command: list[str]) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    worker = group.commands[command[0]]
    known = {option for parameter in worker.params for option in parameter.opts}
    assert {word for word in command if word.startswith("--")} <= known


def test_exit_codes_are_those_that_the_page_states() -> None:
    page = (Path(__file__).parents[1] / "docs" / "site" / "pages" / "commands" / "worker.md").read_text()
    stated = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    rules = {
        code: rule["action"]
        for rule in JOB["spec"]["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
        for code in rule["onExitCodes"]["values"]
    }
    assert rules == {2: "FailJob", 1: "FailIndex", 130: "Ignore", 137: "Ignore", 143: "Ignore"}
    assert set(rules) | {0} == stated | {143}
    assert JOB["spec"]["template"]["spec"]["restartPolicy"] == "Never"  # else Kubernetes takes no such policy
    assert JOB["spec"]["completionMode"] == "Indexed"


def test_images_install_extras_that_there_are() -> None:
    extras = tomllib.loads((CLUSTER.parents[1] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = re.findall(r"\[([a-z,-]+)\]'", DOCKERFILE + SKY["setup"])
    assert asked
    assert {extra for each in asked for extra in each.split(",")} <= set(extras)
