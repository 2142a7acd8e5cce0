"""What something would take: the counted work, over a speed that is measured or published."""

import json
import math

import pytest

import bakeoff as bo
from bakeoff.ablation.estimate import HARDWARE
from bakeoff.cli import main
from bakeoff.errors import RequestError


def test_resnet50_takes_what_was_published() -> None:
    """But for the time that starting a step's kernels takes: 8 ms of 256 images."""
    found = bo.estimate("imagenet", recipe="baseline", settings=["train_px=224", "batch_size=256"], hardware="a100")
    assert found.images_per_second.value == pytest.approx(2470, rel=0.12)
    assert found.images_per_second.value < 2470


def test_one_training_on_eight_keeps_what_was_published_of_eight() -> None:
    one, eight = (bo.estimate("imagenet", hardware="a100", devices=n) for n in (1, 8))
    assert one.seconds.value / eight.seconds.value == pytest.approx(16621 / 2470)
    assert eight.device_seconds.value == pytest.approx(8 * eight.seconds.value)
    assert eight.bytes.value < one.bytes.value


def test_a_study_is_the_sum_of_its_runs_and_ends_with_its_longest() -> None:
    one, four, many = (bo.estimate("digits", "ablate", hardware="v100", devices=n) for n in (1, 4, 10_000))
    assert one.runs == four.runs == 54
    assert one.seconds.value == pytest.approx(one.device_seconds.value) == pytest.approx(4 * four.seconds.value)
    longest = bo.estimate("digits", hardware="v100").seconds.value  # about: other runs have other sizes
    assert many.seconds.value == pytest.approx(longest, rel=0.02)


def test_here_a_training_takes_what_train_forecasts() -> None:
    job = bo.plan_job("digits", "torchvision-2021")
    assert bo.estimate("digits", device="cpu").seconds.value == pytest.approx(bo.forecast(job, device="cpu").seconds)


def test_each_number_has_a_range_and_a_source(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["estimate", "derive", "--runs", "40", "--hardware", "a100", "--devices", "4", "--price", "2", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    amounts = {name: value for name, value in found.items() if isinstance(value, dict)}
    assert len(amounts) == 6
    for name, amount in amounts.items():
        assert amount["low"] <= amount["value"] <= amount["high"], name
        assert math.isfinite(amount["high"])
        assert amount["basis"], name
    assert found["price"]["value"] == pytest.approx(2 * found["device_seconds"]["value"] / 3600)
    assert all("README" in hardware.source for hardware in HARDWARE.values())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--hardware", "tpu"), "there are: a100, v100"),
        (("derive",), "--runs 80"),
        (("evaluate",), "unknown value of WHAT"),
    ],
)
def test_what_cannot_be_estimated_is_said(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", *words]) == 2
    assert told in capsys.readouterr().err


def test_from_python_as_well() -> None:
    with pytest.raises(RequestError, match="runs=80"):
        bo.estimate("digits", "derive")
