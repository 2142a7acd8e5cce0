"""`bakeoff lr-find`: the one loop with a schedule that rises, and what its losses say."""

import json
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

import bakeoff as bo
from bakeoff.cli import main
from bakeoff.engine.train import train
from bakeoff.errors import BakeoffError, RequestError
from bakeoff.runs.lr_find import lr_find, rising
from bakeoff.runs.workspace import Workspace
from bakeoff.stats import range_test
from tests.helpers import small_data, small_plan

RATES = list(np.geomspace(1e-4, 100, 200))


def losses(fall: float, rise: float, noise: float = 0.0) -> list[float]:
    """As a training shows them: 2 at first, falling to 0.2 around `fall`, above 2 from `rise` on."""
    x = np.log10(RATES)
    curve = 0.2 + 1.8 / (1 + np.exp(6 * (x - math.log10(fall)))) + np.exp(8 * (x - math.log10(rise))) * 1.8
    return list(curve + noise * np.random.default_rng(0).normal(size=len(curve)))


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_suggestion_is_where_the_loss_is_lowest(noise: float) -> None:
    found = range_test.read(RATES, losses(0.01, 3.0, noise))
    lowest = RATES[int(np.argmin(losses(0.01, 3.0)))]
    assert found.suggested == pytest.approx(lowest, rel=0.5)
    assert found.largest == pytest.approx(3.0, rel=0.2)


def test_a_fall_after_everything_was_lost_isn_t_learning() -> None:
    """As where images are mixed: the loss of guessing, seen from what had exploded."""
    whole = losses(0.01, 3.0)
    again = [*whole[:170], *[0.1] * 30]
    assert range_test.read(RATES, again).suggested == range_test.read(RATES, whole).suggested


def test_what_broke_at_the_end_says_nothing_of_what_came_before() -> None:
    whole = losses(0.01, 3.0)
    broken = [*whole[:160], 1e30, math.inf, math.nan]
    found = range_test.read(RATES[: len(broken)], broken)
    assert len(found.losses) == 161
    assert found.suggested == range_test.read(RATES, whole).suggested


@pytest.mark.parametrize("flat", [[2.0] * 200, [], [math.nan] * 5, list(np.linspace(2, 9, 200))])
def test_where_nothing_was_learned_nothing_is_suggested(flat: list[float]) -> None:
    with pytest.raises(BakeoffError, match="nothing was learned"):
        range_test.read(RATES[: len(flat)], flat)


def test_it_is_the_loop_with_a_schedule_of_the_plan(tmp_path: Path) -> None:
    plan, data, device = small_plan(), small_data(), torch.device("cpu")
    where = Workspace.open(store=tmp_path / "runs", device="cpu")
    found = lr_find(plan, data, 0, where, low=1e-3, high=1e5, steps=60)
    tested = rising(plan, 1e-3, 1e5, 60)
    assert tested.steps == 60
    assert tested.lr.shape == "exponential"
    with pytest.raises(Exception, match="the loss was") as exploded:
        train(tested, data, 0, device)
    same = [loss for loss in exploded.value.losses if math.isfinite(loss)]  # type: ignore[attr-defined]
    assert list(found.test.losses) == same[: len(found.test.losses)]
    assert found.test.rates[0] == pytest.approx(1e-3)
    assert found.plan == plan
    assert not (tmp_path / "runs").exists()


def test_the_range_is_around_the_plan_s_own_rate() -> None:
    plan = rising(small_plan(), None, None, 50)
    assert (plan.lr.per_256, plan.lr.gamma) == pytest.approx((1.6e-3, 1e6))
    with pytest.raises(RequestError, match="has to rise"):
        rising(small_plan(), 1.0, 0.5, 50)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--steps", "3"), "--steps is a whole number from 20"),
        (("--low", "-1"), "--low is a number above 0"),
        (("--low", "nan"), "--low is a number above 0"),
        (("--low", "5", "--high", "1"), "has to rise"),
        (("--plot", "x.gif"), "a picture ends in .png, .svg, .pdf"),
        (("--plot", "no/such/x.png", "--steps", "20", "--low", "0.01", "--high", "1"), "can't write no/such/x.png"),
    ],
)
def test_what_can_t_be_is_one_line(options, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lr-find", "--quiet", "--model", "softmax", *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_on_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lr-find", "--json", "--quiet", "--plot", "lr.png"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert 0.02 < said["suggested"] < 0.5  # 0.05 to 0.8 do about equally well
    assert said["per_256"] == 0.1
    with Image.open("lr.png") as picture:
        assert picture.size == (900, 510)
    assert [path.name for path in tmp_path.iterdir()] == ["lr.png"]
    assert bo.lr_find(seed=0).test.suggested == said["suggested"]
    assert mpl.rcParams["font.size"] == mpl.rcParamsDefault["font.size"]
    assert main(["lr-find", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"begin with: --set lr.per_256={said['suggested']:.2g}"
