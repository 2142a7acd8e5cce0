"""Nights of proposals: `python -m bench.judge` in short, and the page that it wrote."""

import math
import re

import numpy as np
import pytest

from bakeoff.stats import paired, spending
from bench import judge
from bench.judge import World

LIMIT = 0.05 + 2 * math.sqrt(0.05 * 0.95 / 100)


@pytest.mark.parametrize("world", [judge.NULL[1], judge.NULL[4], judge.FOUND[1]], ids=lambda world: world.name)
def test_a_night_keeps_nothing_that_is_no_better(world: World) -> None:
    rows = {row.gate: row for row in judge.replay(world, 100)}
    assert rows["bakeoff judge"].nights <= LIMIT
    for naive in ("better once", "3 of 3 seeds", "t test"):
        assert rows[naive].nights > 0.6
    if world.real:
        assert rows["bakeoff judge"].found > 0.9 > rows["3 of 3 seeds"].found


def test_the_bench_judges_as_the_command_does() -> None:
    """Of a few nights: after each pair `standing` says what the bench has for all of them at once."""
    draw, nights = np.random.default_rng(0), 6
    spent: list[list[float]] = [[] for _ in range(nights)]
    gate = judge.bakeoff_judge(nights)
    for proposal in range(4):
        order = draw.choice([-1.0, 1.0], (nights, judge.MORE))
        baseline, candidate = draw.standard_normal((2, nights, judge.MORE))
        candidate += 3 * (proposal % 2)
        kept, took = gate(candidate - baseline, order)
        for night in range(nights):
            share = spending.next_share(spent[night])
            for pairs in range(1, judge.PAIRS + 1):
                found = paired.standing(
                    *(each[night, :pairs] for each in (baseline, candidate, order)), alpha=share, delta=judge.DELTA
                )
                if found.verdict != "undecided":
                    break
            assert (found.verdict == "better", pairs) == (kept[night], took[night])
            if not kept[night]:
                spent[night].append(share)


def test_the_page_keeps_its_promise() -> None:
    text = judge.PAGE.read_text("utf-8")
    for world in (*judge.NULL, *judge.FOUND):
        (row,) = re.findall(rf"^\| {re.escape(world.name)} \| bakeoff judge \| ([\d.]+) \|", text, re.MULTILINE)
        assert float(row) <= 0.05
