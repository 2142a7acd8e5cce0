"""Schedules, decay groups and weight averaging against torch's own and against slow references."""

import copy
import math
import warnings
from itertools import pairwise

import pytest
import timm.layers
import torch
from timm.layers.grn import GlobalResponseNorm
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bakeoff.engine.optim import bare_step, build_optimizer, lr_factor, parameter_groups
from bakeoff.engine.state import Averager
from bakeoff.plan import SGD, Adam, DecayRule, EvalView, Model, Plan, RMSProp, Schedule


def make_plan(**slots) -> Plan:
    base = {
        "model": Model(name="mlp", classes=3, channels=1, px=4),
        "examples_seen": 100,
        "batch_size": 32,
        "train_px": 4,
        "eval_view": EvalView(resize_px=4, crop_px=4),
        "lr": Schedule(per_256=0.8),
        "decay": DecayRule(weight_decay=0.01),
    }
    return Plan(**{**base, **slots})


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 100), (0.25, 37), (5 / 600, 600)])
def test_cosine_with_warmup_equals_torch(warmup: float, steps: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    ramp = round(warmup * steps)
    linear = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=ramp)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps - ramp)
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [linear, cosine], milestones=[ramp])
    schedule = Schedule(per_256=0.1, shape="cosine", warmup=warmup)
    for step in range(steps):
        assert lr_factor(schedule, step, steps) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_cosine_ends_near_zero() -> None:
    """Trap 10: per step, so the last step of five epochs is far below the 9.6 % of a per-epoch cosine."""
    schedule = Schedule(per_256=0.1, shape="cosine")
    assert lr_factor(schedule, 0, 500) == 1.0
    assert lr_factor(schedule, 499, 500) < 1e-4
    assert lr_factor(schedule, 250, 500) == pytest.approx(0.5)


def test_step_schedule_drops_at_each_third() -> None:
    schedule = Schedule(per_256=0.1, shape="step")
    factors = [lr_factor(schedule, step, 90) for step in range(90)]
    assert factors == pytest.approx([1.0] * 30 + [0.1] * 30 + [0.01] * 30)


def test_exponential_and_constant() -> None:
    exponential = Schedule(per_256=0.1, shape="exponential", gamma=0.01)
    factors = [lr_factor(exponential, step, 100) for step in range(101)]
    assert factors[0] == 1.0
    assert factors[100] == pytest.approx(0.01)
    assert all(b / a == pytest.approx(0.01 ** (1 / 100)) for a, b in pairwise(factors))
    assert {lr_factor(Schedule(per_256=0.1, shape="constant"), step, 7) for step in range(7)} == {1.0}


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("shape", ["constant", "step", "cosine", "exponential"])
def test_very_short_training_has_a_learning_rate(shape: str, steps: int) -> None:
    schedule = Schedule(per_256=0.1, shape=shape, warmup=0.2)
    assert all(0 < lr_factor(schedule, step, steps) <= 1 for step in range(steps))


def test_peak_lr_scales_with_the_batch() -> None:
    assert make_plan(batch_size=1024, lr=Schedule(per_256=0.125)).peak_lr == pytest.approx(0.5)
    assert make_plan(batch_size=256, lr=Schedule(per_256=0.1), optimizer=Adam()).peak_lr == pytest.approx(1e-3)


class Block(nn.Module):
    """A residual block whose shortcut has a norm with an innocent name (trap 9: `downsample.1`)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.downsample = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.norm = nn.GroupNorm(2, 4)
        self.head = nn.Linear(4, 2)


def test_decay_goes_by_module_type() -> None:
    model = Block()
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, DecayRule(weight_decay=0.1, norm=0.0, bias=0.02))
    decay = {names[p]: group["weight_decay"] for group in groups for p in group["params"]}
    assert decay == {
        "conv.weight": 0.1,
        "conv.bias": 0.02,
        "downsample.0.weight": 0.1,
        "downsample.1.weight": 0.0,
        "downsample.1.bias": 0.0,
        "norm.weight": 0.0,
        "norm.bias": 0.0,
        "head.weight": 0.1,
        "head.bias": 0.02,
    }


NORMS = [*sorted(name for name in dir(timm.layers) if "Norm" in name), "GlobalResponseNorm", "InplaceAbn"]


@pytest.mark.parametrize("name", NORMS)
def test_normalisation_layers_of_timm_decay_as_such(name: str) -> None:
    layer = GlobalResponseNorm if name == "GlobalResponseNorm" else getattr(timm.layers, name)
    if not (isinstance(layer, type) and issubclass(layer, nn.Module)):
        pytest.skip("a function that makes one")
    try:
        model = layer(8, 2) if name in ("GroupNorm", "GroupNormAct") else layer(8)
    except TypeError:
        pytest.skip("it is made of other layers")
    groups = parameter_groups(model, DecayRule(weight_decay=0.1, norm=0.0))
    own = {id(parameter) for parameter in model.parameters(recurse=False)}
    assert all(group["weight_decay"] == 0.0 for group in groups for p in group["params"] if id(p) in own)


def test_a_layer_that_is_called_a_norm_and_has_weights_is_none() -> None:
    class NormedLinear(nn.Linear):
        pass

    (group,) = parameter_groups(NormedLinear(4, 3, bias=False), DecayRule(weight_decay=0.1, norm=0.0))
    assert group["weight_decay"] == 0.1


def test_one_decay_is_one_group_and_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    (group,) = parameter_groups(model, DecayRule(weight_decay=0.1))
    assert len(group["params"]) == 3


@pytest.mark.parametrize(
    ("slot", "kind"),
    [
        (SGD(nesterov=True), torch.optim.SGD),
        (Adam(), torch.optim.Adam),
        (Adam(decoupled=True), torch.optim.AdamW),
        (RMSProp(), torch.optim.RMSprop),
    ],
)
def test_optimizers_are_torch_s(slot, kind) -> None:
    model = nn.Linear(3, 2)
    optimizer = build_optimizer(model, make_plan(optimizer=slot))
    assert type(optimizer) is kind
    before = model.weight.detach().clone()
    model(torch.ones(5, 3)).sum().backward()
    optimizer.step()
    assert not torch.equal(before, model.weight)


def drift(model: nn.Module, step: int) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(math.sin(step) * 0.1)
    model(torch.randn(4, 2, generator=torch.Generator().manual_seed(step)))


def test_average_equals_torch_s_averaged_model() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    ours = Averager(model, half_life_steps=16.0)
    assert ours.every == 1
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(1 - ours.weight), use_buffers=True)
    theirs.n_averaged += 1  # theirs would copy the first update, ours starts at the initial weights
    for step in range(1, 60):
        drift(model, step)
        ours.update(step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs.update_parameters(model)
    for name, value in theirs.module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(ours.model.state_dict()[name], value)
    assert ours.model.state_dict()["1.num_batches_tracked"] == model.state_dict()["1.num_batches_tracked"] == 59


@pytest.mark.parametrize("half_life", [0.5, 3.0, 64.0, 1000.0])
def test_half_life_is_what_it_says(half_life: float) -> None:
    """Trap 8: after one half-life of a constant, half of the distance is left, however often the average moves."""
    model = nn.Linear(1, 1)
    average = Averager(model, half_life)
    start = average.model.state_dict()["weight"].item()
    with torch.no_grad():
        model.weight += 1.0
    lives = 1 if half_life >= 16 else 4
    for step in range(1, round(half_life * lives) + 1):
        average.update(step)
    steps = round(half_life * lives) // average.every * average.every
    assert average.model.state_dict()["weight"].item() - start == pytest.approx(
        1 - 0.5 ** (steps / half_life), abs=1e-5
    )


def test_average_is_not_trained_and_keeps_the_last_buffers() -> None:
    model = nn.BatchNorm1d(2)
    average = Averager(model, 16.0)
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    before = copy.deepcopy(average.model.state_dict())
    model(torch.randn(8, 2) * 5)
    average.update(1)
    assert average.model.num_batches_tracked == 1
    assert not torch.equal(before["running_var"], average.model.state_dict()["running_var"])


@pytest.mark.parametrize(
    "slot", [SGD(), SGD(momentum=0.0), SGD(nesterov=True), Adam(), Adam(decoupled=True), RMSProp()], ids=str
)
def test_a_bare_step_is_the_optimizer_s_own_to_the_bit(slot: SGD | Adam | RMSProp) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(5, 7, bias=False), nn.BatchNorm1d(7), nn.Linear(7, 3, bias=False))
    ours.register_parameter("unused_weight", nn.Parameter(torch.ones(2)))
    ours.register_parameter("unused_bias", nn.Parameter(torch.ones(2)))  # alone in its group
    torchs = copy.deepcopy(ours)
    plan = make_plan(optimizer=slot, decay=DecayRule(weight_decay=0.1, bias=0.0))
    optimizers = [build_optimizer(net, plan) for net in (ours, torchs)]
    update = bare_step(optimizers[0])
    for _ in range(3):
        images = torch.randn(8, 5)
        for net in (ours, torchs):
            net(images).square().mean().backward()
        update()
        optimizers[1].step()
        optimizers[1].zero_grad(set_to_none=True)
        assert all(parameter.grad is None for parameter in ours.parameters())
    for a, b in zip(ours.state_dict().values(), torchs.state_dict().values(), strict=True):
        assert torch.equal(a, b)
