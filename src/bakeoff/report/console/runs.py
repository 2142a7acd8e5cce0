"""Runs, evaluations and plans as tables."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bakeoff.encoding import Value
from bakeoff.plan import SLOTS, Plan, leaves
from bakeoff.report import words
from bakeoff.runs.record import RunRecord, View


def show_record(console: Console, record: RunRecord, folder: Path) -> None:
    """One run: how it ended, how good it is, and where everything is."""
    names = [name for item in record.recipe for name in item]
    console.print(f"[bold]{escape(record.task)}[/], {', '.join(names) or 'no techniques'}, seed {record.seed}")
    if record.status != "done":
        console.print(f"[bold]{record.status}[/]: {escape(record.reason)}", soft_wrap=True)
    else:
        show_views(console, record.views, Plan.model_validate(record.plan))
        wait = record.data_wait_seconds / record.seconds
        console.print(
            f"trained on {record.examples_seen:,} images in {words.duration(record.seconds)} "
            f"({record.images_per_second:,.0f}/s, {100 * wait:.0f} % of it waiting for data) "
            f"on {record.device}, {words.counted(record.threads, 'thread')}",
            soft_wrap=True,
        )
    console.print(f"run {record.run_id}: {escape(str(folder))}", soft_wrap=True)


def show_views(console: Console, views: Sequence[View], plan: Plan) -> None:
    """Evaluations as a table; the plan's own are bold. Weights are the last step's or their moving average."""
    table = Table(box=None, pad_edge=False)
    accs = sorted({name for view in views for name in view.acc}, key=lambda name: int(name[3:]))
    for name in ("split", "weights", "size"):
        table.add_column(name, no_wrap=True)
    for name in (*(f"Acc@{name[3:]} %" for name in accs), "cross entropy", "ECE", "images"):
        table.add_column(name, justify="right", min_width=max(map(len, name.split())))
    for view in sorted(views, key=lambda v: (v.split, v.ema != (plan.average is not None), v.resize_px, v.crop_px)):
        own = view.ema == (plan.average is not None) and (view.resize_px, view.crop_px) == (
            plan.eval_view.resize_px,
            plan.eval_view.crop_px,
        )
        table.add_row(
            view.split,
            "EMA" if view.ema else "last",
            words.size(view.resize_px, view.crop_px),
            *(f"{view.acc[name]:.2f}" if name in view.acc else "" for name in accs),
            f"{view.cross_entropy:.4f}",
            f"{view.ece:.4f}",
            f"{view.n:,}",
            style="bold" if own else None,
        )
    console.print(table)


def show_classes(console: Console, view: View, classes: Sequence[str]) -> None:
    """Acc@1 of each class, the worst first."""
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    table.add_column("Acc@1 %", justify="right")
    pairs = [(name, acc) for name, acc in zip(classes, view.per_class, strict=True) if acc is not None]
    for name, acc in sorted(pairs, key=lambda pair: pair[1]):
        table.add_row(escape(name), f"{acc:.2f}")
    console.print(table)


def show_runs(console: Console, records: Iterable[RunRecord]) -> None:
    """A line for each run."""
    table = Table(box=None, pad_edge=False)
    for name in ("run", "status", "task", "model", "techniques"):
        table.add_column(name)
    for name in ("seed", "Acc@1 %", "time"):
        table.add_column(name, justify="right")
    for record in records:
        report = record.metrics.get("report", {})
        table.add_row(
            record.run_id,
            record.status,
            escape(record.task),
            record.plan["model"]["name"],
            _techniques(record.recipe),
            str(record.seed),
            f"{report['acc1']:.2f}" if report else "-",
            words.duration(record.seconds) if record.seconds else "-",
        )
    console.print(table)


def show_plan(console: Console, plan: Plan, set_by: Mapping[str, Sequence[str]], skipped: Mapping[str, str]) -> None:
    """Every slot of a plan, with the techniques that set it."""
    table = Table(box=None, pad_edge=False)
    for name in ("slot", "value", "set by"):
        table.add_column(name)
    for slot in SLOTS:
        names = [name for path in set_by if path.partition(".")[0] == slot for name in set_by[path]]
        table.add_row(slot, _slot(getattr(plan, slot)), ", ".join(names) or "task", style=None if names else "dim")
    console.print(table)
    console.print(f"{plan.steps:,} steps, peak learning rate {plan.peak_lr:.4g}, plan {plan.digest}")
    if plan.sources:
        told = ", ".join(f"{name} {digest}" for name, digest in plan.sources.items())
        console.print(f"from outside: {told}", soft_wrap=True, markup=False)
    for name, reason in skipped.items():
        console.print(f"left out: {name}, {reason}", soft_wrap=True)


def _techniques(recipe: Sequence[Mapping[str, Any]]) -> str:
    names = [name for item in recipe for name in item]
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"


def _slot(value: Any) -> str:
    if isinstance(value, tuple):
        return "\n".join(_slot(item) for item in value) or "none"
    if isinstance(value, Value):
        data = value.model_dump(mode="json")
        kind = data.pop("kind", "")
        shown = ", ".join(f"{path} {_plain(leaf)}" for path, leaf in leaves(data) if leaf not in (None, {}))
        return f"{kind}: {shown}" if kind and shown else kind or shown
    return "none" if value is None else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
