"""Runs that exist: what is read from a table, what is said of it, and what can't be."""

import csv
import json
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.observed.analyse import Findings
from bakeoff.observed.read import read
from bakeoff.stats.table import AnalysisOptions

ROOT = Path(__file__).parent.parent
Rows = list[dict[str, Any]]


def made(levels: Sequence[Sequence[int]], names: Sequence[str], gains: Sequence[float], noise: float = 0.1) -> Rows:
    """Runs of switches, each with a gain of its own, and the seed of its number."""
    draw = np.random.default_rng(0)
    return [
        {**dict(zip(names, row, strict=True)), "seed": i, "acc": 80 + np.dot(row, gains) + noise * draw.normal()}
        for i, row in enumerate(levels)
    ]


def of(found: Findings, label: str) -> bo.Effect:
    return next(each.effect for each in found.told if each.label == label)


def said(found: Findings, topic: str) -> list[str]:
    return [note.text for note in found.notes if note.topic == topic]


@pytest.mark.parametrize("study", ["digits", "mnist-5k"])
def test_an_exported_study_gives_its_own_table(tmp_path: Path, study: str) -> None:
    store = ROOT / "studies" / study
    theirs = bo.open_study(store=store)
    file = bo.export_runs(output=tmp_path / "runs.csv", store=store)
    found = bo.analyse_runs(file, options=AnalysisOptions(delta=theirs.tolerance))
    assert (found.kind, found.runs, found.lost) == ("factorial", len(theirs.runs), 0)
    for each, effect in zip(found.told, theirs.main, strict=True):
        assert each.label == effect.technique
        ours = each.effect
        for name in ("gain_pp", "low", "high", "sim_low", "sim_high", "p", "verdict", "errors", "decision"):
            assert getattr(ours, name) == getattr(effect, name), (effect.technique, name)


def test_two_that_were_always_set_together_are_told_as_one() -> None:
    names = ("mixup", "ema", "old", "aug")
    rows = made([(a, a, 1 - a, b) for a, b in product((0, 1), repeat=2)] * 4, names, (1, 1, 0, 0.5))
    found = bo.analyse_runs(rows)
    assert [each.label for each in found.told] == ["mixup and ema and without old", "aug"]
    assert of(found, "mixup and ema and without old").gain_pp == pytest.approx(2, abs=0.2)
    assert said(found, "together")[0].startswith("mixup, ema and without old were always set together")
    known = [tuple(row[name] for name in names) for row in (*rows, *found.next)]
    assert 0 < len(found.next) < 10
    assert np.linalg.matrix_rank(np.column_stack([np.ones(len(known)), np.array(known)])) == 5
    again = bo.analyse_runs(made(known, names, (1, 1, 0, 0.5)))
    assert not said(again, "together") + said(again, "untold")


def test_what_depends_on_others_is_not_told() -> None:
    """One of three is always on: that they are can't be told from the constant."""
    levels = [(*(int(i == j) for j in range(3)), b) for i in range(3) for b in (0, 1)] * 3
    found = bo.analyse_runs(made(levels, ("sgd", "adam", "lion", "ema"), (0, 1, 2, 0.7)))
    assert said(found, "untold") == [
        "sgd, adam and lion can't be told apart: which of them are on says which of the others are."
    ]
    assert math.isnan(of(found, "sgd").gain_pp)
    assert of(found, "sgd").decision is None
    assert of(found, "ema").gain_pp == pytest.approx(0.7, abs=0.2)


def test_an_interaction_that_would_be_read_as_an_effect_is_named() -> None:
    """c = a xor b: the half fraction whose third column is the interaction of the first two."""
    rows = made([(a, b, a ^ b) for a, b in product((0, 1), repeat=2)] * 3, "abc", (0, 0, 0), 0.01)
    for row in rows:
        row["acc"] += 2.0 * (row["a"] and row["b"])
    found = bo.analyse_runs(rows)
    assert "50 % of what a and b do together beyond each alone is read as c." in said(found, "interaction")
    assert of(found, "c").gain_pp == pytest.approx(-1.0, abs=0.05)  # half of 2 points, which c doesn't do


def test_a_baseline_and_single_changes_are_read_as_such() -> None:
    levels = [row for row in [(0, 0, 0), *np.eye(3, dtype=int).tolist()] for _ in range(4)]
    rows = made(levels, "abc", (1, -1, 0))
    for i, row in enumerate(rows):
        row["seed"] = i % 4
    found = bo.analyse_runs(rows)
    assert (found.kind, found.reference) == ("toggles", {"a": "0", "b": "0", "c": "0"})
    assert {each.effect.estimand for each in found.told} == {"add_one"}
    assert of(found, "a").gain_pp == pytest.approx(1, abs=0.2)
    whole = bo.analyse_runs([{**row, **{name: 1 - row[name] for name in "abc"}} for row in rows])
    assert {each.effect.estimand for each in whole.told} == {"leave_one_out"}
    steps = bo.analyse_runs(made([(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1)] * 3, "abc", (1, 2, 3)))
    assert (steps.kind, [each.label for each in steps.told]) == ("ladder", ["b", "a", "c"])


def test_levels_scales_and_smaller_metrics() -> None:
    draw = np.random.default_rng(1)
    rows: Rows = []
    for i in range(36):
        name, rate = ("sgd", "adam", "lion")[i % 3], float(10 ** draw.uniform(-4, -1))
        loss = 0.5 - 0.1 * (name == "lion") - 0.02 * math.log10(rate / 1e-4) + 0.005 * draw.normal()
        rows.append({"opt": {"name": name, "lr": rate}, "loss": loss})
    found = bo.analyse_runs(rows, factors=("opt.name", "opt.lr"))
    assert (found.roles.metric, found.roles.lower, found.roles.percent) == ("loss", True, 0)
    assert of(found, "opt.name lion over adam").gain_pp == pytest.approx(0.1, abs=0.01)
    factor = found.roles.factors[1]
    assert factor.log
    change = 0.02 * math.log10(factor.high / factor.low)
    assert of(found, f"opt.lr {factor.high:g} over {factor.low:g}").gain_pp == pytest.approx(change, abs=0.01)
    assert all(each.effect.errors is None for each in found.told)
    assert bo.analyse_runs(rows, factors=("opt.name",)).roles.factors[0].levels == ("adam", "lion", "sgd")
    assert "opt.lr" in bo.analyse_runs(rows).roles.ignored


def test_what_a_reader_must_know_is_said() -> None:
    rows = made(list(product((0, 1), repeat=3)) * 2, "abc", (1, 0, 0))
    rows.sort(key=lambda row: row["a"])
    for i, row in enumerate(rows):
        row |= {"seed": 7, "started": f"2026-01-{i + 1:02d}T10:00:00", "state": "finished"}
    rows[-1]["state"], rows[-2]["acc"] = "crashed", None
    found = bo.analyse_runs(rows)
    assert said(found, "lost") == ["2 of 16 runs have no result. What is said is of the others."]
    assert said(found, "order")[0].startswith("Runs with a were made later than others")
    assert said(found, "seeds")
    few = bo.analyse_runs(rows[:4])
    assert said(few, "noise") == []
    assert said(bo.analyse_runs(made([(0, 0), (1, 0), (0, 1)], "ab", (1, 1))), "noise")


def test_every_file_that_is_known_gives_the_same(tmp_path: Path) -> None:
    rows = made(list(product((0, 1), repeat=2)) * 3, "ab", (1, 0))
    with open(tmp_path / "runs.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "runs.tsv").write_text((tmp_path / "runs.csv").read_text().replace(",", "\t"))
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "runs.json").write_text(json.dumps(rows))
    from pyarrow import Table, parquet

    parquet.write_table(Table.from_pylist(rows), tmp_path / "runs.parquet")
    found = [
        [each.effect.as_json() for each in bo.analyse_runs(tmp_path / f"runs.{ending}").told]
        for ending in ("csv", "tsv", "jsonl", "json", "parquet")
    ]
    assert all(each == found[0] for each in found)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "", "has no runs"),
        ("a.csv", "a,acc\n", "has no runs"),
        ("a.csv", "a,acc\n1,2,3\n", "has 3 cells in line 2 and 2 columns"),
        ("a.csv", "a,a\n1,2\n", "two columns called 'a'"),
        ("a.csv", "a,b\n1,x\n0,y\n", "which column of"),
        ("a.csv", "a,acc\n1,x\n0,y\n", "which column of"),
        ("a.csv", "a,acc\n1,2\n1,3\n", "was set differently between runs (a: the same in all runs, 1)"),
        ("a.csv", "a,acc,val_acc,test_acc\n1,,2,3\n0,,3,4\n", "say which is the metric"),
        ("a.csv", "a,acc\n1,\n0,2\n", "1 of the 2 runs of"),
        ("a.json", '{"a": 1}', "isn't a list of runs"),
        ("a.json", "[1", "can't be read"),
        ("a.jsonl", "nonsense\n", "can't be read"),
        ("a.parquet", "nonsense", "can't be read"),
        ("a.xlsx", "nonsense", "is no table that is known here"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BakeoffError) as told:
        bo.analyse_runs(tmp_path / name)
    assert says in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"metric": "acd"}, "did you mean acc?"),
        ({"factors": ("acc",)}, "it can't be a factor too"),
        ({"metric": "name"}, "which is no number"),
        ({"more": 0}, "--more is a whole number"),
        ({"run": "pair"}, "has 3 levels; two can be read from one run"),
    ],
)
def test_what_is_asked_for_wrongly_is_told(arguments: dict[str, Any], says: str) -> None:
    rows = [{"a": i % 3, "b": i % 2, "pair": i // 3, "name": "x", "acc": 80 + i % 5} for i in range(12)]
    with pytest.raises(RequestError) as told:
        bo.analyse_runs(rows, **arguments)
    assert says in str(told.value)


def test_a_tracker_that_there_is_not_is_told() -> None:
    with pytest.raises(RequestError, match="unknown tracker 'mlfow'; did you mean mlflow"):
        read("mlfow:somewhere")


def test_the_command_prints_suggests_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = made([(a, a, b) for a, b in product((0, 1), repeat=2)] * 4, ("mixup", "ema", "aug"), (1, 1, 0))
    file = tmp_path / "runs.json"
    file.write_text(json.dumps(rows))
    assert main(["analyse", str(file), "--next", str(tmp_path / "next.csv")]) == 0
    out = capsys.readouterr().out
    assert "mixup and ema were always set together" in " ".join(out.split())
    with open(tmp_path / "next.csv", newline="") as written:
        suggested = list(csv.DictReader(written))
    assert {(row["mixup"], row["ema"]) for row in suggested} & {("0", "1"), ("1", "0")}
    assert main(["analyse", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["mixup"] for row in found["next"]] == [float(row["mixup"]) for row in suggested]
    file.write_text(json.dumps(made(list(product((0, 1), repeat=3)) * 3, "abc", (1, 0, 0))))
    assert main(["analyse", str(file), "--next", str(tmp_path / "none.csv")]) == 2
    assert "none to suggest" in capsys.readouterr().err
    assert main(["runs", "export", "--store", str(ROOT / "studies/digits"), "--output", str(tmp_path / "d.csv")]) == 0
    assert len((tmp_path / "d.csv").read_text().splitlines()) == 109
