"""A network from outside: a function from the plan's Model to a torch module.

bakeoff train --task digits --model ./examples/net.py:build --set model.knobs.width=24
"""

from torch import nn

from bakeoff import Model


def build(spec: Model, width: int = 16) -> nn.Module:
    """Two convolutions and their average over the image, for any size: (N, channels, px, px) -> (N, classes)."""
    return nn.Sequential(
        nn.Conv2d(spec.channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, spec.classes),
    )
