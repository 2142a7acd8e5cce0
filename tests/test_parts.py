"""Parts from outside in a plan and in the engine: their order, their draws, mixers and terms of the loss."""

from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bakeoff import rng
from bakeoff.data import augment, mix
from bakeoff.engine.loss import training_loss
from bakeoff.errors import RequestError
from bakeoff.parts import ImageOp, LossTerm, Mixer
from bakeoff.plan import Cutmix, HorizontalFlip, Loss, Mixup, PadCrop, Plan, RandomErasing, TrivialAugment
from bakeoff.rng import Draws
from bakeoff.testing import check_image_op, check_loss_term, check_mixer
from tests.helpers import draws, small_plan


class Invert(ImageOp):
    """Before normalisation, by its own family."""

    kind: Literal["test_invert"] = "test_invert"
    p: float = 1.0

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        hit = draws("flip", 1)[:, 0] < self.p  # named like a purpose of ours
        return torch.where(hit[:, None, None, None], 255 - images, images)


class Dim(ImageOp):
    """After normalisation."""

    kind: Literal["test_dim"] = "test_dim"
    normalised: ClassVar[bool] = True

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        return images / 2


class Mirror(ImageOp):
    """In the place of the flip."""

    kind: Literal["test_mirror"] = "test_mirror"
    family: ClassVar[str] = "flip"

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        return images.flip(2)


class Average(Mixer):
    kind: Literal["test_average"] = "test_average"

    def apply(
        self, images: Tensor, targets: Tensor, partners: Tensor, generator: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        weight = float(generator.random())
        return torch.lerp(images, images[partners], weight), torch.lerp(targets, targets[partners], weight)


class Brier(LossTerm):
    kind: Literal["test_brier"] = "test_brier"
    weight: float = 1.0

    def apply(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.weight * (logits.softmax(1) - targets).square().sum(1).mean()


def test_they_keep_what_is_asked() -> None:
    for op in (Invert(p=0.5), Dim(), Mirror()):
        check_image_op(op)
    check_mixer(Average())
    check_loss_term(Brier(weight=0.5))


def test_operations_stand_in_their_order() -> None:
    ops = (RandomErasing(), Dim(), Invert(), TrivialAugment(), Mirror(), PadCrop())
    kinds = ["pad_crop", "test_mirror", "trivial_augment", "test_invert", "random_erasing", "test_dim"]
    assert [op.kind for op in small_plan(image_ops=ops).image_ops] == kinds
    with pytest.raises(ValueError, match="two image operations of one family: test_mirror, horizontal_flip"):
        small_plan(image_ops=(Mirror(), HorizontalFlip()))


def test_the_batch_is_what_they_make_of_it() -> None:
    images = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.5]), torch.tensor([0.25])
    plan = small_plan(image_ops=(Dim(), Invert()))
    shown = augment.augment(images, plan, draws(6), mean, std)
    assert torch.equal(shown, augment.normalize(255 - images, mean, std) / 2)


def test_a_purpose_is_its_own_even_when_it_is_named_like_ours() -> None:
    ours = draws(500)
    theirs = Draws(ours.seed, ours.rows, scope="test_invert")
    a, b = ours("flip", 1)[:, 0], theirs("flip", 1)[:, 0]
    assert not torch.equal(a, b)
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 0.15
    assert torch.equal(theirs.select(torch.arange(3, 9))("flip", 2), theirs("flip", 2)[3:9])


@pytest.mark.parametrize("mixers", [(), (Mixup(alpha=0.4),), (Average(), Cutmix(alpha=1.0), Mixup(alpha=0.4))])
def test_a_term_is_added_to_the_cross_entropy_of_hard_and_mixed_targets(mixers: tuple[Mixer, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(7, 5, generator=generator), torch.arange(7) % 5
    soft = F.one_hot(labels, 5).float()
    targets = mix.mix(torch.zeros(7, 1, 4, 4), soft, mixers, 0, 0)[1] if mixers else labels
    loss = training_loss(logits, targets, Loss(label_smoothing=0.1, terms=(Brier(weight=2.0),)))
    plain = F.cross_entropy(logits, targets, label_smoothing=0.1)
    wanted = plain + 2 * (logits.softmax(1) - (targets if mixers else soft)).square().sum(1).mean()
    assert torch.equal(loss, wanted)
    assert torch.equal(training_loss(logits, targets, Loss(label_smoothing=0.1)), plain)


def test_terms_are_one_of_each_kind_and_survive_json() -> None:
    plan = small_plan(loss=Loss(terms=(Brier(weight=0.5),)), mixers=(Average(), Mixup(alpha=0.2)))
    assert plan.model_dump(mode="json")["loss"] == {
        "label_smoothing": 0.0,
        "terms": [{"kind": "test_brier", "weight": 0.5}],
    }
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert "terms" not in small_plan().model_dump()["loss"]
    with pytest.raises(ValueError, match="two loss terms of one kind: test_brier, test_brier"):
        Loss(terms=(Brier(), Brier(weight=2.0)))


def test_an_unknown_kind_is_data() -> None:
    data = small_plan(image_ops=(PadCrop(), Invert(), RandomErasing())).model_dump(mode="json")
    data["image_ops"][1] = {"kind": "from_elsewhere", "size": [1, 2.5], "deep": {"a": None}}
    plan = Plan.model_validate(data)
    assert plan.model_dump(mode="json") == data
    assert Plan.model_validate_json(plan.model_dump_json()).digest == plan.digest
    with pytest.raises(RequestError, match="unknown image operation 'from_elsewhere'; there are: pad_crop"):
        plan.check_known()
    with pytest.raises(RequestError, match="image operation 'from_elsewhere' isn't known here"):
        augment.apply(plan.image_ops[1], torch.zeros(1, 1, 4, 4, dtype=torch.uint8), draws(1), "bilinear")


def test_a_bad_value_of_a_part_names_it() -> None:
    data = small_plan().model_dump(mode="json")
    data["image_ops"] = [{"kind": "pad_crop", "shift": 2.0}]
    with pytest.raises(ValueError, match=r"pad_crop: shift: input should be less than or equal to 1 \(got 2.0\)"):
        Plan.model_validate(data)
    data["image_ops"] = [{"shift": 0.5}]
    with pytest.raises(ValueError, match="should be one image operation, with its kind"):
        Plan.model_validate(data)


def test_mixers_of_ours_draw_what_they_drew_before_there_were_others() -> None:
    """The generator of each is its own; a third mixer changes which one is drawn, and nothing of what it does."""
    x, y = torch.randn(8, 1, 6, 6), torch.eye(4)[torch.arange(8) % 4]
    for step in range(20):
        order = rng.generator(0, "mix", step, "pairs").permutation(8)
        weight = float(rng.generator(0, "mix", step, "mixup").beta(0.4, 0.4))
        shown, targets = mix.mix(x, y, (Mixup(alpha=0.4),), 0, step)
        partners = torch.from_numpy(order)
        assert torch.equal(shown, mix.blend(x, partners, weight))
        assert torch.equal(targets, mix.blend(y, partners, weight))
