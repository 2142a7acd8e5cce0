"""The bench of libraries: every side trains the same small folder, and a row is what its runs say."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from bench.libraries import OURS, PEERS, Outcome, apart, measure, once, ratios
from bench.works import WORKS, Job

pytestmark = pytest.mark.slow  # together

CIFAR10 = WORKS["cifar10"]
EPOCHS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten colours, 32 images of each to learn from and 10 to test on."""
    root = tmp_path_factory.mktemp("colours")
    draw = np.random.default_rng(0)
    colours = [(r, g, b) for r in (0, 100, 200) for g in (0, 200) for b in (0, 200)][:10]
    for part, count in (("train", 32), ("val", 4), ("test", 10)):
        for label, colour in enumerate(colours):
            (root / part / f"{label}").mkdir(parents=True)
            for image in range(count):
                pixels = np.add(colour, draw.integers(0, 55, (32, 32, 3))).astype(np.uint8)
                Image.fromarray(pixels).save(root / part / f"{label}" / f"{image}.jpg")
    return root


@pytest.mark.parametrize("who", [OURS, "loop", "torchvision"])
def test_each_side_learns_the_colours(who, folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE", str(tmp_path))
    before = torch.get_rng_state()
    found = once(Job(replace(CIFAR10, epochs=EPOCHS, width=8), folder), who)
    assert found.acc1 > 40  # guessing has 10
    assert len(found.epochs) == (1 if who == OURS else EPOCHS)
    assert 0 < found.epoch < found.seconds
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize("who", ["timm", "fastai", "keras", "lightning"])
def test_the_others_do_too(who, folder) -> None:
    """They set global state and leave files open, so each has a process of its own, as in the bench."""
    if importlib.util.find_spec(PEERS[who].package) is None:
        pytest.skip(f"{PEERS[who].package} isn't installed (pip install -e '.[bench]')")
    found = apart(Job(CIFAR10, folder), who)
    assert len(found.epochs) == CIFAR10.epochs
    assert 0 < sum(found.epochs) < found.seconds
    assert 0 <= found.acc1 <= 100


@pytest.mark.parametrize(
    ("accuracies", "reached"), [((61.0, 62.0), True), ((66.0, 67.0), False), ((74.0, 49.0), False)]
)
def test_a_row_counts_where_both_sides_did_the_same(accuracies, reached) -> None:
    work = replace(CIFAR10, target=50.0, tolerance=2.0)
    own = [Outcome(10.0, [4.0], 61.0), Outcome(12.0, [5.0], 62.0)]
    others = [Outcome(20.0, [9.0, 8.0], acc1) for acc1 in accuracies]
    epoch, total = ratios(work, "loop", PEERS["loop"], own, others)
    assert (epoch.ratios, total.ratios) == ([2.0, 1.6], [2.0, 20 / 12])
    assert epoch.reached == total.reached == epoch.kept == reached


def test_without_data_a_work_is_left_out(tmp_path, capsys) -> None:
    assert measure(tmp_path) == []
    assert "cifar10-images.tar.gz" in capsys.readouterr().err
