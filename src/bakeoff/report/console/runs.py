"""Runs, evaluations and plans as tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console

from bakeoff.commands.command import typed
from bakeoff.encoding import Value
from bakeoff.plan import SLOTS, Plan, leaves
from bakeoff.report import words
from bakeoff.report.console.text import Column, plain, say, say_path, show_table
from bakeoff.runs.record import EvalSetting, RunRecord, View


def show_record(console: Console, record: RunRecord, folder: str) -> None:
    """One run: how it ended, how good it is, and where everything is."""
    if record.command:
        _show_command(console, record, folder)
        return
    names = [name for item in record.recipe for name in item]
    title = plain(record.task, style="bold")
    say(console, title, f", {', '.join(names) or 'no techniques'}, seed {record.seed}")
    if record.status != "done":
        say(console, plain(record.status, style="bold"), f": {record.reason}")
    else:
        show_views(console, record.views, Plan.model_validate(record.plan))
        wait = record.data_wait_seconds / record.seconds
        place = f"{record.device} in bf16" if record.dtype == "bf16" else record.device
        say(
            console,
            f"trained on {record.examples_seen:,} images in {words.duration(record.seconds)} "
            f"({record.images_per_second:,.0f}/s, {100 * wait:.0f} % of it waiting for data) "
            f"on {place}, {words.counted(record.threads, 'thread')}",
        )
    say_path(console, f"run {record.run_id}", folder)


def _show_command(console: Console, record: RunRecord, folder: str) -> None:
    """One run of a command."""
    say(console, plain(record.task, style="bold"), f", seed {record.seed}, {record.status}")
    say(console, typed(record.command["words"]))
    for view in record.views:
        said = ", ".join(f"{name} {value:.6g}" for name, value in view.acc.items())
        of = f" of {words.counted(view.n, 'example')}" if view.n else ""
        say(console, f"{said}{of}{f' ({view.reading})' if view.reading else ''}")
    if record.status != "done":
        say(console, record.reason)
    say(console, f"in {words.duration(record.seconds)}, {words.counted(record.threads, 'thread')}")
    say_path(console, f"run {record.run_id}, log.txt", folder)


def show_views(console: Console, views: Sequence[View], plan: Plan) -> None:
    """Evaluations as a table; the plan's own are bold. Weights are the last step's or their moving average."""
    accs = sorted({name for view in views for name in view.acc}, key=lambda name: int(name[3:]))
    uneven = any(abs(view.balanced_accuracy - view.acc["acc1"]) >= 0.5 for view in views if "acc1" in view.acc)
    columns = [
        *(Column(name, whole=True) for name in ("split", "weights", "size")),
        *(Column(f"Acc@{name[3:]} %", right=True) for name in accs),
        *([Column("balanced %", right=True, rank=0)] if uneven else []),
        Column("cross entropy", right=True, rank=1),
        Column("ECE %", right=True, rank=2),
        Column("images", right=True, rank=3),
    ]
    rows = []
    own_setting = EvalSetting.of(plan)

    def order(view: View) -> tuple[str, bool, int, int, int]:
        return (view.split, view.ema != own_setting.ema, view.resize_px, view.crop_px, view.setting.times)

    for view in sorted(views, key=order):
        own = view.setting == own_setting
        cells = (
            view.split,
            "EMA" if view.ema else "last",
            words.size(view.setting),
            *(f"{view.acc[name]:.2f}" if name in view.acc else "" for name in accs),
            *([f"{view.balanced_accuracy:.2f}"] if uneven else []),
            f"{view.cross_entropy:.4f}",
            f"{100 * view.ece:.2f}",
            f"{view.n:,}",
        )
        rows.append([plain(cell, style="bold" if own else "") for cell in cells])
    show_table(console, columns, rows)


def show_classes(console: Console, view: View, classes: Sequence[str]) -> None:
    """Acc@1 of each class, the worst first."""
    pairs = [(name, acc) for name, acc in zip(classes, view.per_class, strict=True) if acc is not None]
    rows = [(name, f"{acc:.2f}") for name, acc in sorted(pairs, key=lambda pair: pair[1])]
    show_table(console, [Column("class"), Column("Acc@1 %", right=True)], rows)


def show_runs(console: Console, records: Iterable[RunRecord]) -> None:
    """A line for each run."""
    columns = [
        *(Column("run"), Column("status"), Column("task", whole=True), Column("model", whole=True, rank=2)),
        Column("techniques", whole=True, rank=1),
        *(Column("seed", right=True, rank=3), Column("Acc@1 %", right=True), Column("time", right=True, rank=4)),
    ]
    rows = []
    for record in records:
        report = record.metrics.get("report", {})
        rows.append(
            [
                record.run_id,
                record.status,
                words.dataset(record.task),
                "a command" if record.command else record.plan["model"]["name"],
                _techniques(record.recipe),
                str(record.seed),
                _metric(record, report) if report else "-",
                words.duration(record.seconds) if record.seconds else "-",
            ]
        )
    show_table(console, columns, rows)


def show_plan(console: Console, plan: Plan, set_by: Mapping[str, Sequence[str]], skipped: Mapping[str, str]) -> None:
    """Every slot of a plan, with the techniques that set it."""
    rows = []
    for slot in SLOTS:
        names = [name for path in set_by if path.partition(".")[0] == slot for name in set_by[path]]
        style = "" if names else "dim"
        value, owner = _slot(getattr(plan, slot)), ", ".join(names) or "task"
        rows.append([plain(slot, style=style), plain(*value, style=style), plain(owner, style=style)])
    show_table(console, [Column("slot"), Column("value"), Column("set by")], rows)
    say(console, f"{plan.steps:,} steps, peak learning rate {plan.peak_lr:.4g}, plan {plan.digest}")
    if plan.sources:
        say(console, f"from outside: {', '.join(f'{name} {digest}' for name, digest in plan.sources.items())}")
    for name, reason in skipped.items():
        say(console, f"left out: {name}, {reason}")


def _metric(record: RunRecord, report: Mapping[str, Any]) -> str:
    """Acc@1, or what a command said, by its name."""
    if not record.command:
        return f"{report['acc1']:.2f}"
    return ", ".join(f"{name} {value:.5g}" for name, value in report.items() if name != "n")


def _techniques(recipe: Sequence[Mapping[str, Any]]) -> str:
    names = [name for item in recipe for name in item]
    return ", ".join(names) if len(names) <= 2 else f"{names[0]}, +{len(names) - 1}"


def _slot(value: Any) -> list[str]:
    """The lines of a slot's value."""
    if isinstance(value, tuple):
        return [line for item in value for line in _slot(item)] or ["none"]
    if isinstance(value, Value):
        data = value.model_dump(mode="json")
        kind = data.pop("kind", "")
        shown = ", ".join(f"{path} {_plain(leaf)}" for path, leaf in leaves(data) if leaf not in (None, {}))
        return [f"{kind}: {shown}" if kind and shown else kind or shown]
    return ["none" if value is None else _plain(value)]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
