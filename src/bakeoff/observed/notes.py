"""What a reader must know of runs before believing what they seem to say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from bakeoff.observed.pile import INFLATED, Pile, together
from bakeoff.observed.roles import moment, shown
from bakeoff.observed.table import RunTable
from bakeoff.stats.confounding import confounding, mistaken

Topic = Literal["lost", "together", "untold", "inflated", "interaction", "order", "adaptive", "noise", "seeds"]

_IN_ORDER = 0.6  # correlation of a factor with when runs were made
_READ_AS = 0.25  # share of an interaction that is read as another effect


@dataclass(frozen=True)
class Note:
    """What a reader must know of the runs, in a sentence. factors: which it is about."""

    topic: Topic
    text: str
    factors: tuple[str, ...] = ()


def notes_of(runs: RunTable, pile: Pile, *, alone: bool, noisy: bool) -> list[Note]:
    """alone: effects were estimated as if no factor changed what another does. noisy: the noise is known."""
    notes = []
    labels = [name for _, name in pile.columns]
    lost = len(pile.values) - len(pile.done)
    if lost:
        text = f"{lost} of {len(pile.values)} runs {'has' if lost == 1 else 'have'} no result"
        where = [
            f"{n} of {len(values)} with {factor.name} {shown(level)}"
            for factor in pile.factors
            for level in factor.levels
            if (values := [i for i, row in enumerate(pile.values) if row[pile.factors.index(factor)] == level])
            and (n := len({*values} - {*pile.done.tolist()})) > 0.5 * len(values)
        ]
        notes.append(Note("lost", f"{text}{': ' + ', '.join(where) if where else ''}. What is said is of the others."))
    for column in np.flatnonzero(pile.constant).tolist():
        text = f"{labels[column]} can't be told: the runs that have a result are all of one level."
        notes.append(Note("untold", text, (pile.columns[column][0].name,)))
    for group in pile.same:
        if len(group) > 1:
            names = together(pile, group)
            text = f"{_and(names)} were always set together: what they do together is told, and nothing of each."
            notes.append(Note("together", text, tuple(pile.columns[column][0].name for column in group)))
    kept = [group[0] for group in pile.same]
    between = confounding(pile.x[:, kept])
    seen: set[int] = set()
    for index in np.flatnonzero(~between.told).tolist():
        group = np.flatnonzero(between.together[index]).tolist()
        if index not in seen:
            seen |= {*group}
            names = [labels[kept[each]] for each in group]
            notes.append(
                Note(
                    "untold",
                    f"{_and(names)} can't be told apart: which of them are on says which of the others are.",
                    tuple(dict.fromkeys(pile.columns[kept[each]][0].name for each in group)),
                )
            )
    notes += _inflated(pile, kept, labels)
    if alone and pile.switches:
        notes += _interactions(pile, kept, labels)
    notes += _in_order(runs, pile)
    if runs.adaptive:
        text = "Each run was chosen by the results of those before it, so what did well was tried more often: gains are"
        notes.append(Note("adaptive", f"{text} too large, and intervals too narrow; fresh runs of a design settle it."))
    if not noisy:
        text = "There are as many things to tell as runs, so nothing says how much runs scatter: no intervals."
        notes.append(Note("noise", text))
    seeds = len({*pile.block[pile.done].tolist()})
    if pile.roles.seed and seeds == 1 and len(pile.done) > 2:
        text = "All runs have the same seed: what is particular to it is in every effect, and no run shows it."
        notes.append(Note("seeds", text))
    return notes


def _inflated(pile: Pile, kept: Sequence[int], labels: Sequence[str]) -> list[Note]:
    """Factors that were set much as another one was."""
    between = confounding(pile.x[:, kept])
    notes = []
    for index, times in enumerate(between.inflation.tolist()):
        others = np.abs(between.correlation[index])
        others[[each for each, c in enumerate(kept) if pile.columns[c][0] == pile.columns[kept[index]][0]]] = 0
        if INFLATED < times < math.inf and others.max() > 0.5:
            other = int(others.argmax())
            how = "much as" if between.correlation[index, other] > 0 else "much where not"
            text = (
                f"{labels[kept[index]]} was set {how} {labels[kept[other]]} was: its interval is "
                f"{math.sqrt(times):.1f} times as wide as if they had been set apart."
            )
            notes.append(Note("inflated", text, (pile.columns[kept[index]][0].name, pile.columns[kept[other]][0].name)))
    return notes


def _interactions(pile: Pile, kept: Sequence[int], labels: Sequence[str]) -> list[Note]:
    """For each effect the interaction of two others that is read as a part of it most."""
    pairs = list(combinations(range(len(kept)), 2))
    if not pairs:
        return []
    x = 2 * pile.x[:, kept]
    read_as = np.abs(mistaken(x, np.stack([x[:, a] * x[:, b] for a, b in pairs], axis=1))) / 2
    told = confounding(x).told
    notes = []
    for index in np.flatnonzero(told).tolist():
        read_as[index, [p for p, pair in enumerate(pairs) if index in pair]] = 0
        most = int(read_as[index].argmax())
        if read_as[index, most] >= _READ_AS:
            first, second = (labels[kept[each]] for each in pairs[most])
            share = f"{100 * read_as[index, most]:.0f} %"
            text = (
                f"{share} of what {first} and {second} do together beyond each alone is read as {labels[kept[index]]}."
            )
            notes.append(Note("interaction", text, tuple(pile.columns[kept[c]][0].name for c in (index, *pairs[most]))))
    return notes


def _in_order(runs: RunTable, pile: Pile) -> list[Note]:
    """Factors that were set late or early, so that what changed meanwhile is in their effects."""
    if pile.roles.time is None:
        return []
    when = [moment(runs.columns[pile.roles.time][pile.at[row]]) for row in pile.done]
    if len(when) < 8 or any(each is None for each in when):
        return []
    rank = np.argsort(np.argsort([each or 0.0 for each in when])).astype(float)
    if np.ptp([each or 0.0 for each in when]) == 0:
        return []
    notes = []
    for index, (factor, name) in enumerate(pile.columns):
        if pile.constant[index]:
            continue
        r = float(np.corrcoef(pile.x[:, index], rank)[0, 1])
        if abs(r) >= _IN_ORDER:
            text = f"Runs with {name} were made {'later' if r > 0 else 'earlier'} than others (correlation {r:.2f})"
            notes.append(Note("order", f"{text}: what changed meanwhile is in its effect.", (factor.name,)))
    return notes


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
