"""Residual networks for images of about 32 px: no early pooling, three or four stages."""

import torch.nn.functional as F
from torch import Tensor, nn

from bakeoff.plan import Model


def resnet20(spec: Model) -> nn.Module:
    """The CIFAR-10 ResNet with 20 layers and 16, 32, 64 channels: He et al. 2016, section 4.2.

    https://arxiv.org/abs/1512.03385
    """
    layers: list[nn.Module] = [
        nn.Conv2d(spec.channels, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
    ]
    width = 16
    for stage_width in (16, 32, 64):
        for _ in range(3):
            layers.append(_Block(width, stage_width))
            width = stage_width
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, spec.classes))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def resnet18_32(spec: Model) -> nn.Module:
    """torchvision's resnet18 with a 3x3 first convolution of stride 1 and no max-pooling."""
    from torchvision.models import resnet18  # here, since it takes a second

    net: nn.Module = resnet18(num_classes=spec.classes)
    net.conv1 = stem = nn.Conv2d(spec.channels, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's own
    net.maxpool = nn.Identity()
    return net


class _Block(nn.Module):
    """Two convolutions beside the identity; where the width grows the stride is 2 and new channels start as 0.

    That is shortcut A of the paper: it has no parameters.
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.stride = 1 if width_in == width else 2
        self.grow = width - width_in
        self.conv1 = nn.Conv2d(width_in, width, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grow))
        return F.relu(y + shortcut, inplace=True)
