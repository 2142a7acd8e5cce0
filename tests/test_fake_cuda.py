"""The engine on a device that isn't the CPU, without having one: nothing meets a tensor of the other device, or waits.

Tensors of the pretended device hold theirs on the CPU and say that they are elsewhere; every operation is done there,
after a look at whether a GPU would have done it, and whether its host would have waited for it. The pretended device
is torch's `meta`, the only one that autograd and indexing take without a driver. What a GPU's kernels refuse or round
otherwise doesn't show here.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from bakeoff import plan
from bakeoff.data import augment, loader, mix
from bakeoff.engine.checkpoint import Checkpoint
from bakeoff.engine.evaluate import evaluate
from bakeoff.engine.train import train
from bakeoff.parts import ImageOp
from bakeoff.storage import local_file
from tests.helpers import draws, pictures, small_data, small_plan

CPU, ELSEWHERE = torch.device("cpu"), torch.device("meta")
BETWEEN = ("aten::_to_copy", "aten::copy_")  # operations that may see both devices
LOOKS = ("nonzero", "_local_scalar_dense", "masked_select", "bincount", "_unique2", "unique_dim", "_linalg_eigh")
waits: list[str] = []  # operations for which a host waits for its device


class Away(Tensor):
    """A tensor on the pretended device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "Away":
        layout: dict[str, Any] = {"strides": held.stride(), "storage_offset": held.storage_offset()}
        made: Away = Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype, device=ELSEWHERE, **layout)
        made.held = held
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        copy = Away(self.held.clone(memory_format=torch.preserve_format))
        return nn.Parameter(copy, self.requires_grad) if isinstance(self, nn.Parameter) else copy

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.tolist:  # not for subclasses
            waits.append("tolist")
            return args[0].held.tolist()
        with torch._C.DisableTorchFunctionSubclass():  # else what comes home would be made one of these again
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, *call: Any) -> Any:
        func, _types, args, kwargs = call
        return compute(func, args, kwargs)


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Do an operation on what is held, or refuse it as a GPU would."""
    name, asked = func.name(), kwargs.get("device")
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    away = [x for x in tensors if isinstance(x, Away)]
    if away and not name.startswith(BETWEEN) and any(x.ndim and not isinstance(x, Away) for x in tensors):
        raise RuntimeError(f"{name} of tensors on two devices")
    to = bool(away) if asked is None else torch.device(asked) == ELSEWHERE
    if name.startswith("aten::copy_"):
        to = isinstance(args[0], Away)
    if _waits(name, args, kwargs, away, to):
        waits.append(name)
    home = {**kwargs, "device": CPU} if to and asked is not None else kwargs
    out = func(*tree_map(_held, args), **tree_map(_held, home))
    same = {id(x.held): x for x in away}  # what an operation in place returns

    def placed(x: Any) -> Any:
        return x if not to or not isinstance(x, Tensor) else same[id(x)] if id(x) in same else Away(x)

    return tree_map(placed, out)


def _waits(name: str, args: Any, kwargs: dict[str, Any], away: list[Away], to: bool) -> bool:
    """Whether a host waits for its GPU: to see a size or a value, for what comes home, or to send what isn't pinned."""
    short = name.removeprefix("aten::").partition(".")[0]
    if short in ("_to_copy", "copy_"):
        source = args[1] if short == "copy_" else args[0]
        if isinstance(source, Away):
            return not to
        unblocked = kwargs.get("non_blocking") or (short == "copy_" and len(args) > 2 and args[2])
        return to and source.ndim > 0 and not unblocked  # a number travels with the launch
    masked = short.startswith("index") and any(x.dtype == torch.bool for x in away)
    return bool(away) and (masked or short in LOOKS or not to)


def _held(x: Any) -> Any:
    return x.held if isinstance(x, Away) else x


class _Everything(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        with self:  # in inference mode, operations that are made of others come whole
            parts = func.decompose(*args, **kwargs)
        return compute(func, args, kwargs) if parts is NotImplemented else parts


class _Values(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == ELSEWHERE:  # meta drops the values
            return func(*args, **{**kwargs, "device": CPU}).to(ELSEWHERE)
        return func(*args, **kwargs)


@contextmanager
def pretended() -> Iterator[None]:
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    waits.clear()
    try:
        with _Values(), _Everything():
            yield
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


OPS: list[tuple[ImageOp, ...]] = [
    (),
    (plan.PadCrop(),),
    (plan.ResizedCrop(),),
    (plan.PadCrop(), plan.HorizontalFlip()),
    (plan.PadCrop(), plan.TrivialAugment()),
    (plan.PadCrop(), plan.RandAugment()),
    (plan.PadCrop(), plan.AutoAugment()),
    (plan.PadCrop(), plan.RandomErasing(p=0.5)),
]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("ops", OPS, ids=lambda ops: ops[-1].kind if ops else "none")
def test_image_operations(ops: tuple[ImageOp, ...], channels: int) -> None:
    images, shown = pictures(64, channels, 8), small_plan(image_ops=ops)
    mean = std = torch.full((channels,), 0.5)
    here = augment.augment(images, shown, draws(64), mean, std)
    with pretended():
        there = augment.augment(images.to(ELSEWHERE), shown, draws(64), mean.to(ELSEWHERE), std.to(ELSEWHERE))
    assert torch.equal(_away(there), here)


@pytest.mark.parametrize("mixer", [plan.Mixup(alpha=1.0), plan.Cutmix(alpha=1.0)], ids=lambda mixer: mixer.kind)
def test_mixing(mixer: plan.Mixup | plan.Cutmix) -> None:
    images, targets = pictures(8, 3, 8).float(), torch.eye(8)
    here = mix.mix(images, targets, (mixer,), 0, 0)
    with pretended():
        there = mix.mix(images.to(ELSEWHERE), targets.to(ELSEWHERE), (mixer,), 0, 0)
    assert all(torch.equal(_away(a), b) for a, b in zip(there, here, strict=True))


WHOLE = small_plan(
    image_ops=(plan.PadCrop(), plan.HorizontalFlip(), plan.TrivialAugment(), plan.RandomErasing()),
    mixers=(plan.Mixup(alpha=0.2), plan.Cutmix(alpha=1.0)),
    sampler=plan.Repeated(copies=2),
    loss=plan.Loss(label_smoothing=0.1),
    average=plan.Average(half_life=0.1),
)


def test_batches() -> None:
    data = small_data()
    here = list(loader.batches(data, WHOLE, 0, 0, CPU, 0))
    with pretended():
        there = list(loader.batches(data, WHOLE, 0, 0, ELSEWHERE, 0))
    assert len(here) == len(there) == WHOLE.steps
    for a, b in zip(there, here, strict=True):
        assert all(torch.equal(_away(x), y) for x, y in zip(a, b, strict=True))


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # says that it copies nothing, and copies
@pytest.mark.parametrize(
    "optimizer",
    [plan.SGD(nesterov=True), plan.Adam(decoupled=True), plan.RMSProp()],
    ids=lambda optimizer: optimizer.kind,
)
def test_training_and_evaluation(optimizer: plan.Optimizer, tmp_path: Path) -> None:
    """And what its checkpoint, loaded, goes on from."""
    shown, data = WHOLE.model_copy(update={"optimizer": optimizer}), small_data()
    here = train(shown, data, 0, CPU)
    report = data.splits["report"]
    with pretended():
        there = train(shown, data, 0, ELSEWHERE, checkpoint=Checkpoint(local_file(tmp_path / "there")))
        again = train(shown, data, 0, ELSEWHERE, checkpoint=Checkpoint(local_file(tmp_path / "there")))
        found = evaluate(there.average.model, report, data, shown, shown.eval_view, ELSEWHERE)
    expected = evaluate(here.average.model, report, data, shown, shown.eval_view, CPU)
    assert there.losses == pytest.approx(here.losses, rel=1e-4)
    assert again.losses == there.losses
    assert found.cross_entropy == pytest.approx(expected.cross_entropy, rel=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
def test_training_waits_for_the_device_only_to_look_at_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every eighth step, whatever is drawn for images and batches."""
    for clock in ("REPORT", "SILENT", "CHECKPOINT"):  # what is done by the clock waits as well
        monkeypatch.setattr(f"bakeoff.engine.train._{clock}_SECONDS", math.inf)
    found = []
    for steps in (24, 48):
        shown = WHOLE.model_copy(update={"examples_seen": WHOLE.batch_size * steps})
        with pretended():
            train(shown, small_data(), 0, ELSEWHERE)
        found.append(list(waits))
    assert len(found[1]) - len(found[0]) == 3, found


@pytest.mark.parametrize("op", [op for ops in OPS for op in ops[-1:]], ids=lambda op: op.kind)
def test_no_image_operation_waits(op: ImageOp) -> None:
    images, shown, mean = pictures(64, 3, 8), small_plan(image_ops=(op,)), torch.full((3,), 0.5)
    with pretended():
        given = images.to(ELSEWHERE), mean.to(ELSEWHERE)
        waits.clear()
        augment.augment(given[0], shown, draws(64), given[1], given[1])
    assert not waits


@pytest.mark.parametrize(
    "looks",
    [
        lambda x, here: x.nonzero(),
        lambda x, here: x[x > 1],
        lambda x, here: torch.bincount(x),
        lambda x, here: x.sum().item(),
        lambda x, here: x.cpu(),
        lambda x, here: x.tolist(),
        lambda x, here: here.to(ELSEWHERE),
        lambda x, here: torch.tensor([1, 2], device=ELSEWHERE),
        lambda x, here: x.copy_(here),
    ],
)
def test_what_waits_is_counted(looks: Callable[[Tensor, Tensor], Any]) -> None:
    here = torch.arange(3)
    with pretended():
        there = here.to(ELSEWHERE, non_blocking=True)
        assert not waits
        looks(there, here)
        assert len(waits) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda here, there: there + here,
        lambda here, there: there.index_select(0, here),
        lambda here, there: here[there],
        lambda here, there: there[here],
        lambda here, there: torch.cat((here, there)),
    ],
)
def test_what_a_gpu_refuses_is_refused(wrong: Callable[[Tensor, Tensor], Tensor]) -> None:
    here = torch.arange(3)
    with pretended(), pytest.raises(RuntimeError, match="two devices"):
        wrong(here, here.to(ELSEWHERE))


def _away(x: Tensor) -> Tensor:
    assert isinstance(x, Away)
    return x.held
