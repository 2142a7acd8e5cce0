"""Processes x threads: how many runs train beside each other, from a short timing of real ones."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bakeoff.engine import timing
from bakeoff.files import write_json
from bakeoff.launch.base import setup
from bakeoff.launch.local import Worker
from bakeoff.launch.messages import TimePlans
from bakeoff.plan import Plan
from bakeoff.reader import cache_folder
from bakeoff.runs.workspace import Workspace
from bakeoff.task import Task

_FASTER = 1.1  # what an arrangement with more threads must be to be taken
_LONGEST = 10.0  # seconds that all of it may take; what isn't timed by then isn't taken
_PATIENCE = 4.0  # how many times the first arrangement's time another may take before it is given up


@dataclass(frozen=True)
class ParallelLayout:
    """How many processes train beside each other, how many threads each has, and why.

    images: that they train on in a second, all together; 0 where none could be timed.
    """

    jobs: int
    threads: int
    why: str
    images: float = 0.0


def fastest(task: Task, plans: Sequence[Plan], where: Workspace, *, most: int) -> ParallelLayout:
    """The fastest layout for runs of these plans, at most `most` processes: timed here, or as it was timed before.

    It is kept in the user's cache folder, whatever the length of the trainings, as single plans' times are.
    """
    device, cores = where.torch_device(), os.cpu_count() or 1
    kept = cache_folder() / "layouts.json"
    digests = ", ".join(timing.one_step(plan).digest for plan in plans)
    name = f"{timing.machine(device)}, {cores} cores, {most} processes at most, {digests}"
    known = _read(kept)
    if name in known:
        return known[name]
    with speeds(task, plans, where, most=most) as speed:
        best = arrange(cores, most, speed, fewest_first=device.type != "cpu")
    if not best.images:
        return replace(best, why=f"nothing could be timed within {_LONGEST:g} s")
    with suppress(OSError):  # a read-only cache: it is timed again
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, {each: asdict(layout) for each, layout in {**_read(kept), name: best}.items()})
    return best


def _read(path: Path) -> dict[str, ParallelLayout]:
    try:
        kept = json.loads(path.read_text("utf-8")).items()
        return {
            name: ParallelLayout(int(each["jobs"]), int(each["threads"]), str(each["why"]), float(each["images"]))
            for name, each in kept
        }
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}


def arrange(cores: int, runs: int, speed: Callable[[int, int], float], *, fewest_first: bool = False) -> ParallelLayout:
    """The fastest of a process per core, one process with all cores, and what lies between.

    runs: never more processes than these. speed: images per second of so many processes with so many threads each, all
    together. The search goes towards more threads and ends where that is slower. They must be a tenth faster to be
    taken: the last bits of a run depend on its threads, so a tie is not left to chance. fewest_first: it goes the other
    way, as for processes that share a GPU and its memory.
    """
    tried: list[tuple[float, int, int]] = []
    each = [*(2**i for i in range((cores - 1).bit_length())), cores]
    for threads in reversed(each) if fewest_first else each:
        jobs = min(runs, cores // threads)
        tried.append((speed(jobs, threads), jobs, threads))
        if len(tried) > 1 and tried[-1][0] < tried[-2][0]:
            break
    best = tried[0]
    for option in tried[1:]:
        if option[0] > _FASTER * best[0]:
            best = option
    told = ", ".join(f"{jobs} x {threads} {_told(images)}" for images, jobs, threads in tried)
    return ParallelLayout(best[1], best[2], f"timed here, processes x threads: {told}", best[0])


@contextmanager
def speeds(
    task: Task, plans: Sequence[Plan], where: Workspace, *, most: int, seconds: float = 0.5
) -> Iterator[Callable[[int, int], float]]:
    """`speed` for `arrange`: real processes, at most `most`, train beside each other.

    plans: each timed for `seconds` after a few steps to warm up. An arrangement in which a process fails, as for want
    of memory, that takes several times as long as the first one did, or for which no time is left, has speed 0.
    """
    started, limit = time.perf_counter(), _LONGEST  # the first arrangement's processes also start
    with setup(task, where, where.device) as told, ThreadPoolExecutor(most) as pool:
        workers = [Worker(told, threads=1) for _ in range(most)]

        def speed(jobs: int, threads: int) -> float:
            nonlocal limit
            now = time.perf_counter()
            deadline = min(started + _LONGEST, now + limit)
            if deadline <= now:
                return 0.0
            for length in (0.0, seconds):
                began = time.perf_counter()
                work = TimePlans(task=task.name, plans=tuple(plans), threads=threads, seconds=length)
                answers = [pool.submit(worker.ask, work) for worker in workers[:jobs]]
                if wait(answers, max(0.0, deadline - began)).not_done:
                    while wait(answers, 0.05).not_done:  # one may be about to start its process
                        for worker in workers[:jobs]:
                            worker.stop()
                    return 0.0
                if any(answer.result().status != "done" for answer in answers):
                    return 0.0
            limit = min(limit, _PATIENCE * (time.perf_counter() - began))
            return sum(1.0 / answer.result().seconds for answer in answers)

        try:
            yield speed
        finally:
            for worker in workers:
                worker.stop()


def _told(images: float) -> str:
    return f"{images:,.0f} images/s" if images else "too slow or too large"
