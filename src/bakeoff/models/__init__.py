"""Networks by name: our small ones, torchvision's classification models, and timm's."""

import inspect
from collections.abc import Callable

import psutil
import torch
from torch import nn
from torch.func import functional_call

from bakeoff.errors import RequestError, blamed, shown, unknown
from bakeoff.models import named, resnet32, small
from bakeoff.plan import Model
from bakeoff.registry import Registry, is_file_spec

__all__ = ["NAMES", "REGISTRY", "Builder", "build", "describe", "name_of"]

Builder = Callable[..., nn.Module]  # (spec: Model, **knobs) -> a network: (N, channels, px, px) -> (N, classes)

_OURS: dict[str, tuple[str, Callable[..., nn.Module], tuple[str, ...]]] = {  # name: (about, builder, its knobs)
    "softmax": ("one linear layer on the pixels", small.softmax, ()),
    "mlp": ("fully connected layers on the pixels; knobs hidden=30, layers=1", small.mlp, ("hidden", "layers")),
    "cnn": ("4 convolutions, for 8 to 40 px and CPUs; knob width=16, or 32 for colour", small.cnn, ("width",)),
    "resnet20": ("He et al.'s ResNet of 0.27 M weights, for 32 px", resnet32.resnet20, ()),
    "resnet18-32": ("torchvision's resnet18 with a stem for 32 px", resnet32.resnet18_32, ()),
}
_MOST, _MOST_LAYERS = 10_000, 100  # of a knob of ours
NAMES = {name: about for name, (about, _, _) in _OURS.items()} | {
    "NAME": "any classification model of torchvision, such as resnet50",
    "timm:NAME": "any model of timm, such as timm:resnet50d; needs pip install 'bakeoff[timm]'",
}


def _accept(thing: object) -> Builder | None:
    return thing if callable(thing) and not isinstance(thing, nn.Module) else None


REGISTRY: Registry[Builder] = Registry(
    "model", tuple(_OURS), lambda name: _OURS[name][1], _accept, "a function from bakeoff.plan.Model to a torch module"
)


def name_of(model: str | Builder) -> str:
    """The name that a plan has for a model: itself, or "net:build" for the builder `build` of a file or module net.

    model: a name, a builder in a file ("./net.py:build"), or a builder. Raises RequestError as `Registry.get` does;
    whether a name exists shows when it is built.
    """
    return model if isinstance(model, str) and not is_file_spec(model) else REGISTRY.add(model)


def describe() -> dict[str, str]:
    """Every name that `build` takes, timm's aside, and what it is."""
    ours = {name: about for name, (about, _, _) in _OURS.items()}
    outside = {name: origin.where for name in REGISTRY.names() if (origin := REGISTRY.origin(name))}
    return ours | outside | {name: "torchvision" for name in named.torchvision_names()}


def build(spec: Model, *sides: int) -> nn.Module:
    """A new network on the CPU, in float32 and training mode: (N, channels, px, px) -> (N, classes).

    Initial weights come from torch's global generator: seed it around the call. sides: of images that it will be shown
    beside those of `spec.px`. `spec.knobs` go to torchvision's and timm's models as they are.

    Raises RequestError for unknown names and knobs, for weights that memory can't hold, and for images that the network
    can't take.
    """
    if spec.name in _OURS:
        _, builder, knobs = _OURS[spec.name]
        _check_knobs(spec, knobs)
        _check_size(spec, builder)
        net = builder(spec, **spec.knobs)
    elif spec.name in REGISTRY.names():
        net = _from_outside(REGISTRY.get(spec.name), spec)
    elif spec.name.startswith(named.TIMM):
        net = named.from_timm(spec)
    elif spec.name in (names := named.torchvision_names()):
        net = named.from_torchvision(spec)
    elif ":" in spec.name:
        raise RequestError(
            f"model '{spec.name}' isn't known here; name the file that it comes from, as in --model ./net.py:build"
        )
    else:
        raise unknown("model", spec.name, [*REGISTRY.names(), *names, named.TIMM + "NAME"])
    for px in sorted({spec.px, *sides}):
        _probe(net.eval(), spec, px)
    if spec.sync_batchnorm:
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    return net.train()


def _from_outside(builder: Builder, spec: Model) -> nn.Module:
    try:
        inspect.signature(builder).bind(spec, **spec.knobs)
    except TypeError as error:
        raise RequestError(f"model '{spec.name}' can't be built with {spec.knobs}: {error}") from None
    with blamed(f"model '{spec.name}'"):
        net = builder(spec, **spec.knobs)
    if not isinstance(net, nn.Module):
        raise RequestError(f"model '{spec.name}' should build a torch module, not {type(net).__name__}")
    return net


def _check_knobs(spec: Model, known: tuple[str, ...]) -> None:
    for knob, value in spec.knobs.items():
        if not known:
            raise RequestError(f"model '{spec.name}' has no knobs (got '{knob}')")
        if knob not in known:
            raise unknown(f"knob of model '{spec.name}'", knob, known)
        most = _MOST_LAYERS if knob == "layers" else _MOST
        if type(value) is not int or not 1 <= value <= most:  # isinstance would take True for 1
            raise RequestError(f"model '{spec.name}': {knob} is a whole number from 1 to {most:,} (got {shown(value)})")


def _check_size(spec: Model, builder: Callable[..., nn.Module]) -> None:
    """Weights that have shapes and no data show whether memory can hold the real ones."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        shapes = builder(spec, **spec.knobs).state_dict().values()
    need, have = sum(each.numel() * each.element_size() for each in shapes), psutil.virtual_memory().available
    if need > have:
        raise RequestError(
            f"model '{spec.name}' with {spec.knobs} for {spec.px} px has {need / 2**30:,.1f} GiB of weights, and "
            f"{have / 2**30:.1f} GiB of memory are free"
        )


def _probe(net: nn.Module, spec: Model, px: int) -> None:
    """Pass one image through on the meta device, where shapes are worked out and nothing is computed."""
    state = {name: t.to("meta") for name, t in [*net.named_parameters(), *net.named_buffers()]}
    image = torch.empty(1, spec.channels, px, px, device="meta")
    try:
        shape = tuple(functional_call(net, state, (image,)).shape)
    except (RuntimeError, ValueError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise RequestError(f"model '{spec.name}' built for {spec.px} px can't take {px}x{px} images: {why}") from error
    if shape != (1, spec.classes):
        raise RequestError(f"model '{spec.name}' isn't a classifier: its output is {shape}, not (1, {spec.classes})")
