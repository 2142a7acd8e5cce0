"""Models of torchvision and timm by name, with random weights."""

from typing import Any

from torch import nn

from bakeoff.errors import RequestError, unknown
from bakeoff.plan import Model

TIMM = "timm:"
_LOADS = ("pretrained", "checkpoint")  # begin the names of timm's arguments that bring weights along


def torchvision_names() -> list[str]:
    """Classification models of the installed torchvision."""
    from torchvision import models  # here, since it takes a second

    names: list[str] = models.list_models(module=models)
    return names


def from_torchvision(spec: Model) -> nn.Module:
    """A model of torchvision without pretrained weights; knobs are its keyword arguments.

    Raises RequestError for knobs that it doesn't have and for sizes that it can't be built for.
    """
    from torchvision import models

    knobs = torchvision_knobs(spec)
    try:
        net: nn.Module = models.get_model(spec.name, weights=None, num_classes=spec.classes, **knobs)
    except Exception as error:  # what knobs make of other people's code may be anything
        raise _refused(spec, error) from error
    return _gray(net) if spec.channels == 1 else net


def torchvision_knobs(spec: Model) -> dict[str, Any]:
    """The keyword arguments of torchvision's builder, but for the number of classes."""
    knobs: dict[str, Any] = dict(spec.knobs)
    if spec.name.startswith("vit_"):
        knobs["image_size"] = spec.px
    elif spec.name.startswith("maxvit_"):
        knobs["input_size"] = (spec.px, spec.px)
    elif spec.name in ("googlenet", "inception_v3"):
        # one output; and their own initialisation takes minutes, so torchvision deprecated it
        knobs |= {"aux_logits": False, "init_weights": False}
    return knobs


def from_timm(spec: Model) -> nn.Module:
    """A model of timm without pretrained weights; knobs are arguments of timm.create_model.

    Raises RequestError where timm isn't installed, or for names and knobs that it doesn't have.
    """
    try:
        import timm
    except ImportError as error:
        raise RequestError(f"model '{spec.name}' needs timm: pip install 'bakeoff[timm]'") from error
    if loads := next((knob for knob in spec.knobs if knob.startswith(_LOADS)), None):
        raise RequestError(f"model '{spec.name}': {loads} loads weights, and networks are trained from scratch here")
    name = spec.name.removeprefix(TIMM)
    if not timm.is_model(name):
        raise unknown("timm model", name, timm.list_models())
    knobs: dict[str, Any] = {"num_classes": spec.classes, "in_chans": spec.channels, **spec.knobs}
    try:
        net: nn.Module = timm.create_model(name, **knobs)
    except Exception as error:  # what knobs make of other people's code may be anything
        raise _refused(spec, error) from error
    return net


def _gray(net: nn.Module) -> nn.Module:
    """Let the first convolution take one channel, and do to it what it did to three equal ones."""
    stem = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    stem.weight = nn.Parameter(stem.weight.detach().sum(1, keepdim=True))
    stem.in_channels = 1
    return net


def _refused(spec: Model, error: Exception) -> RequestError:
    return RequestError(f"model '{spec.name}' can't be built with {spec.knobs} for {spec.px} px: {error}")
