"""A table of runs, sorted out by what was set in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from bakeoff.errors import RequestError
from bakeoff.observed.roles import Factor, Roles, ended, is_off, shown
from bakeoff.observed.table import RunTable, Value
from bakeoff.stats.confounding import augmented, confounding
from bakeoff.stats.log_error import LogError
from bakeoff.stats.noise import ENOUGH_DF
from bakeoff.stats.outcomes import Bools, Floats, Ints, Runs
from bakeoff.stats.table import worth_having

INFLATED = 2.0  # times the variance that an effect needn't have
_WORTH = 0.02  # of a metric that is no accuracy: what is worth having where nothing is said
_MOST_NEXT, _MOST_CANDIDATES = 64, 4096


@dataclass(frozen=True, eq=False)
class Pile:
    """Runs sorted out: one per row of `values`, with the metric so that more is better.

    factors: what differs between runs. within: what differs within each run, read from one training at both levels.
    values: of each run, of `factors`. results: (N, 2, ..., 2), NaN where a run has none. block: (N,). at: (N,) the row
    of the table that each began at.
    """

    roles: Roles
    factors: tuple[Factor, ...]
    within: tuple[Factor, ...]
    values: list[tuple[Value, ...]]
    results: Floats
    block: Ints
    at: list[int]

    @classmethod
    def collect(cls, table: RunTable, found: Roles) -> "Pile":
        """Raises RequestError where nothing differs from run to run, or what differs within one has many levels."""
        has = ended(table, found)
        better = (-1.0 if found.lower else 1.0) * (found.percent or 1.0)
        metric = table.columns[found.metric]
        score = [
            better * value if ok and isinstance(value, float) else math.nan
            for value, ok in zip(metric, has, strict=True)
        ]
        names = table.columns[found.run] if found.run else list(range(table.rows))
        groups: dict[Value, list[int]] = {}
        for row, name in enumerate(names):
            groups.setdefault(name if name is not None else f"row {row}", []).append(row)
        columns = {factor.name: table.columns[factor.name] for factor in found.factors}
        within = tuple(
            factor
            for factor in found.factors
            if any(len({columns[factor.name][row] for row in rows}) > 1 for rows in groups.values())
        )
        if odd := next((factor for factor in within if not factor.switch), None):
            raise RequestError(
                f"'{odd.name}' of {table.source} differs between rows of the same {found.run}, and has "
                f"{len(odd.levels) or 'many'} levels; two can be read from one run"
            )
        factors = tuple(factor for factor in found.factors if factor not in within)
        results = np.full((len(groups), *(2,) * len(within)), math.nan)
        for index, rows in enumerate(groups.values()):
            for row in rows:
                place = tuple(int(columns[factor.name][row] == factor.levels[1]) for factor in within)
                results[(index, *place)] = score[row]
        at = [rows[0] for rows in groups.values()]
        seeds = table.columns[found.seed] if found.seed else list(range(table.rows))
        known: dict[Value, int] = {}
        block = np.array([known.setdefault(seeds[row], len(known)) for row in at], np.int64)
        values = [tuple(columns[factor.name][row] for factor in factors) for row in at]
        if not factors:
            raise RequestError(f"nothing in {table.source} differs from run to run")
        return cls(found, factors, within, values, results, block, at)

    @property
    def switches(self) -> bool:
        """Whether every factor is on or off."""
        return all(factor.switch for factor in self.factors)

    @cached_property
    def done(self) -> Ints:
        """Rows with all results."""
        return np.flatnonzero(np.isfinite(self.results.reshape(len(self.results), -1)).all(axis=1))

    @cached_property
    def levels(self) -> Bools:
        """(N, k) which switches are on; of other factors whether they aren't at their reference."""
        return np.array(
            [
                [
                    value != factor.levels[0] if factor.levels else True
                    for factor, value in zip(self.factors, row, strict=True)
                ]
                for row in self.values
            ],
            bool,
        ).reshape(len(self.values), len(self.factors))

    @cached_property
    def runs(self) -> Runs:
        """Those with a result, of factors as if each had two levels."""
        return Runs.collect(self.levels, self.results, self.block)

    @cached_property
    def tolerance(self) -> float:
        """What is worth having: of an accuracy 2 % of the better runs' errors, and the least step that it takes.

        Of another metric 2 % of its size.
        """
        if self.roles.percent:
            values = np.unique(self.results[np.isfinite(self.results)].round(9))
            image = float(np.diff(values).min()) if len(values) > 1 else 0.0
            images = round(100 / image) if image > 0 else None
            return worth_having(LogError.near_the_best(self.mean).reference, images)
        size = abs(float(np.median(self.mean)))
        return float(f"{_WORTH * size:.2g}") if size else 0.0

    @cached_property
    def mean(self) -> Floats:
        """(D,) results of the runs that have them, over what differs within each."""
        whole: Floats = self.results[self.done].reshape(len(self.done), -1).mean(axis=1)
        return whole

    def model(self, values: Sequence[tuple[Value, ...]]) -> Floats:
        """(N, q) columns of a linear model: a switch is -1/2 or 1/2, a scale from its low to its high end, too.

        Other levels are 1 or 0 each, the reference has 0 in all.
        """
        parts = []
        for index, factor in enumerate(self.factors):
            column = [row[index] for row in values]
            if not factor.levels:
                x = np.array([float(value) if isinstance(value, float) else math.nan for value in column])
                ends = np.array([factor.low, factor.high])
                x, ends = (np.log(x), np.log(ends)) if factor.log else (x, ends)
                parts.append(((x - ends[0]) / (ends[1] - ends[0]))[:, None] - 0.5)
            elif factor.switch:
                parts.append(np.array([[0.5 if value == factor.levels[1] else -0.5] for value in column]))
            else:
                parts.append(np.array([[float(value == level) for level in factor.levels[1:]] for value in column]))
        return np.concatenate(parts, axis=1).astype(np.float64)

    @cached_property
    def columns(self) -> list[tuple[Factor, str]]:
        """Of `model`: factor and label."""
        found = []
        for factor in self.factors:
            if not factor.levels:
                found.append((factor, f"{factor.name} {factor.high:g} over {factor.low:g}"))
            elif factor.switch:
                found.append((factor, label(factor)))
            else:
                first = shown(factor.levels[0])
                found += [(factor, f"{factor.name} {shown(level)} over {first}") for level in factor.levels[1:]]
        return found

    @cached_property
    def x(self) -> Floats:
        """(D, q) the model of the runs that have a result."""
        return self.model([self.values[row] for row in self.done])

    @cached_property
    def constant(self) -> Bools:
        """(q,) columns that are the same in all runs that have a result."""
        return np.asarray(np.ptp(self.x, axis=0) < 1e-12)

    @cached_property
    def same(self) -> list[list[int]]:
        """Groups of columns that are equal, or each other's opposite, in every run with a result."""
        groups: list[list[int]] = []
        for column in np.flatnonzero(~self.constant).tolist():
            centred = self.x[:, column] - self.x[:, column].mean()
            for group in groups:
                other = self.x[:, group[0]] - self.x[:, group[0]].mean()
                if abs(abs(centred @ other) - np.linalg.norm(centred) * np.linalg.norm(other)) < 1e-9 * (other @ other):
                    group.append(column)
                    break
            else:
                groups.append([column])
        return groups

    @cached_property
    def residual(self) -> float:
        """Sd of what least squares leave."""
        x = np.column_stack([np.ones(len(self.x)), self.x])
        df = len(x) - int(np.linalg.matrix_rank(x))
        beta = np.linalg.lstsq(x, self.mean, rcond=None)[0]
        return math.sqrt(float(np.square(self.mean - x @ beta).sum()) / df) if df else math.nan

    def count(self, factor: Factor) -> dict[str, int]:
        """Runs with a result at each level of a factor; of a scale, all of them."""
        if factor in self.within:
            return {shown(level): len(self.done) for level in factor.levels}
        column = [self.values[row][self.factors.index(factor)] for row in self.done]
        if not factor.levels:
            return {f"{factor.low:g} to {factor.high:g}": len(column)}
        return {shown(level): column.count(level) for level in factor.levels}

    def next(self, more: int | None) -> list[dict[str, Value]]:
        """Runs to make, so that everything can be told apart."""
        have = self.x
        if more is None and not self._wanting(have):
            return []
        choices = [factor.levels or (factor.low, factor.high) for factor in self.factors]
        if math.prod(map(len, choices)) <= _MOST_CANDIDATES:
            candidates = list(product(*choices))
        else:
            draw = np.random.default_rng(0)
            picks = [draw.integers(len(choice), size=_MOST_CANDIDATES) for choice in choices]
            candidates = [tuple(c[i] for c, i in zip(choices, row, strict=True)) for row in np.stack(picks, axis=1)]
        of_candidates = self.model(candidates)
        one = np.ones((len(candidates), 1))
        known = np.column_stack([np.ones(len(have)), have])
        order = augmented(known, np.concatenate([one, of_candidates], axis=1), more or _MOST_NEXT)
        count = more or next(
            (n for n in range(1, len(order)) if not self._wanting(np.concatenate([have, of_candidates[order[:n]]]))),
            len(order),
        )
        names = [factor.name for factor in self.factors]
        return [dict(zip(names, candidates[index], strict=True)) for index in order[:count]]

    def _wanting(self, x: Floats) -> bool:
        """Whether there are columns that such runs can't tell, or not well, or too few runs to know their noise."""
        if (np.ptp(x, axis=0) < 1e-12).any():
            return True
        return bool((confounding(x).inflation > INFLATED).any()) or len(x) - x.shape[1] - 1 < ENOUGH_DF


def label(factor: Factor) -> str:
    """A switch in words: its name where it is off or on, else its levels too."""
    first, second = factor.levels
    return factor.name if is_off(first) else f"{factor.name} {shown(second)} over {shown(first)}"


def together(pile: Pile, group: Sequence[int]) -> list[str]:
    """Labels of columns that are one; of one that is the opposite of the first, without it."""
    first = pile.x[:, group[0]] - pile.x[:, group[0]].mean()
    return [
        pile.columns[column][1] if first @ pile.x[:, column] > 0 else f"without {pile.columns[column][1]}"
        for column in group
    ]
