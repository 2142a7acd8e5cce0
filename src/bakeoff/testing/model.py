"""Checks of a model builder."""

from collections.abc import Sequence
from pathlib import Path

import torch

from bakeoff import models, rng
from bakeoff.models import Builder
from bakeoff.plan import Model
from bakeoff.task import Task
from bakeoff.testing.small import TASKS, require
from bakeoff.testing.technique import check_training


def check_model(model: str | Builder, tasks: Sequence[Task] = TASKS, **knobs: int | float | bool | str) -> None:
    """A network of the right shape whose weights follow the seed, that learns in all of them, and trains bit-equal.

    model: by name, from a file ("./net.py:build"), or a builder. tasks: for whose images it is built, by default 8 px
    in gray and 20 px in colour. knobs: passed on to the builder. Raises AssertionError saying what is broken.
    """
    name = models.name_of(model)
    for task in tasks:
        spec = Model(name=name, classes=task.classes, channels=task.channels, px=task.px, knobs=knobs)
        with rng.torch_seeded(0, "init"):
            net = models.build(spec)
        with rng.torch_seeded(0, "init"):
            again = models.build(spec).state_dict()
        weights = net.state_dict()
        require(weights, f"model '{name}' has no weights")
        same = weights.keys() == again.keys() and all(torch.equal(weights[key], again[key]) for key in weights)
        require(same, f"model '{name}': initial weights don't follow from torch's global generator")
        floating = [tensor for tensor in weights.values() if tensor.is_floating_point()]
        plain = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in floating)
        require(plain, f"model '{name}' should be built in float32 on the CPU")
        images = torch.randn(6, task.channels, task.px, task.px, generator=torch.Generator().manual_seed(0))
        logits = net.train()(images)
        require(logits.shape == (6, task.classes), f"model '{name}' gives {tuple(logits.shape)} for 6 images")
        logits.square().sum().backward()
        still = [key for key, parameter in net.named_parameters() if parameter.requires_grad and parameter.grad is None]
        require(not still, f"model '{name}': no gradient reaches {', '.join(still)}")
        net.eval()
        with torch.inference_mode():
            alone = torch.cat([net(image[None]) for image in images])
            require(
                torch.allclose(alone, net(images), atol=1e-4),
                f"model '{name}': at evaluation an image's result depends on the rest of its batch",
            )
        check_training(task.base_plan().model_copy(update={"model": spec}), task.load(Path()))
