"""Which column is what: the metric, the seed, the run, when it was, and what was set."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bakeoff.errors import RequestError, some, unknown
from bakeoff.observed.table import RunTable, Value

_MOST_LEVELS = 6  # of a column that is taken as a factor without being named as one
_SEEDS = {"seed", "random_seed", "rng_seed", "randomseed", "manual_seed", "global_seed"}
_RUNS = {"run", "run_id", "runid", "run id"}
_TIMES = {
    "time",
    "started",
    "created",
    "start_time",
    "starttime",
    "created_at",
    "timestamp",
    "date",
    "datetime",
    "start",
}
_STATES = {"state", "status"}
_ENDED = {"done", "finished", "complete", "completed", "success", "succeeded", "ok", "ended"}
_ON = r"(report|test|val|valid|validation|eval|dev)[_/. ]?"
_METRICS = [  # likelier ones first
    re.compile(pattern)
    for pattern in (
        r"acc@?1|acc|accuracy|top-?1|acc1",
        rf"{_ON}(acc@?1|acc|accuracy|top-?1)",
        r"f1|auc|auroc|map|bleu|score|value|objective|metric|reward",
        rf"{_ON}(f1|auc|auroc|map|bleu|score|loss|error|err|rmse|mae|perplexity|bpb)",
        r"loss|error|err|rmse|mae|mse|perplexity|ppl|bpb",
    )
]
_LOWER = re.compile(r"(^|[_/. ])(loss|error|err|rmse|mae|mse|perplexity|ppl|bpb|wer|cer|latency|seconds|time)$")
_ACCURACY = re.compile(r"(^|[_/. @])(acc|accuracy|top)[@_-]?\d*($|[_/. ])")
_OFF = {"off", "no", "none", "false", "0", "disabled", "baseline", "without"}


@dataclass(frozen=True)
class Factor:
    """A column that was set. levels: its values, the reference first; none of a number that is taken as a scale.

    low, high: of a scale, its 10th and 90th percentile, between which its effect is stated; log: on a logarithm.
    """

    name: str
    levels: tuple[Value, ...]
    low: float = math.nan
    high: float = math.nan
    log: bool = False

    @property
    def switch(self) -> bool:
        """Whether it is on or off, or has two levels of another kind."""
        return len(self.levels) == 2


@dataclass(frozen=True)
class Roles:
    """What the columns of a table are.

    lower: a smaller metric is better. percent: what the metric is to be multiplied with to be an accuracy in percent;
    0 where it is none. run: rows with the same value are one training, evaluated in several ways. ignored: column ->
    why it isn't a factor.
    """

    metric: str
    lower: bool
    percent: float
    factors: tuple[Factor, ...]
    seed: str | None
    run: str | None
    time: str | None
    state: str | None
    ignored: dict[str, str]


def roles(
    table: RunTable,
    *,
    metric: str | None = None,
    lower: bool | None = None,
    factors: Sequence[str] = (),
    seed: str | None = None,
    run: str | None = None,
) -> Roles:
    """Read the roles of columns from what was said, else from their names and values.

    Raises RequestError for a column that isn't there, and where it can't be known which column is the metric, or
    nothing was set.
    """
    for name in (metric, seed, run, *factors):
        if name is not None and name not in table.columns:
            raise unknown(f"column of {table.source}", name, table.columns)
    metric = metric or _metric(table)
    values = table.columns[metric]
    if text := next((value for value in values if isinstance(value, (str, bool))), None):
        raise RequestError(f"the metric '{metric}' of {table.source} holds {text!r}, which is no number")
    seed = seed or _usual(table, _SEEDS)
    run = run or _repeated(table, _usual(table, _RUNS))
    time, state = _time(table), _usual(table, _STATES)
    taken = {metric: "the metric"}
    for name, what in ((seed, "the seed"), (run, "the run"), (time, "when it was"), (state, "how it ended")):
        if name is not None and name not in factors:
            taken[name] = what
    found, ignored = [], {}
    for name in factors or table.factors or table.columns:
        if name in taken:
            if factors:
                raise RequestError(f"'{name}' is {taken[name]} of {table.source}; it can't be a factor too")
            continue
        reason = _not_set(table, name, named=bool(factors or table.factors))
        if reason:
            ignored[name] = reason
        else:
            found.append(_factor(name, table.columns[name]))
    if not found:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(ignored.items())[:8])
        raise RequestError(f"no column of {table.source} was set differently between runs{f' ({why})' if why else ''}")
    if lower is None:
        lower = smaller_is_better(metric)
    known = [value for value in values if isinstance(value, float)]
    return Roles(
        metric, lower, 0.0 if lower else _percent(metric, known), tuple(found), seed, run, time, state, ignored
    )


def ended(table: RunTable, found: Roles) -> list[bool]:
    """Which rows have a result: a finite metric, and a state that says that the run came to its end."""
    states = table.columns[found.state] if found.state else [None] * table.rows
    return [
        isinstance(value, float)
        and math.isfinite(value)
        and (not isinstance(state, str) or state.rsplit(".", 1)[-1].lower() in _ENDED)
        for value, state in zip(table.columns[found.metric], states, strict=True)
    ]


def _metric(table: RunTable) -> str:
    numbers = [
        name
        for name in table.metrics or table.columns
        if all(isinstance(value, float) or value is None for value in table.columns[name])
    ]
    for pattern in _METRICS:
        fits = [name for name in numbers if pattern.fullmatch(name.lower()) or pattern.fullmatch(_tail(name))]
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise RequestError(f"{table.source} has {' and '.join(fits)}: say which is the metric, --metric {fits[0]}")
    if len(table.metrics) == 1:
        return table.metrics[0]
    raise RequestError(
        f"which column of {table.source} is the metric? Say it with --metric; numbers are in: {some(numbers) or 'none'}"
    )


def smaller_is_better(metric: str) -> bool:
    """Whether a metric is one of those, by its name."""
    return bool(_LOWER.search(metric.lower()))


def _tail(name: str) -> str:
    return name.lower().rsplit(".", 1)[-1].rsplit("/", 1)[-1]


def _usual(table: RunTable, names: Iterable[str]) -> str | None:
    return next((column for column in table.columns if _tail(column) in names), None)


def _repeated(table: RunTable, column: str | None) -> str | None:
    """A column of runs, where rows share one; where each row is a run of its own it says nothing."""
    if column is None or len({*table.columns[column]}) == table.rows:
        return None
    return column


def _time(table: RunTable) -> str | None:
    """A column of moments; `time` may be a duration, which a number below a day is."""
    for name, values in table.columns.items():
        if _tail(name) in _TIMES and all(moment(value) is not None for value in values if value is not None):
            return name
    return None


def moment(value: Value) -> float | None:
    """When something was, in seconds since 1970; None for what is no moment."""
    if isinstance(value, float):
        seconds = value / 1000 if value > 1e11 else value
        return seconds if seconds > 1e8 else None
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _not_set(table: RunTable, name: str, *, named: bool) -> str:
    """Why a column is no factor; nothing if it may be one."""
    values = table.columns[name]
    levels = {*values}
    if len(levels) == 1:
        return f"the same in all runs, {shown(values[0])}"
    numbers = all(isinstance(value, float) for value in levels - {None})
    if numbers and named and None not in levels:
        return ""
    if len(levels) > _MOST_LEVELS:
        what = "a measurement?" if numbers else "a name?"
        return f"{len(levels)} different values: {what}" + ("" if named else " --factors says that it was set")
    if not named and numbers and any(pattern.fullmatch(_tail(name)) for pattern in _METRICS):
        return "a measurement, by its name"
    return ""


def _factor(name: str, values: Sequence[Value]) -> Factor:
    levels = sorted({*values}, key=lambda value: (str(type(value)), value if isinstance(value, float) else str(value)))
    if len(levels) <= _MOST_LEVELS:
        counts = {level: values.count(level) for level in levels}
        off = [level for level in levels if is_off(level)]
        numeric = all(isinstance(level, float) for level in levels)
        first = off[0] if off else levels[0] if numeric or len(levels) == 2 else max(levels, key=counts.__getitem__)
        return Factor(name, (first, *(level for level in levels if level != first)))
    numbers = sorted(value for value in values if isinstance(value, float))
    low, high = (numbers[round(share * (len(numbers) - 1))] for share in (0.1, 0.9))
    return Factor(name, (), low, high, log=low > 0 and high / low >= 10)


def is_off(level: Value) -> bool:
    """Whether a level is that of something that isn't used."""
    return level is None or level is False or shown(level).lower() in _OFF


def shown(value: Value) -> str:
    """A level in words."""
    return "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _percent(metric: str, values: Sequence[float]) -> float:
    """What makes an accuracy of the metric, by its name and its range."""
    if not values or not _ACCURACY.search(metric.lower()) or not 0 <= min(values) <= max(values) <= 100:
        return 0.0
    return 100.0 if max(values) <= 1 else 1.0
