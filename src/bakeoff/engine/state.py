"""Everything that a run in progress is, as one object that is taken apart and put together whole."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bakeoff.engine.tensors import Damaged, fit
from bakeoff.plan import Plan


class Averager:
    """Exponential moving average of a model's parameters and float buffers; integer buffers are copied.

    The weights move towards the live ones every sixteenth of a half-life, by the share that makes the half-life come
    out right: as good as every step, at a fraction of the cost.
    """

    def __init__(self, model: nn.Module, half_life_steps: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.every = max(1, round(half_life_steps / 16))
        self.weight = 1.0 - 0.5 ** (self.every / half_life_steps)
        live, kept = model.state_dict(), self.model.state_dict()
        floating = [name for name in live if live[name].is_floating_point()]
        self._live, self._kept = [live[n] for n in floating], [kept[n] for n in floating]
        counts = [name for name in live if name not in floating]
        self._live_counts, self._kept_counts = [live[n] for n in counts], [kept[n] for n in counts]

    def update(self, step: int) -> None:
        """Follow the live weights after optimizer step `step` (1-based over the whole run)."""
        if step % self.every == 0:
            torch._foreach_lerp_(self._kept, self._live, self.weight)
            if self._kept_counts:
                torch._foreach_copy_(self._kept_counts, self._live_counts)


class State:
    """Weights, their average, optimizer state, and what was measured so far."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, plan: Plan) -> None:
        self.model = model
        self.average = Averager(model, plan.tracked_average.half_life * plan.steps)
        self.optimizer = optimizer
        self.steps = plan.steps
        self.losses: list[float] = []  # training loss of every step
        self.seconds = 0.0
        self.data_wait = 0.0  # part of `seconds` spent waiting for batches

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return len(self.losses)

    def tensors(self) -> dict[str, Tensor]:
        """All of it that is tensors, by name."""
        found = {**self.weights(), "losses": torch.tensor(self.losses, dtype=torch.float64)}
        for index, values in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{index}.{name}": v for name, v in values.items() if isinstance(v, Tensor)}
        return found

    def about(self) -> dict[str, Any]:
        """What else it is, as JSON has it."""
        return {"step": self.step, "seconds": self.seconds, "data_wait": self.data_wait}

    def expected(self) -> dict[str, Tensor]:
        """Tensors of the shapes that `tensors` will have once training has begun, the losses aside."""
        kept = _kept_by(self.optimizer)
        found = self.weights()
        for index, parameter in enumerate(self._parameters()):
            found |= {f"optimizer.{index}.{key}": parameter if like else one for key, (one, like) in kept.items()}
        return found

    @property
    def most_beside(self) -> int:
        """Bytes of the losses of all steps."""
        return 8 * self.steps

    def check(self, found: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Raise Damaged for what can't be the `tensors` and `about` of a run of the same plan."""
        losses, step, expected = found.get("losses"), about.get("step"), self.expected()
        if not all(isinstance(about.get(name), float) for name in ("seconds", "data_wait")):
            raise Damaged("it doesn't say how long it took")
        if losses is None or losses.dtype != torch.float64 or losses.shape != (step,):
            raise Damaged("its step count isn't that of its losses")
        if not 1 <= len(losses) <= self.steps:
            raise Damaged(f"it is at step {len(losses):,} of {self.steps:,}")
        used = {name.split(".")[1] for name in found if name.startswith("optimizer.")}  # a network may leave some out
        unused = {name for name in expected if name.startswith("optimizer.") and name.split(".")[1] not in used}
        fit(found, {n: t for n, t in expected.items() if n not in unused} | {"losses": losses})

    def load(self, found: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Go on from what `tensors` and `about` gave. Raises Damaged as `check` does, before any of it is taken."""
        self.check(found, about)
        for prefix, module in (("model.", self.model), ("average.", self.average.model)):
            module.load_state_dict({n.removeprefix(prefix): t for n, t in found.items() if n.startswith(prefix)})
        parameters = self._parameters()
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in found.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                like = parameters[int(index)]  # same device and memory format, or fused kernels fall back
                state.setdefault(int(index), {})[key] = (
                    torch.empty_like(like, requires_grad=False).copy_(tensor) if tensor.shape == like.shape else tensor
                )
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.losses = found["losses"].tolist()
        self.seconds, self.data_wait = about["seconds"], about["data_wait"]

    def weights(self) -> dict[str, Tensor]:
        """The last weights (`model.*`) and their average (`average.*`)."""
        found = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return found | {f"average.{name}": tensor for name, tensor in self.average.model.state_dict().items()}

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def _kept_by(optimizer: torch.optim.Optimizer) -> dict[str, tuple[Tensor, bool]]:
    """What an optimizer keeps of a parameter: key -> such a tensor, and whether it has the parameter's shape."""
    one = nn.Parameter(torch.zeros(2))
    one.grad = torch.zeros(2)
    taken = inspect.signature(type(optimizer)).parameters  # AdamW's defaults have one that it doesn't take
    probe = type(optimizer)([one], **{name: value for name, value in optimizer.defaults.items() if name in taken})
    probe.step()
    return {key: (t, t.shape == one.shape) for key, t in probe.state[one].items() if isinstance(t, Tensor)}
