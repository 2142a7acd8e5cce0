"""What a run and its evaluations are, as values.

A run is identified by what decides its weights: training part of the plan, seed, data, engine version and revisions.
What is only read from the weights, the average instead of the last weights or another inference size, is a view.
"""

import hashlib
import json
import math
import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from bakeoff.encoding import Value
from bakeoff.plan import EvalView, Plan
from bakeoff.runs import versions
from bakeoff.runs.versions import ENGINE_VERSION

Status = Literal["done", "diverged", "crashed", "interrupted"]


class EvalSetting(EvalView):
    """How trained weights are read: the averaged ones (ema) or the last ones, and how they are shown images."""

    ema: bool

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """What a plan evaluates."""
        return cls(ema=plan.average is not None, **dict(plan.eval_view))

    @property
    def view(self) -> str:
        """The name under which such an evaluation of `report` is kept, on which results are stated."""
        return self.view_of("report")

    def view_of(self, split: str) -> str:
        """The name under which such an evaluation of a split is kept."""
        return _view_name(split, self)


class Reading(Value):
    """How a command's run is read: at which levels of evaluation factors; see `commands.command.Reading`."""

    reading: str = ""

    @property
    def view(self) -> str:
        """As in `EvalSetting`."""
        return self.view_of("report")

    def view_of(self, split: str) -> str:
        """As in `EvalSetting`."""
        return _measured_name(split, self.reading)


@dataclass(frozen=True)
class View:
    """One evaluation of a run: a split, with or without weight averaging, at an inference size.

    split, ema, resize_px, crop_px, mirror, shift_px: of what, as in `EvalSetting`. acc: "acc1", "acc5", ... in percent.
    cross_entropy, ece: plain cross-entropy, expected calibration error in [0, 1]. n: images. per_class: Acc@1 of every
    class in percent, None where a class has no images. seconds: that it took. hits: k -> correctness of every example
    at Acc@k, in the split's order, as the store keeps it: see `packed_hits`. reading: of a command, which says
    no more than `acc`, by its own names, and `hits`: at which levels of evaluation factors; None for our own engine.
    """

    split: str
    ema: bool
    resize_px: int
    crop_px: int
    acc: dict[str, float]
    cross_entropy: float
    ece: float
    n: int
    per_class: tuple[float | None, ...]
    seconds: float = field(default=0.0, compare=False)
    hits: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    mirror: bool = False
    shift_px: int = 0
    reading: str | None = None

    @classmethod
    def measured(
        cls, split: str, reading: str, values: dict[str, float], n: int, hits: dict[str, str] | None = None
    ) -> Self:
        """What a command said of itself, by its own names, of n images (0: it doesn't say)."""
        return cls(split, False, 0, 0, values, math.nan, math.nan, n, (), hits=hits or {}, reading=reading)

    @property
    def setting(self) -> EvalSetting:
        """How the weights were read."""
        return EvalSetting(**{name: getattr(self, name) for name in EvalSetting.model_fields})

    @property
    def name(self) -> str:
        """File name in the run's folder."""
        return _view_name(self.split, self) if self.reading is None else _measured_name(self.split, self.reading)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the classes' Acc@1 in percent: classes count alike, however many images they have."""
        present = [acc for acc in self.per_class if acc is not None]
        return sum(present) / len(present)

    def metrics(self) -> dict[str, Any]:
        """What is reported of it."""
        if self.reading is not None:
            return {**self.acc, **({"n": self.n} if self.n else {})}
        balanced = {"balanced_accuracy": self.balanced_accuracy}
        return {**self.acc, **balanced, "cross_entropy": self.cross_entropy, "ece": self.ece, "n": self.n}

    def as_json(self) -> dict[str, Any]:
        """The view as plain data, accuracies at the top level."""
        if self.reading is not None:
            return {"split": self.split, "reading": self.reading, **self.metrics()}
        data: dict[str, Any] = asdict(self)
        del data["reading"]
        accs: dict[str, Any] = data.pop("acc")
        del data["hits"], data["seconds"]
        return data | accs | {"balanced_accuracy": self.balanced_accuracy}

    def packed_hits(self, k: int = 1) -> npt.NDArray[np.uint8]:
        """(ceil(n / 8),) correctness at Acc@k, packed as `np.packbits` does."""
        return np.frombuffer(zlib.decompress(b64decode(self.hits[str(k)])), np.uint8)


@dataclass(frozen=True)
class Losses:
    """Training loss: its mean over the steps since the entry before, at each `step`.

    Two tuples, since a pair for each entry would take longer to make than all else that is read of a run.
    """

    step: tuple[int, ...] = ()
    loss: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True)
class RunRecord:
    """One run: what was asked, what came out. Times in seconds, accuracies in percent.

    run_id: its name in the store. status, reason: how it ended, and why, if it isn't done. task, recipe, plan: what was
    trained, as plain data; plan_digest: of the plan. seed: of all randomness. data_fingerprint: of images, labels and
    splits. engine_version, revisions: of what the engine computes, those of its parts where they are above 1. classes:
    their names. mean, std: of the training images per channel, in [0, 1]. examples_seen, steps: of training.
    seconds, data_wait_seconds, images_per_second: of training. device, threads, versions: where, and of what software.
    dtype: fp32 or bf16, in which it was computed, which "auto" in a plan leaves to the device. weights_digest:
    SHA-256 of the file of its weights. started, finished: dates. losses: of training. metrics: split -> what the plan
    evaluates. views: everything that was evaluated. command: of a run of a command, what it is told apart by; its plan
    is empty then, as is all that only our engine knows, and plan_digest is of the command.
    """

    run_id: str
    status: Status
    reason: str
    task: str
    recipe: list[dict[str, Any]]
    plan: dict[str, Any]
    plan_digest: str
    seed: int
    data_fingerprint: str
    engine_version: int
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    examples_seen: int = 0
    steps: int = 0
    seconds: float = 0.0
    data_wait_seconds: float = 0.0
    images_per_second: float = 0.0
    device: str = ""
    threads: int = 0
    dtype: str = ""  # not known of the first runs that were kept
    versions: dict[str, str] = field(default_factory=dict)
    started: str = ""
    finished: str = ""
    losses: Losses = Losses()
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    views: tuple[View, ...] = ()
    revisions: dict[str, int] = field(default_factory=dict)
    weights_digest: str = ""  # not known of the first runs that were kept
    command: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the run has come to an end that is never changed."""
        return self.status in ("done", "diverged")

    def as_json(self) -> dict[str, Any]:
        """The record as plain data."""
        data = {**asdict(self), "views": [view.as_json() for view in self.views]}
        if not self.command:
            del data["command"]
        return data

    def for_plan(self, plan: Plan, recipe: list[dict[str, Any]]) -> Self:
        """The same run as the answer to a plan that shares its training part: its metrics are the plan's views."""
        asked = plan.model_dump(mode="json")
        return replace(self, recipe=recipe, plan=asked, plan_digest=plan.digest, metrics=metrics_of(asked, self.views))


def _measured_name(split: str, reading: str) -> str:
    return f"{split}-measured" + f"-{reading}" * bool(reading)


def _view_name(split: str, of: EvalSetting | View) -> str:
    augmented = "-mirror" * of.mirror + f"-shift{of.shift_px}" * bool(of.shift_px)
    return f"{split}-{'ema' if of.ema else 'raw'}-{of.resize_px}-{of.crop_px}{augmented}"


def run_id(
    plan: Plan,
    seed: int,
    fingerprint: str,
    engine_version: int = ENGINE_VERSION,
    revisions: Mapping[str, int] | None = None,
) -> str:
    """12 hexadecimal digits that identify a trained run.

    engine_version, revisions: of the engine that trains it, by default this one's (bakeoff.runs.versions).
    """
    used = versions.revisions(plan) if revisions is None else revisions
    parts = [plan.training_digest, seed, fingerprint, engine_version, *(f"{n}:{used[n]}" for n in sorted(used))]
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()[:12]


def command_digest(identity: Mapping[str, Any]) -> str:
    """Of what runs of a command are told apart by, beside the seed."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def command_run(digest: str, seed: int) -> str:
    """12 hexadecimal digits that identify a run of a command."""
    return hashlib.sha256(f"command {digest} {seed}".encode()).hexdigest()[:12]


def metrics_of(plan: dict[str, Any], views: Iterable[View]) -> dict[str, dict[str, Any]]:
    """Split -> what the plan evaluates."""
    if not plan:  # of a command: the last of its readings, at which all evaluation factors are on
        return {v.split: v.metrics() for v in views}
    size = plan["eval_view"]  # as plain data, since thousands of runs are read to make a report
    shown = (size["resize_px"], size["crop_px"], size.get("mirror", False), size.get("shift_px", 0))
    asked = (plan["average"] is not None, *shown)
    found = {v.split: v.metrics() for v in views if (v.ema, v.resize_px, v.crop_px, v.mirror, v.shift_px) == asked}
    return {split: found[split] for split in ("select", "report") if split in found}
