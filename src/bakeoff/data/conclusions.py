"""What data mean for whoever trains on them, in sentences: before a training, and when they are checked."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from bakeoff.data.folders import counted

Looks = Mapping[str, Mapping[str, tuple[bytes, str]]]  # split -> image -> hash of its content, and its class

_FEW = 20  # training images of a class, below which its accuracy says little
_UNEVEN = 3.0  # times the images of another class
_GUESS = 1.5  # times the share that a class has where all are equal, that makes guessing it worth telling


@dataclass(frozen=True)
class Conclusion:
    """Something about a data set that matters. about: what it concerns; text: a sentence, what to do included."""

    about: Literal["files", "sizes", "classes", "splits", "labels"]
    text: str


def about_classes(counts: Mapping[str, int]) -> list[Conclusion]:
    """Of classes with few training images, and of uneven ones. counts: class -> training images."""
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    found = []
    if counts[most] > _UNEVEN * counts[least]:
        found.append(
            f"uneven classes: {counts[most]:,} training images of '{most}', {counts[least]:,} of '{least}'; Acc@1 "
            "counts images alike, so look at the balanced accuracy, which counts classes alike"
        )
    if few := [name for name, count in counts.items() if count < _FEW]:
        names = f"'{few[0]}'" if len(few) == 1 else f"{len(few)} classes, first '{few[0]}'"
        found.append(f"few training images, under {_FEW}: {names}")
    return [Conclusion("classes", text) for text in found]


def about_sizes(sides: Sequence[int], sizes: Sequence[int]) -> list[Conclusion]:
    """Of what sizes there are to choose from. sides: least, median and greatest shorter side. sizes: for `--px`."""
    if len(sizes) < 2:
        return []
    spread = f"{sides[1]} px" if sides[0] == sides[-1] else f"{sides[1]} px in the median, {sides[0]} to {sides[-1]}"
    choice = f"{', '.join(map(str, sizes[:-1]))} or {sizes[-1]}"
    text = f"the shorter side has {spread}: --px {choice}; the smaller, the faster, and the less can be seen"
    return [Conclusion("sizes", text)]


def about_report(counts: Mapping[str, int]) -> list[Conclusion]:
    """Of how exact an accuracy on the report split can be, and of guessing. counts: class -> report images."""
    total = sum(counts.values())
    most = max(counts, key=counts.__getitem__)
    share, half = counts[most] / total, 196 * math.sqrt(0.09 / total)
    found = [
        Conclusion(
            "splits",
            f"accuracies are stated on {counted(total, 'image')}, one of which is {100 / total:.2g} points; 90 % "
            f"there are 90 +- {half:.2g} % of all such images",
        )
    ]
    if share > _GUESS / len(counts):
        found.append(
            Conclusion(
                "classes", f"whoever always says '{most}' is right about {100 * share:.3g} % of the report split"
            )
        )
    return found


def about_repeats(splits: Looks) -> list[Conclusion]:
    """Of equal images, in two splits and under two labels."""
    found = []
    for (first, second), both in repeats(splits).items():
        some = f"{counted(len(both), 'image', f' of {second}')} {'is' if len(both) == 1 else 'are'} in {first} as well"
        why = ": what was learned by heart says nothing about new images" if first == "train" else ""
        found.append(Conclusion("splits", f"{some}, first {both[0][1]}, the same as {both[0][0]}{why}"))
    known: dict[bytes, tuple[str, str]] = {}
    clashes = []
    for images in splits.values():
        for name, (content, label) in images.items():
            other = known.setdefault(content, (name, label))
            if other[1] != label:
                clashes.append(f"{name}, the same as {other[0]}")
    if clashes:
        some = counted(len(clashes), "image", " under another label than an equal one")
        found.append(Conclusion("labels", f"{some}, first {clashes[0]}: one of the two is wrong"))
    return found


def learned_by_heart(splits: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    """That other splits have training images, in one sentence; nothing where none has.

    splits: split -> image -> hash of its content, `train` first.
    """
    looks = {split: {name: (content, "") for name, content in images.items()} for split, images in splits.items()}
    both = {second: pairs for (first, second), pairs in repeats(looks).items() if first == "train"}
    if not both:
        return []
    some = " and ".join(
        f"{len(pairs):,} of {counted(len(splits[split]), 'image', f' of {split}')}" for split, pairs in both.items()
    )
    (known, name), *_ = next(iter(both.values()))
    return [
        f"{some} are training images as well, first {name}, the same as {known}: what was learned by heart says "
        "nothing about new images"
    ]


def repeats(splits: Looks) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Two splits -> pairs of equal images, one of each; every image of the later one counts once."""
    found = {}
    for first, second in combinations(splits, 2):
        known = {content: name for name, (content, _) in splits[first].items()}
        both = [(known[content], name) for name, (content, _) in splits[second].items() if content in known]
        if both:
            found[first, second] = both
    return found
