"""Advice comes true: a short version of `python -m bench.decisions`, and the page that it wrote."""

import re

import numpy as np
import pytest

from bakeoff.report import words
from bench import decisions, worlds


def test_the_reports_words_are_the_pages_numbers() -> None:
    text = decisions.PAGE.read_text("utf-8")
    for question, judged in (("averaged", decisions.AVERAGED), ("inside", decisions.INSIDE)):
        (row,) = re.findall(rf"^\| {re.escape(judged.name)} \|(.*)\|$", text, re.MULTILINE)
        _, _, expected, lost, _, inside = (float(cell) for cell in row.split("|"))
        assert words.TRIED[question] == tuple(f"{value:.3f}"[1:] for value in (expected, lost, inside))


def test_advice_on_the_ground_truth_loses_what_was_expected() -> None:
    followed = decisions.replay(decisions.AVERAGED, 60)
    assert len(followed) == 60 * decisions.K
    assert decisions.mean(followed, "lost") < 1.6 * decisions.mean(followed, "claimed")
    assert decisions.mean(followed, "settled") > 0.9
    assert np.mean([each.lost == 0 for each in followed if each.sure > 0.99]) > 0.98
    points = decisions.replay(decisions.JUDGED[1], 60)
    assert decisions.mean(followed, "averaged") < decisions.mean(points, "averaged")
    assert decisions.mean(followed, "inside") < decisions.mean(points, "inside")


@pytest.mark.parametrize("world", decisions.WORLDS, ids=lambda world: world.name)
def test_advice_in_worlds_loses_little_more_than_was_expected(world: worlds.World) -> None:
    followed = decisions.in_world(world, decisions.AVERAGED, 25)
    assert decisions.mean(followed, "lost") < 2 * decisions.mean(followed, "claimed") + 0.002
    assert decisions.mean(followed, "held") > 0.8  # .95 of 25 studies, four standard errors off


@pytest.mark.slow
def test_advice_inside_the_recipe_loses_what_was_expected() -> None:
    followed = decisions.replay(decisions.INSIDE, 100)
    assert decisions.mean(followed, "lost") < 1.6 * decisions.mean(followed, "claimed")


def test_answers_are_means_over_all_recipes() -> None:
    """Of one technique that takes half of the errors wherever it is, and others that do nothing."""
    levels = decisions.LEVELS
    accuracy = 100 - np.where(levels[:, :1], 4.0, 8.0)
    true = decisions.answers(accuracy, levels)
    assert true.averaged[0] == pytest.approx(4)
    assert true.inside[0] == pytest.approx(4)
    assert true.on_errors[0] == pytest.approx(4 * np.log(2))
    assert true.tolerance == pytest.approx(0.08)
    assert np.abs([true.averaged[1:], true.inside[1:], true.on_errors[1:]]).max() < 1e-12
