"""Studies of any command, from the file to the report."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakeoff import api
from bakeoff.cli import main
from bakeoff.commands import study_file
from bakeoff.errors import RequestError
from bakeoff.runs.store import Store, open_store
from bakeoff.study.check import check

SCRIPT = """
import argparse, json, os, random, time
flags = argparse.ArgumentParser()
for name in ("--seed", "--out", "--mixup", "--lr", "--name"):
    flags.add_argument(name, default="0")
flags.add_argument("--ema", action="store_true")
flags = flags.parse_args()
draw = random.Random(f"{flags.seed} {flags.mixup} {flags.ema} {flags.lr}")
acc = 95 + 2 * float(flags.mixup) + 0.1 * flags.ema + float(flags.lr) + draw.gauss(0, 0.2)
open(os.environ.get("COUNT", os.devnull), "a").write("x")
time.sleep(float(os.environ.get("SLEEP", "0")))
json.dump({"acc1": acc, "loss": 100 - acc, "seed": flags.seed}, open(flags.out + "/metrics.json", "w"))
"""
STUDY = f"""
command: {sys.executable} train.py --seed {{seed}} --out {{out}} {{mixup}} {{ema}}
factors:
  mixup: {{off: "", on: "--mixup 1"}}
  ema: {{off: "", on: --ema}}
metric: {{file: "{{out}}/metrics.json", key: acc1, unit: points}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "study.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNT", str(tmp_path / "count"))
    return tmp_path


def count(here: Path) -> int:
    """How many runs were made."""
    return len((here / "count").read_text()) if (here / "count").exists() else 0


def ablate(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    """What `bakeoff ablate study.yaml --json` prints."""
    assert main(["ablate", "study.yaml", "--json", "--jobs", "2", "--store", "runs", *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


# the file


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("key: acc1", "kye: acc1", 6, "metric.kye: there is no such key"),
        ("factors:", "factor:", 3, "factor: unknown key 'factor'; did you mean factors?"),
        ("metric:", "time: 2x\nmetric:", 6, "time: '2x' is no duration"),
        ("metric:", "disk: 2x\nmetric:", 6, "disk: '2x' is no size"),
        ("--mixup 1", "--mixup '1", 4, "factors.mixup: factor 'mixup', \"--mixup '1\": no closing quotation"),
        ("{mixup}", "{mixip}", 2, "unknown place to fill in '{mixip}'; did you mean {mixup}?"),
        (" {ema}", "", 2, "factor 'ema' has no place in the command: put {ema} where"),
        ("  ema:", "  e ma:", 5, "factors.e ma: a factor is called by a word"),
        ("  ema:", "  seed:", 5, "factors.seed: {seed} stands for the run's seed"),
        ("on: --ema", 'on: ""', 5, "factors.ema: two of its texts are the same"),
        ("on: --ema", "values: [a, b]", 5, "off goes with on"),
        ("metric:", "shell: perhaps\nmetric:", 6, "shell: input should be a valid boolean"),
        ("metric:", "evaluate: {tta: {on: x}}\nmetric:", 2, "evaluate: 'tta' has no place"),
        (STUDY, "[1, 2]", 1, "it should be keys and values"),
        (STUDY, "command: x", 1, "factors: it is missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_key_and_line(
    here: Path, old: str, new: str, line: int, told: str
) -> None:
    (here / "bad.yaml").write_text(STUDY.replace(old, new))
    with pytest.raises(RequestError) as raised:
        study_file.read("bad.yaml")
    assert str(raised.value).startswith(f"bad.yaml, line {line}: ")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_every_text_is_what_was_written(here: Path) -> None:
    text = STUDY.replace("on: --ema", "on: yes").replace("--mixup 1", "0.10")
    (here / "s.yaml").write_text(text + "env: {A: 010}\ndepends: train.py\ntime: 2h\nshell: off\n")
    found = study_file.read("s.yaml")
    assert found.factors == {"mixup": ("", "0.10"), "ema": ("", "yes")}
    assert (found.command.env, found.command.depends, found.command.time) == ({"A": "010"}, ("train.py",), 7200)
    assert (found.name, found.command.shell, found.command.folder) == ("s", False, str(here))


# the study


def test_a_study_of_a_command_from_its_file_to_its_report(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = ablate(capsys, "--runs", "16")
    assert count(here) == found["runs"] == 22
    (mixup, ema), inside = found["effects"][:2], found["effects"][2:]
    assert [effect["technique"] for effect in found["effects"]] == ["mixup", "ema"] * 2
    assert {effect["metric"] for effect in found["effects"]} == {"acc1"}
    assert abs(mixup["gain_pp"] - 2) < 0.3
    assert (mixup["verdict"], mixup["decision"]["action"]) == ("helps", "keep")
    assert "paper" not in mixup
    assert ema["gain_pp"] < 1 and len(inside) == 2  # noqa: PT018
    assert list(found["total_gain"]) == list(found["baseline"]["acc"]) == ["acc1"]
    assert ablate(capsys, "--runs", "16") == found
    assert count(here) == 22
    store = open_store("runs")
    assert check(store).faults == ()
    for format_ in ("md", "html", "ipynb", "latex", "csv"):
        assert main(["report", "--store", "runs", "--format", format_, "--quiet"]) == 0
    page = (here / "runs" / "studies" / found["study"] / "report.md").read_text()
    assert f"2 factors together: **+{found['total_gain']['acc1']['gain_pp']:.2f} points**" in page
    assert "train.py" in page
    assert "Acc@1" not in page
    assert "post" not in page
    assert main(["runs", "list", "--store", "runs"]) == 0
    assert main(["runs", "show", "last", "--store", "runs"]) == 0
    assert "acc1" in capsys.readouterr().out
    assert main(["verify", "--store", "runs"]) == 2
    assert "is of a command, whose runs verify doesn't make" in capsys.readouterr().err
    assert main(["derive", "study.yaml", "--runs", "80"]) == 2
    assert "of a command, bakeoff ablate study.yaml --question recipe says" in capsys.readouterr().err
    assert main(["evaluate", "last", "--store", "runs"]) == 2
    assert "is of a command" in capsys.readouterr().err
    assert main(["ablate", "study.yaml", "--plan-only", "--json", "--store", "new"]) == 0
    assert json.loads(capsys.readouterr().out)["choices"][0]["seconds"] is None


@pytest.mark.slow
def test_a_changed_script_is_another_study_and_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = ablate(capsys, "--runs", "16")
    (here / "train.py").write_text(SCRIPT + "# changed\n")
    assert main(["ablate", "study.yaml", "--runs", "16", "--jobs", "2", "--store", "runs"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"train.py is not what it was in {first['study']}: this is another study, with runs of its own" in told
    assert count(here) == 44
    (here / "train.py").write_text(SCRIPT)
    assert ablate(capsys, "--runs", "16") == first
    assert count(here) == 44


@pytest.mark.slow
def test_less_is_better_and_more_than_two_values(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = STUDY.replace("key: acc1, unit: points", "key: loss, higher: false").replace("{ema}", "{lr}")
    text = text.replace('ema: {off: "", on: --ema}', 'lr: {values: ["--lr 0", "--lr 1", "--lr=-3"]}')
    (here / "study.yaml").write_text(text)
    assert main(["ablate", "study.yaml", "--store", "runs"]) == 2
    assert "factor 'lr' has 3 values, and a factorial compares two: take --design add-one" in capsys.readouterr().err
    for design in ("add-one", "leave-one-out"):
        found = ablate(capsys, "--design", design, "--seeds", "3")
        gains = {effect["technique"]: effect["gain_pp"] for effect in found["effects"]}
        assert gains == pytest.approx({"mixup": 2, "lr: --lr 1": 1, "lr: --lr=-3": -3}, abs=0.5)
        corner = found["baseline" if design == "add-one" else "recipe"]["acc"]["loss"]
        assert corner == pytest.approx(5 if design == "add-one" else 3, abs=0.5)


@pytest.mark.slow
def test_a_budget_times_both_ends_and_a_question_ends_when_it_is_settled(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ablate(capsys, "--question", "recipe")
    assert found["design"] == "leave-one-out"
    assert found["runs"] < 24 * 3
    assert main(["ablate", "study.yaml", "--budget", "1s", "--store", "other", "--quiet"]) == 2
    assert "the smallest factorial takes about" in capsys.readouterr().err
    assert len(open_store("other").ids()) == 2


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("print('x')", "the first 3 runs failed, so the study stops: it ended with status 0 and left no metric"),
        ("raise SystemExit(3)", "the first 3 runs failed, so the study stops: it ended with status 3"),
    ],
)
def test_a_command_that_fails_stops_its_study(
    here: Path, capsys: pytest.CaptureFixture[str], script: str, told: str
) -> None:
    (here / "train.py").write_text(script)
    assert main(["ablate", "study.yaml", "--store", "runs", "--quiet"]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_a_command_that_ignores_its_seed_gets_no_verdict(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "study.yaml").write_text(STUDY.replace("{seed}", "1"))
    found = ablate(capsys, "--runs", "16")
    assert [each["check"] for each in found["health"]] == ["seed_ignored"]
    assert {effect["verdict"] for effect in found["effects"]} == {None}
    assert main(["report", "--store", "runs"]) == 0
    assert "The seed changes nothing, so nothing can be said" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["study.yaml", "--task", "digits"], "--task: a study's file says what is run and varied; leave it out"),
        (["study.yaml", "--length", "0.5"], "--length: a study's file says"),
        (["nothing.yaml"], "nothing.yaml: no such file or directory"),
        (["gone.yaml"], "there is no program 'pythn' to run"),
    ],
)
def test_wrong_requests_are_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    (here / "gone.yaml").write_text(STUDY.replace(sys.executable, "pythn"))
    assert main(["ablate", *arguments, "--store", "runs"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_in_a_text_is_executed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = STUDY.replace('"--mixup 1"', "\"--name 'a b' --mixup 1; touch bad $(touch bad) | `touch bad`\"")
    for shell in ("", "shell: true\n"):
        (here / "study.yaml").write_text(text + shell)
        assert main(["ablate", "study.yaml", "--store", f"runs{bool(shell)}", "--quiet"]) == 1
        assert "unrecognized arguments" in capsys.readouterr().err
        assert not (here / "bad").exists()


# a draft


def test_a_draft_is_tried_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "--from",
        f"{sys.executable} train.py --seed 7 --out=x",
        "--factor",
        "mixup=--mixup 1",
        "--factor",
        "ema=--ema",
    ]
    assert main(["init", "mine.yaml", *asked, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "metric: acc1, the key 'acc1' of {out}/metrics.json" in out
    assert "the same seed gives the same number, another seed another one" in out
    assert count(here) == 3
    found, written = study_file.read("mine.yaml"), study_file.read("study.yaml")
    assert found.command.command == f"{sys.executable} train.py --seed {{seed}} --out={{out}} {{mixup}} {{ema}}"
    assert (found.factors, found.command.metric) == (written.factors, written.command.metric)
    assert main(["init", "mine.yaml", *asked]) == 2
    assert "mine.yaml is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "metric", "told"),
    [
        (
            "print('epoch 1 acc: 0.5'); print('test acc: 0.75 loss 2.1')",
            {"stdout": r"acc\s*:\s*", "unit": "fraction"},
            "",
        ),
        ('print(\'{"val": {"loss": 2.5}, "epoch": 3}\')', {"key": "val.loss", "higher": False}, "SEED CHANGES NOTHING"),
        ("import random; print('score', random.random())", {"stdout": r"score\s+"}, "another number each time"),
    ],
)
def test_a_draft_finds_what_a_command_says_of_itself(
    here: Path, capsys: pytest.CaptureFixture[str], script: str, metric: dict[str, Any], told: str
) -> None:
    (here / "t.py").write_text(script)
    assert main(["init", "t.yaml", "--from", f"{sys.executable} t.py", "--factor", "x=-O", "--quiet"]) == 0
    assert told in capsys.readouterr().out
    found = study_file.read("t.yaml").command.metric.model_dump()
    assert {name: str(found[name])[: len(str(value))] for name, value in metric.items()} == {
        name: str(value) for name, value in metric.items()
    }


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo hello", "the command says no number that could be its metric"),
        ("cat nothing", "the command fails: it ended with status 1: cat: nothing: No such file"),
        ("pythn x.py", "there is no program 'pythn' to run"),
        ("echo 'x", "no closing quotation"),
        ("echo acc 1 {foo}", "unknown place to fill in '{foo}'"),
    ],
)
def test_a_draft_that_cannot_be_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], command: str, told: str
) -> None:
    assert main(["init", "new.yaml", "--from", command, "--quiet"]) in (1, 2)
    assert told in capsys.readouterr().err
    assert not (here / "new.yaml").exists()


# on several workers, and beside our own trainer


@pytest.mark.slow
def test_a_study_killed_and_resumed_on_two_workers_is_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = ablate(capsys, "--runs", "16", "--store", "whole")
    (here / "count").unlink()
    environment = {**os.environ, "SLEEP": "0.5", "BAKEOFF_LEASE_SECONDS": "2"}

    def start(*words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "bakeoff", *words, "--store", "runs"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, start_new_session=True,
        )  # fmt: skip

    def study() -> "subprocess.Popen[str]":
        return start("ablate", "study.yaml", "--runs", "16", "--on", "workers", "--json")

    there = [study(), *(start("worker", "--idle", "60s") for _ in range(2))]
    until(lambda: count(here) >= 6)
    for process in there[:2]:
        process.send_signal(signal.SIGKILL)
    until(lambda: count(here) >= 9)
    there += [study(), start("worker", "--idle", "60s")]
    found = json.loads(there[3].communicate(timeout=240)[0])
    for process in there:
        process.kill()
        process.communicate()
    left_out = {"cost_ratio": None}
    assert [{**effect, **left_out} for effect in found["effects"]] == [
        {**effect, **left_out} for effect in whole["effects"]
    ]
    assert 22 <= count(here) <= 24  # what was killed in its middle was begun again


def until(so: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end
        time.sleep(0.1)


LOOKUP = """
import base64, json, os, sys
import numpy as np
kept = json.load(open("kept.json"))
on = ",".join(sorted(set(sys.argv[1:]) & {"mixup", "label_smoothing"}))
run = kept[on + " " + os.environ["BAKEOFF_SEED"]]
out = os.environ["BAKEOFF_OUT"]
np.save(out + "/correct.npy", np.array(run["hits"]))
np.save(out + "/correct_ema.npy", np.array(run["hits_ema"]))
print(json.dumps({"acc1": run["acc1"], "acc1_ema": run["acc1_ema"]}))
"""


@pytest.mark.slow
def test_a_command_with_the_runs_of_our_trainer_has_its_numbers(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = ["--recipe", "baseline", "--with", "mixup,label_smoothing,ema", "--model", "softmax", "--length", "0.05"]
    assert main(["ablate", *ours, "--runs", "16", "--jobs", "2", "--store", "own", "--json"]) == 0
    own = json.loads(capsys.readouterr().out)
    store, kept = open_store("own"), {}
    for run in store.ids():
        record = store.get(run)
        on = ",".join(sorted(name for item in record.recipe for name in item if name != "ema"))
        views = {("_ema" if view.ema else ""): view for view in record.views if view.split == "report"}
        kept[f"{on} {record.seed}"] = {
            **{f"acc1{which}": view.acc["acc1"] for which, view in views.items()},
            **{f"hits{which}": store.hits(run, view.name).astype(int).tolist() for which, view in views.items()},
        }
    (here / "kept.json").write_text(json.dumps(kept))
    (here / "train.py").write_text(LOOKUP)
    (here / "study.yaml").write_text(
        f"""
command: {sys.executable} train.py {{mixup}} {{label_smoothing}}
factors: {{mixup: {{on: mixup}}, label_smoothing: {{on: label_smoothing}}}}
metric: {{key: "acc1{{ema}}", unit: points}}
examples: "{{out}}/correct{{ema}}.npy"
evaluate: {{ema: {{off: "", on: _ema}}}}
depends: kept.json
"""
    )
    found = ablate(capsys, "--runs", "16")
    ignored = {"cost_ratio", "worth_length", "blog_pp", "paper"}
    for ours_, theirs in zip(own["effects"], found["effects"], strict=True):
        assert {key: value for key, value in ours_.items() if key not in ignored} == {
            key: value for key, value in theirs.items() if key not in ignored
        }
    for key in ("noise", "tolerance_pp", "runs", "interactions"):
        assert found[key] == own[key]
    assert found["total_gain"]["acc1"] == own["total_gain"]["acc1"]


@pytest.mark.slow
def test_python_can_do_it_too(here: Path) -> None:
    study = api.open_command("study.yaml")
    found = api.ablate(study, design="add-one", seeds=2, store=Store(here / "runs"), jobs=1)
    assert [effect.technique for effect in found.main] == ["mixup", "ema"]
    with pytest.raises(RequestError, match="length: a command's own file says that"):
        api.ablate(study, length=0.5)
