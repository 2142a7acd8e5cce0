"""Everything that a run in progress is, as one object that is saved and loaded whole."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from bakeoff.plan import Plan
from bakeoff.storage import File


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
        self.losses: list[float] = []  # training loss of every step
        self.seconds = 0.0
        self.data_wait = 0.0  # part of `seconds` spent waiting for batches

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return len(self.losses)

    def save(self, file: File) -> None:
        """Write a file in one piece: at any moment it holds either the old state or the new one."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"average.{name}": tensor for name, tensor in self.average.model.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": v for name, v in values.items() if isinstance(v, Tensor)}
        tensors["losses"] = torch.tensor(self.losses, dtype=torch.float64)
        write_tensors(file, tensors, {"seconds": self.seconds, "data_wait": self.data_wait})

    def load(self, data: bytes) -> None:
        """Go on from a saved state of the same plan. data: of the file."""
        tensors, meta = read_tensors(data)
        for prefix, module in (("model.", self.model), ("average.", self.average.model)):
            module.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                like = parameters[int(index)]  # same device and memory format, or fused kernels fall back
                state.setdefault(int(index), {})[key] = (
                    torch.empty_like(like, requires_grad=False).copy_(tensor) if tensor.shape == like.shape else tensor
                )
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.losses = tensors["losses"].tolist()
        self.seconds, self.data_wait = meta["seconds"], meta["data_wait"]


def write_tensors(file: File, tensors: Mapping[str, Tensor], meta: Mapping[str, Any] | None = None) -> None:
    """Write a safetensors file in one piece (`Storage.write`). meta: what else to keep, as JSON can hold it."""
    file.write(save({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, {"meta": json.dumps(meta or {})}))


def read_tensors(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a safetensors file, and what else is kept in it."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return load(data), json.loads(header["__metadata__"]["meta"])
