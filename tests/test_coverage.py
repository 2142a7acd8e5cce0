"""Whether intervals hold: `python -m bench.coverage` in short, and what a design must be for that."""

import math
from dataclasses import replace

import pytest

from bench import coverage, worlds
from bench.coverage import cover
from bench.worlds import REAL, WORLDS


@pytest.mark.slow
@pytest.mark.parametrize("world", [*WORLDS, REAL], ids=lambda world: world.name)
def test_intervals_hold_for_every_technique_and_together(world: worlds.World) -> None:
    """Each design with nine techniques in every world; 200 studies know a share to 1.5 points."""
    for case in coverage.cases([9]):
        found = cover(world, case, 200)
        where = f"{case.name}, {world.name}: {found}"
        assert found.least > 0.88, where  # the rarest of nine
        assert found.together > 0.9, where
        assert found.evaluation > 0.9, where
        assert math.isnan(found.total) or found.total > 0.9, where
        assert found.undecided < 0.05, where


def test_runs_lost_by_divergence_widen_the_evaluation_technique() -> None:
    """The pairs that are left have two techniques alike more often than not, and what they do in twos stays."""
    (case,) = (case for case in coverage.cases([9]) if case.name == "factorial")
    (diverged,) = (world for world in WORLDS if world.name == "diverged")
    assert cover(diverged, case, 300).evaluation > 0.925  # 0.91 where those pairs are taken for a sample of all


def test_an_interval_that_is_too_narrow_is_seen() -> None:
    """Negative control: the harness finds intervals that take their noise from runs that are quieter than others."""
    (case,) = (case for case in coverage.cases([10]) if case.name == "factorial")
    quiet = worlds.World("noise that intervals don't see", relative=worlds._corners_quiet)
    assert cover(quiet, case, 40).least > 0.7
    narrow = coverage.Case(
        case.name,
        case.k,
        case.draw,
        lambda design, study: [
            replace(effect, low=effect.gain_pp - 0.3 * effect.se, high=effect.gain_pp + 0.3 * effect.se)
            for effect in case.read(design, study)
        ],
        case.true,
    )
    assert cover(quiet, narrow, 40).most < 0.6


def test_the_page_has_every_design_in_every_world() -> None:
    text = coverage.PAGE.read_text()
    for case in coverage.cases([9]):
        assert f"## {case.name}\n" in text
    for world in (*WORLDS, REAL):
        assert text.count(f"| {world.name} |") == 8
    assert (
        coverage.page({"factorial": {"even noise": [cover(WORLDS[0], next(coverage.cases([2])), 3)]}}, 3).count(
            "| 38 |"
        )
        == 1
    )
