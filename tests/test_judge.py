"""`bakeoff judge`: pairs until it is settled, a ledger, a command against itself."""

import json
import math
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bakeoff
from bakeoff.commands.command import Metric
from bakeoff.commands.depends import Invocation
from bakeoff.commands.run import CommandFailed, CommandRefused
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import Event
from bakeoff.judging import own, trial
from bakeoff.judging.judge import STATUS, Judgement, PairJudged
from bakeoff.judging.ledger import Ledger
from bakeoff.judging.trial import Pairs
from bakeoff.runs.store import Store
from bakeoff.stats import spending
from bakeoff.study.check import check
from tests.test_cli import complaint, run

PYTHON = sys.executable
Value = Callable[[str, int, int], float]  # words, seed, how many runs there were -> metric


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[[Value], list[tuple[str, int]]]:
    """Have runs come to what a function says, without processes. Returns the list of those that were made."""

    def install(value: Value) -> list[tuple[str, int]]:
        runs: list[tuple[str, int]] = []
        kept: dict[str, float] = {}

        def run_command(side: Invocation, seed: int, store: Store, **how: Any) -> SimpleNamespace:
            name, words = side.run_id(seed), " ".join((side.typed, *side.command.env))
            if name not in kept:
                runs.append((words, seed))
                kept[name] = value(words, seed, len(runs))
            done = math.isfinite(kept[name])
            metrics = {"report": {side.command.metric.called: kept[name]}}
            return SimpleNamespace(status="done" if done else "diverged", reason="NaN", metrics=metrics)

        monkeypatch.setattr(trial, "run_command", run_command)
        return runs

    return install


def noisy(words: str, seed: int, count: int) -> float:
    """Seeds and commands scatter; a word --gain=X adds that."""
    gain = next((float(word[7:]) for word in words.split() if word.startswith("--gain=")), 0.0)
    return 80 + random.Random(seed).gauss(0, 1) + random.Random(f"{seed} {words}").gauss(0, 0.5) + gain


def judge(candidate: str, tmp_path: Path, baseline: str = "", **asked: Any) -> Judgement:
    """Judge words that are added to a command."""
    base = f"{PYTHON} train.py {{seed}}"
    return bakeoff.judge(
        f"{base} {baseline}", f"{base} {candidate}", **{"metric": "acc", "store": tmp_path / "store", **asked}
    )


@pytest.mark.parametrize(
    ("candidate", "verdict"), [("--gain=3", "better"), ("--gain=-3", "worse"), ("--gain=0 --x", "no_difference")]
)
def test_a_verdict_as_soon_as_it_is_settled(candidate: str, verdict: str, made: Any, tmp_path: Path) -> None:
    runs = made(noisy)
    found = judge(candidate, tmp_path, delta=1.5)
    assert found.verdict == verdict
    assert len(runs) == 2 * len(found.pairs) < 60
    assert found.status == STATUS[found.verdict]
    assert found.as_json()["verdict"] == verdict
    seeds = [seed for _, seed in runs]
    assert seeds[::2] == seeds[1::2]  # in pairs
    first = [words for words, _ in runs[::2]]
    assert len(set(first)) == 2  # either order
    assert [candidate in words for words in first] == [pair.candidate_first for pair in found.pairs]
    if verdict == "better":
        assert 0 < found.standing.proved < found.standing.low < 3 < found.standing.high


def test_what_was_judged_is_answered_and_what_is_undecided_goes_on(made: Any, tmp_path: Path) -> None:
    runs = made(noisy)
    first = judge("--gain=1.2", tmp_path, pairs=5)
    assert first.verdict == "undecided"
    assert first.more is not None
    assert len(runs) == 10
    assert judge("--gain=1.2", tmp_path, pairs=5) == first
    assert len(runs) == 10
    longer = judge("--gain=1.2", tmp_path)
    assert longer.pairs[:5] == first.pairs
    assert longer.verdict == "better"
    assert longer.entry.share == first.entry.share
    assert [entry.number for entry in Ledger(Store(tmp_path / "store"), "default").entries()] == [1]


def test_interrupted_it_goes_on_where_it_stopped(made: Any, tmp_path: Path) -> None:
    runs = made(noisy)

    def stop(event: Event) -> None:
        if isinstance(event, PairJudged) and event.made == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge("--gain=3", tmp_path, observer=stop)
    assert len(runs) == 6
    found = judge("--gain=3", tmp_path)
    assert len(runs) == len(set(runs)) == 2 * len(found.pairs)
    assert found.verdict == "better"


def test_proposals_share_one_budget_and_what_is_kept_gives_back(made: Any, tmp_path: Path) -> None:
    made(noisy)
    shares = []
    for gain, ledger in ((0.01, "night"), (4, "night"), (0.02, "night"), (0.03, "night"), (0.01, "another")):
        found = judge(f"--gain={gain}", tmp_path, ledger=ledger, pairs=14)
        assert found.kept == (gain == 4)
        shares.append(found.entry.share)
    first = spending.next_share([])
    assert shares[0] == shares[4] == first
    assert shares[1] == shares[2] == spending.next_share(shares[:1])  # the second was kept
    assert shares[3] == spending.next_share([shares[0], shares[2]])
    book = Ledger(Store(tmp_path / "store"), "night")
    assert book.left == pytest.approx(spending.BUDGET - shares[0] - shares[2] - shares[3])
    assert [entry.kept for entry in book.entries()] == [False, True, False, False]


def test_who_proposes_at_once_gets_numbers_of_their_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    threads = [
        threading.Thread(target=lambda name=name: Ledger(store, "night").enter(name, "a", "b", "acc"))
        for name in "abcdefgh" * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = Ledger(store, "night").entries()
    assert sorted(entry.id for entry in entries) == list("abcdefgh")
    assert [entry.number for entry in entries] == list(range(1, 9))
    assert sum(entry.share for entry in entries) < spending.BUDGET
    assert not check(store).faults
    (tmp_path / "ledgers" / "night" / "000003.json").unlink()
    assert "an entry is missing" in check(store).faults[0]
    (tmp_path / "ledgers" / "night" / "000004.json").write_text('{"id": 3}')
    with pytest.raises(RequestError, match=r"000004.json isn't as it was written .* begin another --ledger"):
        Ledger(store, "night").entries()
    with pytest.raises(RequestError, match=r"--ledger takes a name"):
        Ledger(store, "../x")


def test_a_metric_of_which_less_is_better(made: Any, tmp_path: Path) -> None:
    made(noisy)
    for metric, lower, verdict in (("val_loss", None, "worse"), ("acc", True, "worse"), ("val_loss", False, "better")):
        found = judge("--gain=3", tmp_path / metric / str(lower), metric=metric, lower=lower)
        assert found.verdict == verdict
    assert found.standing.gain == pytest.approx(3, abs=1)


def test_what_is_kept_is_stated_once_by_a_metric_that_judged_nothing(made: Any, tmp_path: Path) -> None:
    seen: list[str] = []
    runs = made(noisy)
    found = judge("--gain=3", tmp_path, report="test", observer=lambda event: seen.append(type(event).__name__))
    stated = found.entry.stated
    assert stated is not None
    assert stated.pairs == 6
    assert stated.low < 3 < stated.high
    judged = {seed for _, seed in runs[:-12]}
    assert judged.isdisjoint(seed for _, seed in runs[-12:])  # new seeds
    count = len(runs)
    assert judge("--gain=3", tmp_path, report="test") == found
    assert len(runs) == count
    assert judge("--gain=0.01", tmp_path, report="test", pairs=7).entry.stated is None
    assert any("--report METRIC" in note for note in judge("--gain=5", tmp_path).notes)


def test_a_candidate_that_fails_is_not_kept(made: Any, tmp_path: Path) -> None:
    def sometimes(words: str, seed: int, count: int) -> float:
        return math.nan if "--gain" in words and seed % 5 == 2 else noisy(words, seed, count)

    runs = made(sometimes)
    found = judge("--gain=4", tmp_path)
    assert found.verdict == "failed"
    assert found.failures == (0, sum(pair.candidate is None for pair in found.pairs))
    assert found.standing.pairs == len(found.pairs) - found.failures[1]
    assert not Ledger(Store(tmp_path / "store"), "default").entries()[0].kept
    count = len(runs)
    assert count == 2 * len(found.pairs)
    fast = judge("--gain=4 --fast", tmp_path, fail_fast=True)
    assert fast.verdict == "failed"
    assert sum(pair.candidate is None for pair in fast.pairs) == 1
    book = Ledger(Store(tmp_path / "store"), "default")
    assert [entry.verdict for entry in book.entries()] == ["failed", "failed"]
    assert book.left < spending.BUDGET - 2 * spending.BUDGET / 24  # both are accounted for


def test_a_candidate_that_never_runs_is_known_after_three(made: Any, tmp_path: Path) -> None:
    def never(words: str, seed: int, count: int) -> float:
        if "--gain" in words:
            raise CommandRefused("it ended with status 2")
        return noisy(words, seed, count)

    runs = made(never)
    found = judge("--gain=4", tmp_path)
    assert (found.verdict, found.failures, len(found.pairs)) == ("failed", (0, 3), 3)
    assert found.standing.pairs == 0
    json.dumps(found.as_json(), allow_nan=False)
    assert len(runs) == 6


def test_a_crash_is_tried_once_more(made: Any, tmp_path: Path) -> None:
    crashed = set()

    def once(words: str, seed: int, count: int) -> float:
        if (words, seed) not in crashed:
            crashed.add((words, seed))
            raise CommandFailed("killed by signal 9")
        return noisy(words, seed, count)

    made(once)
    found = judge("--gain=4", tmp_path)
    assert (found.verdict, found.failures) == ("better", (0, 0))


def test_a_baseline_that_does_not_run_is_no_verdict(made: Any, tmp_path: Path) -> None:
    made(lambda words, seed, count: math.nan if "--gain" not in words else 1.0)
    with pytest.raises(BakeoffError, match="the baseline doesn't run, so that there is nothing to judge against: NaN"):
        judge("--gain=4", tmp_path)


@pytest.mark.parametrize("constant", ["--gain", "both"])
def test_one_run_again_and_again_proves_nothing(constant: str, made: Any, tmp_path: Path) -> None:
    """A program that ignores its seed: a difference is luck, and no number of runs shows it."""

    def fixed(words: str, seed: int, count: int) -> float:
        ours = "--gain" in words
        return 93.25 + ours if ours or constant == "both" else noisy(words, seed, count)

    made(fixed)
    with pytest.raises(RequestError, match=r"every run of the .* came to 9.*, whatever its seed: that is one run"):
        judge("--gain=4", tmp_path)


def test_requests_that_can_not_be_had(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="are the same command with the same files: there is nothing to judge"):
        judge("", tmp_path)
    with pytest.raises(RequestError, match=r"names no \{seed\}: all of its runs may have one seed"):
        bakeoff.judge(f"{PYTHON} a.py", f"{PYTHON} b.py", metric="acc", store=tmp_path)
    with pytest.raises(RequestError, match="there is no program 'pythn' to run"):
        bakeoff.judge("pythn a.py {seed}", f"{PYTHON} b.py {{seed}}", metric="acc", store=tmp_path)
    with pytest.raises(RequestError, match="where does the command say how good it is"):
        judge("--x", tmp_path, metric=None)
    with pytest.raises(RequestError, match="--pairs is a whole number from 1 to 500"):
        judge("--x", tmp_path, pairs=0)
    assert not (tmp_path / "store" / "ledgers").exists()


def test_seeds_belong_to_one_judgement_and_fit_into_31_bits(tmp_path: Path) -> None:
    found = [Pairs({}, f"{ledger} {number}", Store(tmp_path)) for ledger in "ab" for number in range(300)]
    first = {pairs.seed(0) for pairs in found}
    assert len(first) == len(found)
    assert all(seed % 1000 == 0 and 0 <= seed < 2**31 - 1000 for seed in first)
    coins = [found[0].candidate_first(index) for index in range(400)]
    assert 150 < sum(coins) < 250


def test_metrics_as_people_write_them() -> None:
    assert Metric.written("metrics.select.acc1").key == "metrics.select.acc1"
    assert Metric.written("{out}/metrics.json:a.b").model_dump(include={"file", "key"}) == {
        "file": "{out}/metrics.json", "key": "a.b",
    }  # fmt: skip
    assert Metric.written("result.json").file == "result.json"
    read = Metric.written(r"val_loss=([\d.]+)")
    assert (read.stdout, read.called) == (r"val_loss=([\d.]+)", "val_loss")
    with pytest.raises(RequestError, match="is no regular expression"):
        Metric.written("acc=([")


def test_our_own_trainer_is_judged_on_select_and_stated_on_report() -> None:
    for words in ("bakeoff train --json", "env A=1 /x/bin/bakeoff train --json", "python -m bakeoff train --json"):
        judged, stated = own.metrics(words) or (None, None)
        assert judged is not None
        assert stated is not None
        assert (judged.key, stated.key) == ("metrics.select.acc1", "metrics.report.acc1")
    assert own.metrics("python train.py") is None
    with pytest.raises(RequestError, match="with --json"):
        own.metrics("bakeoff train --seed {seed}")


# a command against itself


def test_a_steady_command_passes_at_once(made: Any, tmp_path: Path) -> None:
    made(lambda words, seed, count: 80 + random.Random(seed).gauss(0, 1))
    found = bakeoff.self_test(f"{PYTHON} train.py {{seed}}", metric="acc", store=tmp_path)
    assert (found.passed, found.status, len(found.pairs)) == (True, 0, 6)
    assert (found.steadiness.same, found.steadiness.repeat) == (1, 0)
    assert "the same seed gives the same number, always" in found.notes
    assert not (tmp_path / "ledgers").exists()


@pytest.mark.parametrize("kind", ["noisy", "drifting", "warm"])
def test_a_command_that_isn_t_steady_is_told_of_and_passes(kind: str, made: Any, tmp_path: Path) -> None:
    """Whatever the machine does to it, nothing was changed: "no difference"."""
    draw = random.Random(3)

    def value(words: str, seed: int, count: int) -> float:
        machine = {"noisy": 0, "drifting": count, "warm": 5 * (count % 2 == 0)}[kind]
        return 80 + draw.gauss(0, 1) + machine

    made(value)
    found = bakeoff.self_test(f"{PYTHON} train.py {{seed}}", metric="acc", store=tmp_path)
    assert found.passed
    assert found.as_json()["verdict"] == "no_difference"
    steady = found.steadiness
    if kind == "noisy":
        assert any("scatters as much as others do" in note for note in found.notes)
    if kind == "drifting":
        assert steady.drift[1] > 0.7
        assert steady.drift[2] < 1.3
        assert any(note.startswith("a run later matters") for note in found.notes)
    if kind == "warm":
        assert steady.second[1] > 3
        assert any(note.startswith("running second matters") for note in found.notes)


def test_a_self_test_says_where_there_is_a_difference(made: Any, tmp_path: Path) -> None:
    """As where the second run of a seed reads what the first one left."""
    made(lambda words, seed, count: 3 * ("BAKEOFF_AGAIN" in words) + random.Random(count).gauss(0, 1))
    found = bakeoff.self_test(f"{PYTHON} train.py {{seed}}", metric="acc", store=tmp_path)
    assert (found.passed, found.status) == (False, 7)


# the command line


def test_exit_statuses_words_and_json(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEOFF_STORE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    made(lambda words, seed, count: math.nan if "--nan" in words else noisy(words, seed, count))
    base = ("judge", "--baseline", f"{PYTHON} train.py {{seed}}", "--metric", "acc", "--delta", "1.5")

    def asked(words: str) -> tuple[str, ...]:
        return (*base, "--candidate", f"{PYTHON} train.py {{seed}} {words}")

    out, err = run(capsys, *asked("--gain=3"))
    assert out.startswith("better: +")
    assert "As proposal 1 it was kept with 0.24 % of error, its share of the 5 % of ledger" in out.replace("\n", " ")
    assert err == ""  # over before there was anything to tell
    out, _ = run(capsys, *asked("--gain=0"), status=3)
    assert out.startswith("no difference worth having: ")
    out, _ = run(capsys, *asked("--gain=-3"), status=4)
    assert out.startswith("worse: -")
    out, _ = run(capsys, *asked("--gain=1.2"), "--pairs", "5", status=5)
    assert out.startswith("undecided: +")
    assert "more: --pairs " in out.replace("\n", " ")
    out, _ = run(capsys, *asked("--nan"), "--fail-fast", status=6)
    assert out.startswith("failed")
    run(capsys, *asked("--gain=0"), "--accept", "better,no_difference")
    out, _ = run(capsys, "ledger")
    lines = out.splitlines()
    assert [words[:2] for line in lines[1:-1] if (words := line.split())[0].isdigit()] == [
        ["1", "kept"], ["2", "no"], ["3", "worse"], ["4", "undecided"], ["5", "failed"],
    ]  # fmt: skip
    assert lines[-1].startswith("4.2 % of the 5 % of error is left")
    out, _ = run(capsys, "ledger", "--json")
    assert [each["kept"] for each in json.loads(out)["proposals"]] == [True, False, False, False, False]
    assert "unknown ledger in" in complaint(capsys, "ledger", "nights")
    out, err = run(capsys, *asked("--gain=-3"), "--json", "--quiet", status=4)
    assert json.loads(out)["verdict"] == "worse"
    assert err == ""
    out, _ = run(capsys, "judge", "--self-test", "--command", f"{PYTHON} t.py {{seed}}", "--metric", "acc", "--json")
    assert json.loads(out)["verdict"] == "no_difference"
    assert "--self-test takes one command" in complaint(capsys, "judge", "--self-test", "--metric", "acc")
    assert "judge takes --baseline and --candidate" in complaint(capsys, *base)
    assert "unknown value of --accept 'bettter'; did you mean better?" in complaint(
        capsys, *asked("--gain=3"), "--accept", "bettter"
    )
