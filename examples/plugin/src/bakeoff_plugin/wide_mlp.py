"""wide-mlp: a perceptron with one wide hidden layer."""

from torch import nn

from bakeoff import Model


def build(spec: Model, width: int = 256) -> nn.Module:
    """One hidden layer of `width` units: (N, channels, px, px) -> (N, classes)."""
    pixels = spec.channels * spec.px**2
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, spec.classes))
