"""mixup and CutMix against torchvision, given the same draws, and the distribution of what they draw."""

from statistics import fmean, pstdev

import pytest
import torch
import torchvision.transforms.v2 as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from bakeoff import plan
from bakeoff.data import mix

MIXUP, CUTMIX = plan.Mixup(alpha=0.2), plan.Cutmix(alpha=1.0)
STEPS = 2000


def batch(n: int, channels: int = 3, height: int = 8, width: int = 12, classes: int = 5) -> tuple[Tensor, Tensor]:
    images = torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(n))
    return images, torch.eye(classes)[torch.arange(n) % classes]


def kept(targets: Tensor) -> float:
    """How much of its own class an image keeps, when all classes of the batch differ."""
    return float(targets.diagonal().min())  # 1 for those that were paired with themselves


def steps(*mixers: plan.Mixup | plan.Cutmix, seed: int = 0) -> list[tuple[str, float]]:
    """Per step, which mixer was drawn and what each image kept."""
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 1, 32, 32).contiguous()
    seen = []
    for step in range(STEPS):
        mixed, targets = mix.mix(images, torch.eye(6), mixers, seed, step)
        kind = "mixup" if (mixed[:, :, :1, :1] == mixed).all() and kept(targets) < 1 else "cutmix"
        seen.append((kind, kept(targets)))
    return seen


def test_mixup_is_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    images, targets = batch(6)
    partners = torch.arange(6).roll(1)  # as torchvision pairs
    theirs = tv.MixUp(num_classes=5)
    monkeypatch.setattr(theirs, "make_params", lambda _: {"lam": 0.3})
    expected = theirs(images, targets)
    assert torch.allclose(mix.blend(images, partners, 0.3), expected[0])
    assert torch.allclose(mix.blend(targets, partners, 0.3), expected[1])


@given(seed=st.integers(0, 2**31), height=st.integers(1, 40), width=st.integers(1, 40))
@settings(max_examples=60)
def test_cutmix_is_torchvisions(seed: int, height: int, width: int) -> None:
    images, targets = batch(6, height=height, width=width)
    theirs = tv.CutMix(num_classes=5)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        expected = theirs(images, targets)
        torch.manual_seed(seed)
        weight = float(theirs._dist.sample(()))
        x, y = int(torch.randint(width, (1,))), int(torch.randint(height, (1,)))
    box = mix.cutmix_box(height, width, weight, y, x)
    partners = torch.arange(6).roll(1)
    assert torch.equal(mix.paste(images, partners, box), expected[0])
    share = 1 - (box[1] - box[0]) * (box[3] - box[2]) / (height * width)
    assert torch.allclose(mix.blend(targets, partners, share), expected[1])


@given(
    n=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    mixers=st.sampled_from([(MIXUP,), (CUTMIX,), (MIXUP, CUTMIX)]),
    step=st.integers(0, 10**6),
)
@settings(max_examples=100)
def test_images_and_targets_move_together(
    n: int, channels: int, mixers: tuple[plan.Mixup | plan.Cutmix, ...], step: int
) -> None:
    # Every image is one number, which is also its target's: then a target must be the mean of its image.
    values = torch.arange(float(n)).view(n, 1, 1, 1)
    images, targets = values.expand(n, channels, 9, 7).contiguous(), torch.eye(n)
    mixed, soft = mix.mix(images, targets, mixers, 0, step)
    assert mixed.shape == images.shape
    assert torch.allclose(soft @ torch.arange(float(n)), mixed.mean((1, 2, 3)), atol=1e-4)
    assert (soft >= 0).all()
    assert torch.allclose(soft.sum(1), torch.ones(n))
    assert torch.allclose(soft.sum(0), torch.ones(n), atol=1e-5)  # a permutation: everyone is a partner once
    assert torch.equal(images, values.expand_as(images))  # the arguments stay as they were
    assert torch.equal(targets, torch.eye(n))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_weights_are_beta(alpha: float) -> None:
    weights = [weight for _, weight in steps(plan.Mixup(alpha=alpha))]
    assert fmean(weights) == pytest.approx(0.5, abs=0.04)
    assert pstdev(weights) == pytest.approx((4 * (2 * alpha + 1)) ** -0.5, rel=0.05)


def test_cutmix_areas_are_torchvisions() -> None:
    ours = [share for _, share in steps(CUTMIX)]
    theirs = tv.CutMix(num_classes=6)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = [theirs.make_params([torch.zeros(1, 1, 32, 32)])["lam_adjusted"] for _ in range(STEPS)]
    assert fmean(ours) == pytest.approx(fmean(expected), abs=0.03)
    assert pstdev(ours) == pytest.approx(pstdev(expected), rel=0.06)


@pytest.mark.slow
def test_one_of_two_is_drawn_and_neither_shifts_the_other() -> None:
    both, mixup, cutmix = steps(MIXUP, CUTMIX), steps(MIXUP), steps(CUTMIX)
    assert all(pair in (m, c) for pair, m, c in zip(both, mixup, cutmix, strict=True))
    share = fmean(pair == m for pair, m in zip(both, mixup, strict=True))
    assert share == pytest.approx(0.5, abs=0.04)


def test_partners_are_not_neighbours() -> None:
    # A roll by one would pair adjacent copies of one image. A permutation does so once in n.
    n = 16
    partner = []
    for step in range(400):
        _, soft = mix.mix(torch.zeros(n, 1, 4, 4), torch.eye(n), (plan.Mixup(alpha=1.0),), 0, step)
        partner += (soft - soft.diagonal().diag()).argmax(1).tolist()
    distance = torch.bincount((torch.tensor(partner) - torch.arange(n).repeat(400)) % n, minlength=n)
    assert (distance[1:] / distance.sum() - 1 / n).abs().max() < 0.02


def test_no_mixers_no_change_and_the_key_decides() -> None:
    images, targets = batch(8)
    assert mix.mix(images, targets, (), 0, 0) == (images, targets)
    again = [
        mix.mix(images, targets, (MIXUP, CUTMIX), seed, step)[0] for seed, step in ((0, 3), (0, 3), (1, 3), (0, 4))
    ]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])
    assert not torch.equal(again[0], again[3])
