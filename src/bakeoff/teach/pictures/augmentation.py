"""Pictures of what changes single images: automatic augmentation and random erasing, by the code that trains."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from bakeoff import plan as slots
from bakeoff.data import augment, policy
from bakeoff.data.policy import SIGNED_UP_TO, Kind
from bakeoff.report import words
from bakeoff.rng import Draws, generator
from bakeoff.teach.pictures.canvas import WITH, canvas, plain, rows, tiles
from bakeoff.teach.pictures.subject import Subject

_STILL = (Kind.IDENTITY, Kind.AUTOCONTRAST, Kind.EQUALIZE)  # they have no strength
_MOVING = tuple(kind for kind in Kind if kind not in _STILL)
_SAMPLED = 14
_SHARES = {-1.0: f"{words.MINUS}1", -0.5: f"{words.MINUS}½", 0.5: "½", 1.0: "1", 1 / 3: "⅓", 2 / 3: "⅔"}

Strip = tuple[Tensor, list[str]]  # an image under an operation, (N, C, H, W) uint8, and the strengths in words


@dataclass(frozen=True)
class _Chosen(Draws):
    """Draws that come out as chosen: they take an operation at a strength through the code that draws both."""

    numbers: Tensor  # (N, lanes)

    def __call__(self, purpose: str, lanes: int) -> Tensor:
        return self.numbers


def _chosen(*numbers: list[float]) -> Draws:
    return _Chosen(0, torch.zeros(len(numbers), 3, dtype=torch.int64), torch.tensor(numbers))


def _showings(count: int, seed: int, first: int = 0) -> Draws:
    """The draws of `count` images in the first pass, from number `first`."""
    place = torch.arange(first, first + count)
    return Draws(seed, torch.stack([torch.zeros_like(place), place, torch.zeros_like(place)], dim=1))


def trivial(it: Subject) -> Figure:
    """Every operation over its range, then what a batch gets."""
    op: slots.TrivialAugment = it.plan.op("policy")
    top = op.bins - 1
    signed, unsigned = (-1.0, -0.5, 0.5, 1.0), (1 / 3, 2 / 3, 1.0)

    def strip(image: Tensor, kind: Kind) -> Strip:
        shares = signed if kind <= SIGNED_UP_TO else unsigned
        numbers = [
            [(kind + 0.5) / len(Kind), (round(abs(share) * top) + 0.5) / op.bins, 0.25 if share < 0 else 0.75]
            for share in shares
        ]
        done = policy.trivial_augment(
            image.expand(len(numbers), -1, -1, -1), op, _chosen(*numbers), it.plan.interpolation
        )
        return done, [_SHARES[share] for share in shares]

    title = f"{it.title}: each image gets one of {len(Kind)} operations, at any strength of its range"
    return _catalogue(it, title, strip)


def rand(it: Subject) -> Figure:
    """Every operation at the plan's strength and at larger ones, then what a batch gets."""
    op: slots.RandAugment = it.plan.op("policy")
    top = op.bins - 1
    larger = ((op.magnitude + top) // 2, top)

    def strip(image: Tensor, kind: Kind) -> Strip:
        signed = kind <= SIGNED_UP_TO
        levels = [(op.magnitude, -1)] * signed + [(level, 1) for level in (op.magnitude, *larger)]
        parts = []
        for level, sign in levels:
            alone = op.model_copy(update={"ops": 1, "magnitude": level})
            numbers = _chosen([(kind + 0.5) / len(Kind), 0.5 + 0.25 * sign])
            parts.append(policy.rand_augment(image[None], alone, numbers, it.plan.interpolation))
        return torch.cat(parts), [words.MINUS * (sign < 0) + str(level) for level, sign in levels]

    title = f"{it.title}: each image gets {op.ops} of {len(Kind)} operations, all at strength {op.magnitude} of {top}"
    used = {str(op.magnitude), f"{words.MINUS}{op.magnitude}"}
    return _catalogue(it, title, strip, used)


def _catalogue(it: Subject, title: str, strip: Callable[[Tensor, Kind], Strip], framed: Collection[str] = ()) -> Figure:
    """Every operation at several strengths, some of them framed; below, results as they are drawn."""
    figure = canvas(title, 8.6, it.credit)
    above, below = rows(figure, 6.2, 1.9)
    axes = list(above.subplots(6, 2).flat)
    for n, (ax, kind) in enumerate(zip(axes, _MOVING, strict=False)):
        done, strengths = strip(it.thumbs[(n // 2) % len(it.images)], kind)
        tiles(ax, done, 4, framed=[place for place, strength in enumerate(strengths) if strength in framed])
        ax.set_title(f"{_name(kind)}  {', '.join(strengths)}", pad=3)
    tiles(axes[-1], torch.cat([strip(it.thumbs[-1], kind)[0][-1:] for kind in _STILL]), 4)
    axes[-1].set_title(", ".join(map(_name, _STILL)), pad=3)
    _sampled(it, below)
    return figure


def auto(it: Subject) -> Figure:
    """All pairs of the policy with both operations done, then what a batch gets."""
    op: slots.AutoAugment = it.plan.op("policy")
    kinds = policy._sub_policies(op, *it.thumbs.shape[2:])[0]
    count = len(kinds)
    sides = generator(it.seed, "sides").uniform(size=(count, 2)).tolist()
    numbers = [[(n + 0.5) / count, 0.0, first, 0.0, second] for n, (first, second) in enumerate(sides)]
    figure = canvas(
        f"{it.title}: each image gets one of {count} pairs of operations, found by a search", 9.2, it.credit
    )
    above, below = rows(figure, 7.2, 1.9)
    labels = [f"{_name(Kind(first))},\n{_name(Kind(second))}" for first, second in kinds.tolist()]
    ax = above.subplots()
    tiles(ax, policy.auto_augment(it.in_turn(count), op, _chosen(*numbers), it.plan.interpolation), 5, labels=labels)
    ax.set_title("the pairs, with both operations done")
    _sampled(it, below)
    return figure


def _sampled(it: Subject, place: SubFigure) -> None:
    ax = place.subplots()
    drawn = augment.policy(
        it.in_turn(_SAMPLED), it.plan.op("policy"), _showings(_SAMPLED, it.seed), it.plan.interpolation
    )
    tiles(ax, drawn, _SAMPLED // 2)
    ax.set_title("as they are drawn in training")


def _name(kind: Kind) -> str:
    return kind.name.lower().replace("_", " ")


def erasing(it: Subject) -> Figure:
    """Rectangles as they are drawn; how often one is; how much it hides."""
    op: slots.RandomErasing = it.plan.op("erase")
    every = op.model_copy(update={"p": 1.0})
    mean = it.thumbs.float().mean((0, 2, 3))[:, None, None] / 255

    def erased(images: Tensor, op: slots.RandomErasing, first: int) -> Tensor:
        shown = augment.erase(images.float() / 255 - mean, op, _showings(len(images), it.seed, first))
        return ((shown + mean) * 255).round().to(torch.uint8)

    title = f"{it.title}: one image in {round(1 / op.p)} loses a random rectangle to the mean colour"
    figure = canvas(title, 6.6, it.credit)
    above, below = rows(figure, 2.5, 2.6)
    ax = above.subplots()
    tiles(ax, erased(it.in_turn(10), every, 0), 5)
    ax.set_title("rectangles as they are drawn")
    left, right = below.subplots(1, 2)
    batch = erased(it.in_turn(80), op, 10)
    hit = (batch != it.in_turn(80)).flatten(1).any(1).nonzero()[:, 0].tolist()
    tiles(left, batch, 10, framed=hit, share=0.5)
    left.set_title(f"a batch: {len(hit)} of {len(batch)} erased")
    flat = torch.ones(2000, 1, 64, 64)
    share = 100 * (1 - augment.erase(flat, every, _showings(len(flat), it.seed)).mean((1, 2, 3)))
    right.hist(share.tolist(), bins=16, color=WITH, rwidth=0.9)
    plain(right, "y")
    right.set_yticks([])
    right.set_title(f"hidden: {share.mean():.0f} % on average")
    right.set_xlabel("% of the image")
    return figure
