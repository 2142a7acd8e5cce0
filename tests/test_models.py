import importlib.util
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bakeoff import models, rng
from bakeoff.errors import RequestError
from bakeoff.plan import Model

SMALL = ("softmax", "mlp", "cnn", "resnet20", "resnet18-32")


def build(name: str, channels: Any = 1, px: int = 28, classes: int = 10, seed: int = 0, **knobs: Any) -> nn.Module:
    with rng.torch_seeded(seed, "init"):
        return models.build(Model(name=name, classes=classes, channels=channels, px=px, knobs=knobs))


def size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def images(n: int, channels: int, px: int) -> Tensor:
    return torch.randn(n, channels, px, px, generator=torch.Generator().manual_seed(0))


def test_names() -> None:
    assert set(SMALL) < set(models.NAMES)
    assert set(SMALL) | {"resnet50", "vit_b_16"} < set(models.describe())
    assert all(models.describe().values())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SMALL)
def test_small_models_train(name: str, channels: int) -> None:
    net = build(name, channels, px=12, classes=7)
    assert net.training
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    for n in (1, 3):
        out = net(images(n, channels, 12))
        assert out.shape == (n, 7)
        out.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    ("name", "channels", "px", "expected"),
    [
        ("softmax", 1, 28, 784 * 10 + 10),
        ("mlp", 1, 28, 784 * 30 + 30 + 30 * 10 + 10),
        ("resnet20", 3, 32, 269_722),  # 0.27 M in the paper
        # torchvision's 11,689,512 with 10 classes for 1,000 and a 3x3 stem for 7x7
        ("resnet18-32", 3, 32, 11_689_512 - 990 * 513 - 64 * 3 * (49 - 9)),
        ("cnn", 1, 28, 16 * 25 + 32 * 16 * 9 + 32 * 32 * 9 + 64 * 32 * 9 + 2 * (16 + 32 + 32 + 64) + 650),
    ],
)
def test_parameter_counts(name: str, channels: int, px: int, expected: int) -> None:
    assert size(build(name, channels, px)) == expected


def test_knobs() -> None:
    assert size(build("mlp", hidden=5, layers=3)) == 784 * 5 + 5 + 2 * (5 * 5 + 5) + 5 * 10 + 10
    assert size(build("cnn", 3)) == size(build("cnn", 3, width=32))
    assert 3 < size(build("cnn", width=32)) / size(build("cnn", width=16)) < 4


@pytest.mark.parametrize("channels", [1, 3])
@given(data=st.data())
@settings(max_examples=25)
def test_cnn_takes_any_side_and_batch(data: st.DataObject, channels: int) -> None:
    built, shown, n = (data.draw(st.integers(*between)) for between in ((4, 40), (4, 40), (1, 3)))
    net = models.build(Model(name="cnn", classes=10, channels=channels, px=built), shown)
    assert net(images(n, channels, shown)).shape == (n, 10)


@pytest.mark.parametrize("name", SMALL)
def test_initial_weights_are_a_function_of_the_seed(name: str) -> None:
    a, b, c = (build(name, px=8, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(a[key], c[key]) for key in a)


def test_resnet20_shortcut_without_parameters() -> None:
    block = build("resnet20", 3, px=8).eval().get_submodule("6")  # the first with stride 2
    nn.init.zeros_(block.get_parameter("bn2.weight"))
    x = images(2, 16, 8)
    out = block(x)
    assert out.shape == (2, 32, 4, 4)
    assert torch.equal(out[:, :16], x[:, :, ::2, ::2].relu())
    assert not out[:, 16:].any()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_torchvision_model_on_gray_images(name: str) -> None:
    gray, colour = build(name, 1, px=32, classes=3).eval(), build(name, 3, px=32, classes=3).eval()
    x = images(2, 1, 32)
    assert gray(x).shape == (2, 3)
    # the same seed, so the same network, shown the image in all three channels
    torch.testing.assert_close(gray(x), colour(x.expand(-1, 3, -1, -1)))


def test_torchvision_model_that_has_one_output_only_when_asked() -> None:
    assert isinstance(build("googlenet", 3, px=64)(images(2, 3, 64)), Tensor)


@pytest.mark.slow
def test_torchvision_model_that_is_built_for_a_size() -> None:
    net = build("vit_b_32", 1, px=64, dropout=0.25)
    assert net(images(1, 1, 64)).shape == (1, 10)
    assert 0.25 in {module.p for module in net.modules() if isinstance(module, nn.Dropout)}


def test_sync_batchnorm() -> None:
    def kinds(sync: bool) -> set[type[nn.Module]]:
        net = models.build(Model(name="cnn", classes=10, channels=1, px=8, sync_batchnorm=sync))
        return {type(module) for module in net.modules()}

    assert nn.BatchNorm2d in kinds(False)
    assert nn.SyncBatchNorm not in kinds(False)
    assert nn.SyncBatchNorm in kinds(True)
    assert nn.BatchNorm2d not in kinds(True)


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("resnet51", {}, "unknown model 'resnet51'; did you mean resnet5"),
        ("cnnn", {}, "unknown model 'cnnn'; did you mean cnn?"),
        ("cnn", {"widht": 8}, "unknown knob of model 'cnn' 'widht'; did you mean width?"),
        ("cnn", {"width": 0}, "width is a whole number from 1 to 10,000 (got 0)"),
        ("cnn", {"width": 1.5}, "(got 1.5)"),
        ("mlp", {"layers": True}, "(got True)"),
        ("softmax", {"hidden": 3}, "'softmax' has no knobs"),
        ("resnet18", {"depth": 3}, "'resnet18' can't be built with {'depth': 3}"),
        ("vit_b_16", {}, "'vit_b_16' can't be built with {} for 28 px"),
        ("alexnet", {}, "built for 28 px can't take 28x28 images"),
    ],
)
def test_wrong_requests(name: str, knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        build(name, **knobs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["softmax", "mlp"])
def test_networks_on_pixels_take_one_size(name: str) -> None:
    spec = Model(name=name, classes=10, channels=1, px=8)
    assert models.build(spec, 8)(images(1, 1, 8)).shape == (1, 10)
    with pytest.raises(RequestError, match="built for 8 px can't take 6x6 images"):
        models.build(spec, 6)


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RequestError, match=r"needs timm: pip install 'bakeoff\[timm\]'"):
        build("timm:resnet10t")


@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm isn't installed")
def test_timm() -> None:
    assert build("timm:resnet10t", 1, px=32)(images(2, 1, 32)).shape == (2, 10)
    with pytest.raises(RequestError, match="unknown timm model 'resnet10u'; did you mean resnet10t"):
        build("timm:resnet10u")
