"""Small networks for small images, fast on CPUs."""

from torch import nn

from bakeoff.plan import Model


def softmax(spec: Model) -> nn.Module:
    """Softmax regression: one linear layer on the pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * spec.px**2, spec.classes))


def mlp(spec: Model, hidden: int = 30, layers: int = 1) -> nn.Module:
    """A perceptron with `layers` hidden layers of `hidden` units with ReLU."""
    net: list[nn.Module] = [nn.Flatten()]
    width = spec.channels * spec.px**2
    for _ in range(layers):
        net += [nn.Linear(width, hidden), nn.ReLU(inplace=True)]
        width = hidden
    return nn.Sequential(*net, nn.Linear(width, spec.classes))


def cnn(spec: Model, width: int | None = None) -> nn.Module:
    """Four convolutions, then the maximum of each channel over the image: sides from 4 px on, whatever `spec.px` is.

    The first convolution and its pooling shrink the image by 4 where it is gray and by 2 where it has colours: on
    CIFAR-10 that bought 2.3 points after one epoch, for 3.4 times the time (one seed). Below 16 px they don't shrink
    it. width: channels of the first convolution, 16 for gray images and 32 for colours.
    """
    width = width or (16 if spec.channels == 1 else 32)
    if spec.px < 16:
        stem = _layer(spec.channels, width, 3)
    elif spec.channels == 1:
        stem = _layer(spec.channels, width, 5, stride=2, pool=True)
    else:
        stem = _layer(spec.channels, width, 3, pool=True)
    return nn.Sequential(
        *stem,
        *_layer(width, 2 * width, 3),
        *_layer(2 * width, 2 * width, 3, pool=True),
        *_layer(2 * width, 4 * width, 3, pool=True),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, spec.classes),
    )


def _layer(width_in: int, width: int, kernel: int, stride: int = 1, pool: bool = False) -> list[nn.Module]:
    """Convolution, pooling, normalisation, ReLU.

    Pooling comes first, so that the others have a quarter of the work; n px become n // 2 + 1, which is never less
    than the 2 px that BatchNorm needs for a batch of one.
    """
    convolution = nn.Conv2d(width_in, width, kernel, stride, padding=kernel // 2, bias=False)
    pooling = [nn.MaxPool2d(2, padding=1)] if pool else []
    return [convolution, *pooling, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
