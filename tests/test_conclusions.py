"""What data mean for whoever trains on them."""

import pytest

from bakeoff.data.conclusions import about_classes, about_repeats, about_report, about_sizes, repeats


def texts(found: list) -> str:  # type: ignore[type-arg]
    return "\n".join(each.text for each in found)


def test_equal_classes_with_many_images_have_nothing_to_be_told_of() -> None:
    assert about_classes({"a": 100, "b": 120}) == []
    assert [found.about for found in about_report({"a": 50, "b": 50})] == ["splits"]


def test_uneven_classes_and_those_with_few_images_are_named() -> None:
    told = texts(about_classes({"a": 300, "b": 99, "c": 19}))
    assert "300 training images of 'a', 19 of 'c'" in told
    assert "under 20: 'c'" in told
    assert "under 20: 2 classes, first 'b'" in texts(about_classes({"a": 30, "b": 19, "c": 1}))


def test_how_exact_an_accuracy_is_follows_from_the_number_of_images() -> None:
    # 1.96 * sqrt(0.9 * 0.1 / 300) = 3.395 points
    assert "300 images, one of which is 0.33 points; 90 % there are 90 +- 3.4 %" in texts(
        about_report({"a": 150, "b": 150})
    )
    assert "always says 'a' is right about 80 %" in texts(about_report({"a": 240, "b": 60}))


def test_sizes_are_told_where_there_is_a_choice() -> None:
    assert about_sizes((8, 8, 8), (8,)) == []
    assert "has 100 px: --px 32, 48, 64 or 100" in texts(about_sizes((100, 100, 100), (32, 48, 64, 100)))
    assert "375 px in the median, 75 to 500" in texts(about_sizes((75, 375, 500), (32, 224)))


def test_equal_images_in_two_splits_and_under_two_labels_are_named() -> None:
    splits = {
        "train": {"1.png": (b"one", "cat"), "2.png": (b"two", "dog"), "3.png": (b"two", "cat")},
        "report": {"4.png": (b"one", "cat"), "5.png": (b"one", "dog"), "6.png": (b"new", "dog")},
    }
    assert repeats(splits) == {("train", "report"): [("1.png", "4.png"), ("1.png", "5.png")]}
    told = texts(about_repeats(splits))
    assert "2 images of report are in train as well, first 4.png, the same as 1.png" in told
    assert "2 images under another label than an equal one, first 3.png, the same as 2.png" in told


@pytest.mark.parametrize("splits", [{}, {"train": {"1": (b"1", "a"), "2": (b"2", "b")}, "report": {"3": (b"3", "a")}}])
def test_images_that_are_all_new_have_nothing_to_be_told_of(splits: dict[str, dict[str, tuple[bytes, str]]]) -> None:
    assert about_repeats(splits) == []
