"""The live page of a study: read from the store alone, in one file without script, that loads itself again."""

import math
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from bakeoff.files import printable
from bakeoff.report import words
from bakeoff.report.chart import COLOURS, DARK
from bakeoff.runs.record import RunRecord
from bakeoff.stats.table import Effect
from bakeoff.study.watch import Standing

_MOST_FAILURES = 8


@dataclass(frozen=True)
class _Bar:
    """An effect, with the places of its ends on a scale from 0 to 100."""

    name: str
    text: str
    interval: str
    clear: bool
    low: float
    high: float
    thin_low: float
    thin_high: float
    at: float


def page(standing: Standing, *, price: float | None, every: float, now: datetime) -> str:
    """The page as HTML. price: of an hour of training in one process. every: seconds until it loads itself again."""
    spec = standing.spec
    total = max(1, len(spec.rows))
    bars, zero = _bars(standing.effects)
    environment = Environment(
        loader=PackageLoader("bakeoff.report.render"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=StrictUndefined,
    )  # fmt: skip
    return environment.get_template("watch.html.j2").render(
        title=printable(f"{words.dataset(spec.task)}: {spec.name}"),
        standing=standing,
        shares=[100 * count / total for count in (standing.done, standing.failed, standing.begun)],
        total=len(spec.rows),
        at_most="at most " if spec.looks else "",
        facts=_facts(standing, price),
        bars=bars,
        zero=zero,
        unknown=len(spec.names) - len(bars),
        level=words.percent(standing.effects[0].level) if standing.effects else "",
        latest=[_run(record) for record in standing.latest],
        failures=[
            (record.run_id, record.status, printable(record.reason)) for record in standing.failures[:_MOST_FAILURES]
        ],
        more=max(0, len(standing.failures) - _MOST_FAILURES),
        every=0 if standing.complete else max(1, round(every)),
        now=f"{now:%Y-%m-%d %H:%M:%S} UTC",
        light=COLOURS,
        dark=DARK,
    )


def _facts(standing: Standing, price: float | None) -> list[tuple[str, str]]:
    facts = [
        ("done", f"{standing.done:,}"),
        ("failed", f"{standing.failed:,}"),
        ("running", f"{standing.running:,}"),
        ("stopped", f"{standing.begun - standing.running:,}"),
        ("left", f"{standing.left:,}"),
        ("training so far", words.duration(standing.seconds)),
    ]
    if not standing.complete:
        left = standing.seconds_left
        facts.append(("to come, about", words.UNKNOWN if left is None else words.duration(left)))
    if price is not None:
        spent, rest = standing.seconds / 3600 * price, standing.seconds_left
        facts.append(("cost so far", f"{spent:,.2f}"))
        if rest is not None and not standing.complete:
            facts.append(("cost at the end", f"{spent + rest * standing.spec.jobs / 3600 * price:,.2f}"))
    return facts


def _run(record: RunRecord) -> tuple[str, str, str, str]:
    accuracy = record.metrics.get("report", {}).get("acc1")
    names = printable(", ".join(name for item in record.recipe for name in item))
    return record.run_id, names or "baseline", record.status, "" if accuracy is None else f"{accuracy:.2f} %"


def _bars(effects: tuple[Effect, ...]) -> tuple[list[_Bar], float]:
    """Effects on a common scale, and the place of 0 on it. What reaches beyond it is cut at its ends."""
    known = [effect for effect in effects if math.isfinite(effect.gain_pp + effect.sim_low + effect.sim_high)]
    if not known:
        return [], 50.0
    widest = sorted(max(abs(effect.sim_low), abs(effect.sim_high)) for effect in known)
    reach = max(2 * max(abs(effect.gain_pp) for effect in known), widest[len(widest) // 2], 1e-9)

    def place(value: float) -> float:
        return min(100.0, max(0.0, 50 + 50 * value / reach))

    digits = words.digits(known)
    return [
        _Bar(
            name=words.title(effect.technique),
            text=words.signed(effect.gain_pp, digits),
            interval=words.span(effect.sim_low, effect.sim_high, digits),
            clear=effect.sim_low > 0 or effect.sim_high < 0,
            low=place(effect.low),
            high=place(effect.high),
            thin_low=place(effect.sim_low),
            thin_high=place(effect.sim_high),
            at=place(effect.gain_pp),
        )
        for effect in known
    ], place(0.0)
