"""Batched runs, as the bench of throughput has them, end where separate runs end."""

import pytest
import torch

from bakeoff.plan import Model
from bench import throughput
from bench.throughput import Apart, Shape, Together, Way, difference

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "channels", "px", "way", "within"),
    [
        ("softmax", 1, 8, "grouped", 1e-5),
        ("mlp", 1, 8, "grouped", 1e-5),
        ("cnn", 1, 8, "grouped", 1e-3),
        ("cnn", 1, 28, "grouped", 1e-3),
        ("softmax", 1, 8, "vmap", 1e-5),
        ("mlp", 1, 8, "vmap", 1e-5),
        ("cnn", 1, 8, "vmap", throughput.SAME),
        ("resnet20", 3, 8, "vmap", throughput.SAME),
    ],
)
def test_batched_runs_are_the_separate_ones(name: str, channels: int, px: int, way: Way, within: float) -> None:
    shape = Shape(Model(name=name, classes=10, channels=channels, px=px), batch=8, steps=1)
    assert difference(Together(shape, way, 3, CPU), Apart(shape, 3, CPU), steps=2) < within


def test_runs_that_differ_are_told_apart() -> None:
    """The comparison can fail: two runs whose labels were exchanged are not the separate ones."""
    shape = Shape(Model(name="mlp", classes=10, channels=1, px=8), batch=8, steps=1)
    together = Together(shape, "grouped", 2, CPU)
    together._labels = together._labels.roll(8)
    assert difference(together, Apart(shape, 2, CPU), steps=2) > 0.1
