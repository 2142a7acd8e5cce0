"""Studies of any command: what is varied are the factors of its file."""

import math
import os
import shlex
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from bakeoff.ablation.design import AddOne, Design, LeaveOneOut, Settled
from bakeoff.ablation.plan import study_name
from bakeoff.commands.depends import Invocation
from bakeoff.commands.run import run_command
from bakeoff.commands.study_file import CommandStudy
from bakeoff.errors import RequestError
from bakeoff.events import Doing, tell
from bakeoff.launch.queue import Batch, CommandTrial, Try
from bakeoff.runs.record import Reading
from bakeoff.runs.workspace import LOCAL, Workspace
from bakeoff.study import seeds
from bakeoff.study.events import CommandChanged
from bakeoff.study.spec import DesignPoint, Program, StudySpec


@dataclass(frozen=True)
class Commanded:
    """See `Subject`."""

    study: CommandStudy
    where: Workspace

    @property
    def task(self) -> None:
        """See `Subject`: commands know their data themselves."""
        return

    def fitted(self, design: Design) -> "Commanded":
        """See `Subject`."""
        self.study.check()
        return self

    @property
    def columns(self) -> dict[str, tuple[str, int]]:
        """What a column of a design switches, by name: a factor, and its level where it is on."""
        found = {}
        for name, texts in self.study.factors.items():
            for level in range(1, len(texts)):
                found[name if len(texts) == 2 else f"{name}: {_shown(texts[level])}"] = name, level
        return found

    def laid_out(self, design: Design) -> StudySpec:
        """See `Subject`. Raises RequestError for a design that factors of more than two values don't fit into."""
        study, columns = self.study, self.columns
        k, several = len(columns), [name for name, texts in study.factors.items() if len(texts) > 2]
        if several and not isinstance(design, AddOne | LeaveOneOut):
            raise RequestError(
                f"factor '{several[0]}' has {len(study.factors[several[0]])} values, and a {design.kind} compares two: "
                "take --design add-one or leave-one-out, or name two of them"
            )
        drawn = design.draw(k)
        # Of several values a recipe has the first: a column for each other one is off in it.
        reference = np.array([len(study.factors[name]) == 2 for name, _ in columns.values()])
        levels = drawn.levels if not isinstance(design, LeaveOneOut) else drawn.levels ^ ~reference
        made = _Invocations(study, columns)
        self.where.store.prepare()
        rows = []
        for on_off, block in zip(levels.tolist(), drawn.block.tolist(), strict=True):
            invocation, both = made(tuple(on_off)), (block, block + seeds.SECOND_TRY)
            rows.append(
                DesignPoint(tuple(on_off), block, both, (invocation.run_id(both[0]), invocation.run_id(both[1])))
            )
        settings = tuple(Reading(reading=each.name) for each in study.command.readings)
        everything = {
            "task": study.name,
            "design": design.kind,
            "design_seed": design.seed,
            "factors": {name: list(texts) for name, texts in study.factors.items()},
            "rows": [row.runs for row in rows],
            "levels": [setting.view for setting in settings],
        }
        looks: tuple[int, ...] = ()
        tolerance: float | None = None
        if isinstance(design, LeaveOneOut) and isinstance(design.size, Settled):
            looks, tolerance = design.looks(k), design.size.tolerance
            everything |= {"looks": looks, "tolerance": tolerance}
        evaluation = tuple(study.command.evaluate)
        cores = os.cpu_count() or 1
        jobs = self.where.jobs or 1
        spec = StudySpec(
            name=study_name(study.name, design.kind, everything),
            task=study.name,
            design=design.kind,
            design_seed=design.seed,
            recipe=[{name: _shown(texts[1])} for name, texts in study.factors.items() if len(texts) == 2],
            training=tuple(columns),
            evaluation=evaluation,
            not_applicable={},
            order=(*columns, *evaluation),
            rows=tuple(rows),
            eval_settings=settings,
            base_plan={},
            recipe_plan={},
            data_fingerprint="",
            classes=(),
            splits={},
            device=self.where.device,
            jobs=jobs,
            threads=self.where.threads or max(1, cores // jobs),
            command=shlex.join(["bakeoff", *study.typed]) if study.typed else "",
            versions={name: version(name) for name in ("bakeoff", "numpy")},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            reference=() if reference.all() else (*reference.tolist(), *(True for _ in evaluation)),
            looks=looks,
            tolerance=tolerance,
            program=Program(
                study.command,
                {name: (study.factors[factor][0], study.factors[factor][at]) for name, (factor, at) in columns.items()},
                made.files,
            ),
        )
        self._compare(spec)
        return spec

    def arranged(self, spec: StudySpec, like: StudySpec | None = None) -> StudySpec:
        """See `Subject`: one at a time, unless it is said how many."""
        if self.where.jobs or self.where.threads:
            return replace(spec, arrangement="as asked for")
        if spec.name in self.where.store.study_names():
            begun = StudySpec.load(self.where.store, spec.name)
            return replace(spec, jobs=begun.jobs, threads=begun.threads, arrangement=begun.arrangement)
        if self.where.on != LOCAL:
            return replace(spec, jobs=1, threads=1, arrangement=f"by workers on {self.where.on}")
        return replace(spec, arrangement="one run at a time has the whole machine; --jobs makes several")

    def estimated(self, spec: StudySpec) -> None:
        """See `Subject`: nothing is known of a command before it has run."""
        return

    def time(self, spec: StudySpec) -> None:
        """See `Subject`: a run of the baseline and one of all factors, which count."""
        made = _Invocations(self.study, self.columns)
        for end in dict.fromkeys((spec.rows[0].configuration, max(row.configuration for row in spec.rows))):
            row = next(row for row in spec.rows if row.configuration == end)
            tell(Doing(f"timing a run: {made(row.configuration).typed}"))
            run_command(
                made(row.configuration),
                row.seeds[0],
                self.where.store,
                task=self.study.name,
                recipe=_recipe(self.study, self.columns, row.configuration),
                threads=spec.threads,
                device=self.where.device,
            )

    def seconds(self, spec: StudySpec) -> float:
        """See `Subject`: by its runs that were made."""
        records = (self.where.store.read(row.runs[0], ()) for row in spec.rows)
        took = [record.seconds for record in records if record and record.status == "done"]
        return statistics.mean(took) * len(spec.rows) / spec.jobs if took else math.nan

    def noise(self, design: Design) -> None:
        """See `Subject`."""
        return

    def for_less(self, share: float) -> str:
        """See `Subject`."""
        return ""

    def batch(self, spec: StudySpec, rows: Sequence[DesignPoint]) -> Batch:
        """See `Subject`."""
        return Batch(
            task="",
            data_fingerprint="",
            threads=spec.threads,
            extensions=(),
            trials=tuple(
                CommandTrial(
                    command=self.study.command,
                    texts=self.study.texts(_levels(self.columns, row.configuration)),
                    task=self.study.name,
                    recipe=_recipe(self.study, self.columns, row.configuration),
                    tries=tuple(Try(seed=seed, run=run) for seed, run in zip(row.seeds, row.runs, strict=True)),
                )
                for row in rows
            ),
        )

    def changed(self, spec: StudySpec) -> bool:
        """See `Subject`."""
        assert spec.program is not None
        return _Invocations(self.study, self.columns).of_all({row.configuration for row in spec.rows}) != dict(
            spec.program.files
        )

    def _compare(self, spec: StudySpec) -> None:
        """Say which files make this another study than the last one of the same command."""
        assert spec.program is not None
        last = max(
            (
                other
                for other in StudySpec.readable(self.where.store, {spec.name})
                if other.program
                and (other.program.command, other.task) == (spec.program.command, spec.task)
                and other.program.files != spec.program.files
            ),
            key=lambda other: other.created,
            default=None,
        )
        if last is None or spec.name in self.where.store.study_names():
            return
        assert last.program is not None
        before, now = last.program.files, spec.program.files
        changed = tuple(name for name in sorted({*before, *now}) if before.get(name) != now.get(name))
        tell(CommandChanged(last.name, changed))


class _Invocations:
    """The command at each configuration, expanded once."""

    def __init__(self, study: CommandStudy, columns: Mapping[str, tuple[str, int]]) -> None:
        self._study, self._columns = study, columns
        self._made: dict[tuple[bool, ...], Invocation] = {}

    def __call__(self, on_off: tuple[bool, ...]) -> Invocation:
        if on_off not in self._made:
            self._made[on_off] = self._study.invocation(_levels(self._columns, on_off))
        return self._made[on_off]

    @property
    def files(self) -> dict[str, str]:
        """What they depend on, all together."""
        return {name: digest for each in self._made.values() for name, digest in sorted(each.files.items())}

    def of_all(self, configurations: set[tuple[bool, ...]]) -> dict[str, str]:
        """The same of these configurations."""
        for each in configurations:
            self(each)
        return self.files


def _levels(columns: Mapping[str, tuple[str, int]], on_off: Sequence[bool]) -> dict[str, int]:
    """Factor -> its level."""
    return {name: level for (name, level), on in zip(columns.values(), on_off, strict=True) if on}


def _recipe(
    study: CommandStudy, columns: Mapping[str, tuple[str, int]], on_off: Sequence[bool]
) -> list[dict[str, str]]:
    """The texts of a run's factors, for its record."""
    texts = study.texts(_levels(columns, on_off))
    return [{name: _shown(text)} for name, text in texts.items() if _shown(text)]


def _shown(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else shlex.join(text)
