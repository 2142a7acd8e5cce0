"""Some runs of a study made again, elsewhere, and compared with those that are kept."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import torch

from bakeoff.errors import BakeoffError, RequestError
from bakeoff.events import Doing, Observer
from bakeoff.inference.evaluate import data_of
from bakeoff.plan import Plan
from bakeoff.runs.record import EvalSetting, RunRecord, View
from bakeoff.runs.runner import run_plan
from bakeoff.runs.store import open_store
from bakeoff.runs.workspace import Workspace
from bakeoff.stats.reproduction import agreement, most_that_differ
from bakeoff.study.analyse import Results
from bakeoff.study.verification import Repeated, Verification
from bakeoff.task import Task
from bakeoff.tasks import Builder

SPLIT = "report"


def verify(
    results: Results,
    where: Workspace,
    count: int,
    seed: int,
    task: str | Task | Builder | None,
    observer: Observer,
) -> Verification:
    """Make `count` runs of a study again, drawn by `seed`, in a store that is removed afterwards.

    Raises BakeoffError for a study without a finished run, and as `data_of` where its data aren't here.
    """
    if results.spec.program:
        raise RequestError(
            f"study {results.spec.name} is of a command, whose runs verify doesn't make; in a store of its own "
            f"(--store), {results.spec.command or 'the same bakeoff ablate'} makes all of them again"
        )
    done = [record for record in results.records if record and record.status == "done"]
    if not done:
        raise BakeoffError(f"study {results.spec.name} has no finished run that could be made again")
    chosen = random.Random(seed).sample(done, min(count, len(done)))
    dataset = data_of(where, chosen[0], task)
    repeated = []
    with tempfile.TemporaryDirectory(prefix="bakeoff-verify-") as folder:
        there = replace(where, store=open_store(folder))
        for index, record in enumerate(chosen, start=1):
            observer(Doing(f"run {index} of {len(chosen)}: {record.run_id}"))
            plan = where.store.plan(record)
            others = [_read_as(plan, view.setting) for view in record.views]
            with _threads(record.threads):
                now = run_plan(
                    record.task, plan, record.recipe, record.seed, dataset, there,
                    observer=observer, extra_evaluations=others,
                )  # fmt: skip
            repeated.append(_compared(record, now))
    other = [each.now - each.kept for each in repeated if not each.same and each.status == "done"]
    noise = results.noise
    return Verification(
        study=results.spec.name,
        total=len(done),
        repeated=tuple(repeated),
        noise=noise.sigma,
        agreement=agreement(other, noise.sigma, noise.df) if other else None,
        most_others=most_that_differ(len(chosen), len(done)) if all(each.same for each in repeated) else None,
    )


def _read_as(plan: Plan, setting: EvalSetting) -> Plan:
    """The plan, evaluated like that."""
    shown = {f"eval_view.{name}": value for name, value in dict(setting).items() if name != "ema"}
    return plan.replaced({**shown, "average": plan.tracked_average if setting.ema else None})


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """As many threads as the run had: the order of a sum depends on them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _compared(kept: RunRecord, now: RunRecord) -> Repeated:
    again = {view.name: view for view in now.views}
    same = now.status == "done" and all(view.name in again and _equal(view, again[view.name]) for view in kept.views)
    accuracies = [record.metrics.get(SPLIT, {}).get("acc1", float("nan")) for record in (kept, now)]
    return Repeated(
        run=kept.run_id,
        techniques=tuple(name for item in kept.recipe for name in item),
        seed=kept.seed,
        status=now.status,
        kept=accuracies[0],
        now=accuracies[1],
        same=same,
        elsewhere=tuple(_elsewhere(kept, now)),
    )


def _equal(kept: View, now: View) -> bool:
    """Whether two evaluations are the same to the last bit, whatever compressed them."""
    return kept == now and all(
        np.array_equal(kept.packed_hits(int(k)), now.packed_hits(int(k))) for k in kept.hits.keys() & now.hits.keys()
    )


def _elsewhere(kept: RunRecord, now: RunRecord) -> Iterator[str]:
    """What may change the last bits: device, number format, versions, and what the engine computes."""
    if kept.run_id != now.run_id:
        changed: Sequence[str] = sorted({n for n, r in now.revisions.items() if kept.revisions.get(n) != r})
        yield f"the engine computes {', '.join(changed) or 'it'} otherwise since then"
    for name in ("device", "dtype"):
        before, after = getattr(kept, name), getattr(now, name)
        if before and before != after:
            yield f"{before} there, {after} here"
    for name, before in kept.versions.items():
        if name != "bakeoff" and before != version(name):
            yield f"{name} {before} there, {version(name)} here"
