"""Checks of the maths that a part brings: image operations, mixers and terms of the loss."""

import torch
from torch import Tensor

from bakeoff import rng
from bakeoff.data import augment, mix
from bakeoff.parts import ImageOp, LossTerm, Mixer, Part
from bakeoff.testing.small import no_global_draws, require


def check_image_op(op: ImageOp) -> None:
    """Shapes and types are kept, an image's result depends on its own draws only, and p = 0 changes nothing."""
    name = f"image operation '{op.kind}'"
    _round_trip(op)
    require(op.family != "crop", f"{name}: crops are decoded with, and can't come from outside")
    for channels, height, width in ((1, 8, 8), (3, 20, 24)):
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (12, channels, height, width), generator=generator, dtype=torch.uint8)
        given = (images.to(torch.float32) - 128) / 64 if op.normalised else images
        rows = torch.stack([torch.zeros(12), torch.arange(12), torch.zeros(12)], dim=1).long()
        draws = rng.Draws(0, rows)
        before = given.clone()
        with no_global_draws(name):
            changed = _applied(op, given, draws)
            if type(op).apply is not ImageOp.apply:  # one from outside
                op.apply(given, draws)
        require(torch.equal(given, before), f"{name} writes to the images that it gets; it should return others")
        kept = changed.shape == given.shape and changed.dtype == given.dtype
        require(kept, f"{name} makes {tuple(changed.shape)} {changed.dtype} of {tuple(given.shape)} {given.dtype}")
        require(changed.isfinite().all(), f"{name} makes values that aren't finite")
        require(torch.equal(changed, _applied(op, given, draws)), f"{name} isn't deterministic")
        alone = [_applied(op, given[i : i + 1], draws.select(rows[i : i + 1, 1])) for i in range(12)]
        require(
            torch.allclose(torch.cat(alone).double(), changed.double(), atol=1e-5),
            f"{name}: what becomes of an image depends on the rest of its batch",
        )
        none = _applied(op, given[:0], draws.select(rows[:0, 1]))
        require(none.shape == given[:0].shape, f"{name} makes images of none")
        if "p" in type(op).model_fields:
            off = _applied(op.model_copy(update={"p": 0.0}), given, draws)
            require(torch.equal(off, given), f"{name} changes images at p = 0")


def check_mixer(mixer: Mixer) -> None:
    """Shapes are kept, targets stay on the simplex, and the generator that is given is all that is drawn from."""
    name = f"mixer '{mixer.kind}'"
    _round_trip(mixer)
    images = torch.randn(9, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    targets = torch.eye(4)[torch.arange(9) % 4]
    partners = torch.arange(9).roll(1)
    before = images.clone(), targets.clone()

    def mixed(seed: int) -> tuple[Tensor, Tensor]:
        return mix.apply(mixer, images, targets, partners, rng.generator(seed))

    with no_global_draws(name):
        results = [mixed(seed) for seed in range(8)]
    require(torch.equal(images, before[0]) and torch.equal(targets, before[1]), f"{name} writes to what it gets")
    for shown, wanted in results:
        require(
            shown.shape == images.shape and shown.dtype == images.dtype, f"{name} makes {tuple(shown.shape)} images"
        )
        ones = torch.allclose(wanted.sum(1), torch.ones(9), atol=1e-5) and bool((wanted >= -1e-6).all())
        require(wanted.shape == targets.shape and ones, f"{name}: targets leave the simplex")
    again = mixed(0)
    require(all(torch.equal(a, b) for a, b in zip(again, results[0], strict=True)), f"{name} isn't deterministic")


def check_loss_term(term: LossTerm) -> None:
    """A finite scalar with finite gradients, for hard targets and for soft ones, drawn from no generator."""
    name = f"loss term '{term.kind}'"
    _round_trip(term)
    for soft in (torch.eye(5)[torch.arange(7) % 5], torch.full((7, 5), 0.2)):
        logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
        with no_global_draws(name):
            value = term.apply(logits, soft)
        require(value.shape == (), f"{name} is {tuple(value.shape)}; it should be a scalar, the mean over the batch")
        require(value.isfinite().all(), f"{name} isn't finite")
        require(value.requires_grad, f"{name} has no gradient")
        value.backward()
        require(logits.grad is not None and logits.grad.isfinite().all(), f"{name} has gradients that aren't finite")


def _applied(op: ImageOp, images: Tensor, draws: rng.Draws) -> Tensor:
    return augment.apply(op, images.clone(), draws, "bilinear")


def _round_trip(part: Part) -> None:
    data = part.model_dump(mode="json")
    require(part.known, f"{part.what} '{part.kind}' isn't known by its kind; it needs a kind with a default")
    require(data.get("kind") == part.kind, f"{part.what} '{part.kind}' loses its kind in JSON")
    require(type(part).model_validate(data) == part, f"{part.what} '{part.kind}' isn't itself after JSON")
