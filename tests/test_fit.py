"""What suits somebody's own images and a machine: chosen by counting, the same every time, and never against a wish."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from bakeoff import models
from bakeoff.data.dataset import Dataset
from bakeoff.data.sources import SIZES, Source
from bakeoff.errors import RequestError
from bakeoff.models.cost import Speed, multiplications
from bakeoff.plan import Model, PadCrop, ResizedCrop
from bakeoff.task import Task
from bakeoff.tasks.cifar10 import CIFAR10
from bakeoff.tasks.fit import WANTED, fit
from bakeoff.tasks.imagenet import IMAGENET

LAPTOP, SERVER = Speed(2e10, 1e-3, 5e-5), Speed(5e12, 8e-3, 1e-5)


def own(side: int, train: int = 1400, uniform: bool = True, classes: int = 10, **given) -> Task:
    """Images of one size, or photographs, of which the median has this shorter side."""
    counts = dict.fromkeys("abcdefghij"[:classes], train // classes)

    def load(data: Path) -> Dataset:
        raise AssertionError

    return Task.of(Source("folder:x", 2 * train, 3, counts, side, uniform, load), **given)


def sizes_of(side: int) -> tuple[int, ...]:
    own_data = own(side).own
    assert own_data is not None
    return own_data.source.sizes


def unasked() -> Speed:
    raise AssertionError("the machine was timed")


def here(speed: Speed) -> Callable[[], Speed]:
    return lambda: speed


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Model(name="softmax", classes=10, channels=1, px=8), 640),
        (Model(name="resnet18", classes=1000, channels=3, px=224), 1.814e9),
        (Model(name="resnet20", classes=10, channels=3, px=32), 40.6e6),
    ],
)
def test_multiplications_are_those_of_the_papers(spec: Model, expected: float) -> None:
    assert multiplications(spec, spec.px) == pytest.approx(expected, rel=0.01)


def test_the_size_suits_the_machine_and_the_same_flags_ask_for_it_anywhere() -> None:
    slow, told = fit(own(100), here(LAPTOP))
    fast, _ = fit(own(100), here(SERVER))
    assert slow.px < fast.px <= 100
    assert told is not None
    assert slow.px == told.taken.px
    assert told.taken.seconds is not None
    assert told.taken.seconds <= WANTED
    assert [offer.seconds for offer in told.dearer] == sorted(offer.seconds for offer in told.dearer)
    assert told.dearer[0].seconds > told.taken.seconds
    assert (told.taken.flags, told.dearer[0].flags) == (f"--px {slow.px}", "--px 48")
    again, none = fit(own(100), unasked, px=slow.px)
    assert again.base_plan() == slow.base_plan()
    assert none is None


def test_no_size_is_far_from_its_neighbours() -> None:
    sizes = [sizes_of(side) for side in range(8, 400)]
    for before, after in pairwise(sizes):
        assert max(after) - max(before) in (0, 1)
    assert all(min(each) == min(side, each[0]) for side, each in enumerate(sizes, 8))
    assert sizes_of(97) == (32, 48, 64, 97)
    assert sizes_of(500) == SIZES


@pytest.mark.parametrize("side", [8, 12, 28, 32])
def test_small_images_are_read_as_they_are(side: int) -> None:
    task, _ = fit(own(side), here(LAPTOP))
    assert (task.px, task.resize_px, task.read_px, task.crop) == (side, side, None, PadCrop())


def test_photographs_are_cropped_from_copies_that_suffice() -> None:
    task, _ = fit(own(375, uniform=False), here(SERVER))
    assert isinstance(task.crop, ResizedCrop)
    assert (task.px, task.resize_px, task.read_px) == (224, 256, 336)
    assert task.model == "resnet18"


def test_a_training_that_takes_long_at_any_size_is_shortened() -> None:
    task, told = fit(own(32, train=50_000), here(LAPTOP))
    assert told is not None
    assert 1 <= task.epochs < 5
    plan = task.base_plan()
    assert told.taken.flags == f"--px 32 --set examples_seen={plan.examples_seen}"
    assert told.taken.seconds == pytest.approx(WANTED, rel=0.1)
    assert told.dearer[0].passes == 10
    assert fit(own(32, train=50_000), unasked, px=32)[0].epochs == 10


def test_what_is_asked_for_is_never_changed() -> None:
    assert fit(own(100), here(LAPTOP), model="resnet20")[0].model == "resnet20"
    task, _ = fit(own(200), here(LAPTOP), model="resnet18")
    assert (task.model, task.px) == ("resnet18", 64)
    task, told = fit(own(100, epochs=50), here(LAPTOP))
    assert (task.epochs, task.px) == (50, 32)
    assert told is not None
    assert told.taken.passes == 50
    assert fit(own(100, px=64, batch_size=7), unasked)[0].px == 64
    assert fit(own(64), unasked, px=64, model="cnn")[0].base_plan().batch_size == 32
    with pytest.raises(RequestError, match="more than the images"):
        fit(own(64), unasked, px=65)
    with pytest.raises(RequestError, match="unknown model"):
        fit(own(64), here(LAPTOP), model="resnet9999")


@pytest.mark.parametrize("train", [4, 10, 100, 1000, 1999, 2000, 3000, 9999, 10_000, 100_000])
def test_lengths_are_enough_for_few_images_and_bounded_for_many(train: int) -> None:
    plan = own(32, train=train, classes=2).base_plan()
    assert plan.steps >= 400
    assert plan.examples_seen >= 10 * (train // 2 * 2)
    assert plan.examples_seen <= max(13_000, 26_000, 10 * train) * 1.3


def test_a_size_goes_with_any_task() -> None:
    plan = CIFAR10.at(16).base_plan()
    assert (plan.train_px, plan.read_px, plan.model.px) == (16, 16, 16)
    assert (plan.eval_view.resize_px, plan.eval_view.crop_px) == (16, 16)
    plan = IMAGENET.at(112).base_plan()
    assert (plan.train_px, plan.read_px, plan.eval_view.resize_px) == (112, None, 128)
    assert CIFAR10.at(32) == CIFAR10
    with pytest.raises(RequestError, match="32 px"):
        CIFAR10.at(64)


def test_every_network_that_is_offered_can_be_built() -> None:
    for task in (own(28), own(64), own(224, uniform=False)):
        _, told = fit(task, here(LAPTOP))
        assert told is not None
        for offer in (told.taken, *told.dearer):
            spec = replace(task, model=offer.model).at(offer.px, offer.model).base_plan().model
            models.build(spec)
