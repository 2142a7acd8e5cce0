"""Processes x threads: chosen by a short timing of real processes, once for each study."""

import math
import os
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bakeoff.ablation import plan as layout
from bakeoff.ablation import size as sizing
from bakeoff.ablation.design import Factorial, Runs
from bakeoff.api import plan_job
from bakeoff.data.dataset import Dataset
from bakeoff.launch.parallel import ParallelLayout, arrange, fastest, speeds
from bakeoff.recipes.request import Job
from bakeoff.runs.store import open_store
from bakeoff.runs.workspace import Workspace
from bakeoff.study.spec import StudySpec


@pytest.mark.parametrize(
    ("cores", "runs", "by_threads", "chosen", "asked"),
    [
        (2, 54, {1: 14_000, 2: 9_000}, (2, 1), [(2, 1), (1, 2)]),
        (2, 54, {1: 1_000, 2: 1_090}, (2, 1), [(2, 1), (1, 2)]),  # as good as a tie
        (2, 54, {1: 1_000, 2: 1_200}, (1, 2), [(2, 1), (1, 2)]),
        (8, 54, {1: 100, 2: 150, 4: 160, 8: 90}, (4, 2), [(8, 1), (4, 2), (2, 4), (1, 8)]),
        (8, 54, {1: 100, 2: 99}, (8, 1), [(8, 1), (4, 2)]),  # no need to go on
        (6, 54, {1: 1, 2: 2, 4: 4, 6: 8}, (1, 6), [(6, 1), (3, 2), (1, 4), (1, 6)]),
        (8, 3, {1: 30, 2: 50, 4: 40}, (3, 2), [(3, 1), (3, 2), (2, 4)]),  # three runs
        (4, 54, {1: 0, 2: 0, 4: 7}, (1, 4), [(4, 1), (2, 2), (1, 4)]),  # no room for more than one
    ],
)
def test_the_fastest_is_chosen_and_a_tie_goes_to_one_thread(
    cores: int,
    runs: int,
    by_threads: dict[int, float],
    chosen: tuple[int, int],
    asked: list[tuple[int, int]],
) -> None:
    calls: list[tuple[int, int]] = []

    def speed(jobs: int, threads: int) -> float:
        calls.append((jobs, threads))
        return by_threads[threads]

    found = arrange(cores, runs, speed)
    assert (found.jobs, found.threads) == chosen
    assert calls == asked
    assert f"{cores if runs > cores else runs} x 1 " in found.why


def test_on_a_gpu_there_are_more_processes_only_where_they_are_faster() -> None:
    calls: list[int] = []

    def speed(jobs: int, threads: int) -> float:
        assert jobs * threads == 16
        calls.append(jobs)
        return {1: 100.0, 2: 190.0, 4: 300.0, 8: 310.0, 16: 0.0}[jobs]  # no memory for sixteen

    found = arrange(16, 54, speed, fewest_first=True)
    assert (found.jobs, found.threads) == (4, 4)
    assert calls == [1, 2, 4, 8, 16]


def softmax() -> Job:
    return plan_job("digits", "torchvision-2021", model="softmax")


@pytest.mark.slow
def test_real_processes_are_timed_and_one_that_fails_or_hangs_has_no_speed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bakeoff.launch.parallel._LONGEST", 600.0)  # however busy this machine is
    job, where = softmax(), Workspace.open(store=tmp_path, data=Path(), device="cpu")
    with speeds(job.task, [job.plan], where, most=2, seconds=0.2) as speed:
        assert 100 < speed(2, 1) < 1e8
        monkeypatch.setattr("bakeoff.launch.parallel.wait", lambda futures, timeout: wait(futures, timeout and 0.0))
        assert speed(1, 2) == 0.0
    unknown = job.plan.model_copy(update={"model": job.plan.model.model_copy(update={"name": "no such network"})})
    with speeds(job.task, [unknown], where, most=1) as speed:
        assert speed(1, 1) == 0.0


@pytest.mark.slow
def test_a_layout_is_timed_once_for_plans_of_any_length_and_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr("bakeoff.launch.parallel._LONGEST", 600.0)
    job, where = softmax(), Workspace.open(store=tmp_path, data=Path(), device="cpu")
    first = fastest(job.task, [job.plan], where, most=2)
    assert first.jobs * first.threads == 2
    (tmp_path / "cache" / "layouts.json").write_text(
        (tmp_path / "cache" / "layouts.json").read_text().replace(first.why, "as it was")
    )
    longer = job.plan.model_copy(update={"examples_seen": 3 * job.plan.examples_seen})
    assert fastest(job.task, [longer], where, most=2) == replace(first, why="as it was")
    (tmp_path / "cache" / "layouts.json").write_text("no JSON")
    monkeypatch.setattr("bakeoff.launch.parallel._LONGEST", 0.5)  # no process is ready in that time
    assert fastest(job.task, [job.plan], where, most=2) == ParallelLayout(2, 1, "nothing could be timed within 0.5 s")
    assert (tmp_path / "cache" / "layouts.json").read_text() == "no JSON"


def test_a_timing_leaves_the_threads_of_this_process_as_they_were() -> None:
    job, before = softmax(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        took = sizing.seconds_per_image(job.plan, job.task.load(Path()), torch.device("cpu"), 1)
        assert 1e-7 < took < 1.0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def arranged(store: Path, dataset: Dataset, jobs: int | None = None, threads: int | None = None) -> StudySpec:
    where = Workspace.open(store=store, device="cpu", jobs=jobs, threads=threads)
    spec = layout.plan_study(softmax(), Factorial(Runs(32)), where, dataset)
    return sizing.arranged(spec, softmax(), where, dataset)


def test_a_study_is_timed_once_and_only_where_it_pays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = softmax().task.load(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    timed = []

    def choose(task: object, plans: object, where: object, *, most: int) -> ParallelLayout:
        timed.append(most)
        return ParallelLayout(2, 2, "timed here")

    monkeypatch.setattr(sizing, "fastest", choose)

    monkeypatch.setattr(sizing, "_WORTH_TIMING", math.inf)
    short = arranged(tmp_path, dataset)
    assert (short.jobs, short.threads) == (4, 1)
    assert "too short" in short.arrangement
    asked = arranged(tmp_path, dataset, threads=3)
    assert (asked.jobs, asked.threads, asked.arrangement) == (1, 3, "as asked for")
    assert not timed

    monkeypatch.setattr(sizing, "_WORTH_TIMING", 0.0)
    spec = arranged(tmp_path, dataset)
    assert (spec.jobs, spec.threads, spec.arrangement) == (2, 2, "timed here")
    assert timed == [4]
    spec.save(open_store(tmp_path))
    again = arranged(tmp_path, dataset)
    assert again == replace(spec, created=again.created)
    assert len(timed) == 1  # it goes on as it began

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    alone = arranged(tmp_path / "other", dataset)
    assert (alone.jobs, alone.threads, alone.arrangement) == (1, 1, "one core")
