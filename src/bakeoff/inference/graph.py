"""What is done to an image before the network sees it, as ONNX: the resizing written out in products of matrices.

ONNX has an antialiased Resize, but runtimes don't agree on it: onnxruntime 1.32 is up to 17 grey levels away from
torch's bilinear one. Written out it is within one, in any runtime.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.plan import Plan

if TYPE_CHECKING:
    from onnx import ModelProto

IMAGES, PREPROCESSED, SHOWN = "images", "preprocessed", "shown"  # names of inputs and outputs
_CUBIC = -0.5  # of Keys' kernel, as Pillow and torch have it


class _Graph:
    """Nodes in order, each result named by a number."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, kind: type = np.int64) -> str:
        from onnx import numpy_helper

        name = f"preprocessing_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def __call__(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = name or f"preprocessing_{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def number(self, value: str) -> str:
        """Whole numbers as float32."""
        return self("Cast", value, to=1)

    def floats(self, op: str, value: str, other: float) -> str:
        """An operation with a float32 number."""
        return self(op, value, self.constant(other, np.float32))


def preprocessing(plan: Plan, mean: tuple[float, ...], std: tuple[float, ...], opset: int) -> "ModelProto":
    """The graph: `images`, (N, H, W, C) uint8 of one size -> `preprocessed`, as evaluation shows them.

    mean, std: per channel, in [0, 1]. `preprocessed` is (N, C, px, px) float32, normalised, px as `augment.shown_px`
    has it.
    """
    from onnx import TensorProto, checker, helper

    graph, view, channels = _Graph(), plan.eval_view, plan.model.channels
    images = graph.number(graph("Transpose", IMAGES, perm=[0, 3, 1, 2]))
    if plan.read_px is not None:
        images, _ = _resized(graph, images, plan.read_px, "bilinear", longer_only=True)
    images, size = _resized(graph, images, view.resize_px, plan.interpolation, longer_only=False)
    px = view.crop_px + 2 * view.shift_px
    start = _start(graph, size, view.crop_px, view.shift_px)
    end = graph("Sub", graph("Add", start, graph.constant([px])), size)
    none = graph.constant([0, 0])
    pads = graph("Concat", none, graph("Neg", start), none, end, axis=0)
    images = graph("Pad", images, pads, graph.constant(0, np.float32))
    scale, offset = (np.reshape(values, (1, -1, 1, 1)) for values in _normalisation(mean, std))
    images = graph("Mul", images, graph.constant(scale, np.float32))
    graph("Add", images, graph.constant(offset, np.float32), name=PREPROCESSED)
    taken = helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["batch", "height", "width", channels])
    given = helper.make_tensor_value_info(PREPROCESSED, TensorProto.FLOAT, ["batch", channels, px, px])
    made = helper.make_graph(graph.nodes, "preprocessing", [taken], [given], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    checker.check_model(model)
    return model


def _normalisation(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[Any, Any]:
    """The scale and the offset of `augment.normalize`."""
    m, s = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    return 1 / (np.float32(255) * s), -m / s


def _resized(graph: _Graph, images: str, px: int, interpolation: str, longer_only: bool) -> tuple[str, str]:
    """Images, (N, C, H, W) of whole numbers, with their shorter side at `px`; and their height and width then, (2,)."""
    sides = graph("Shape", images, start=2)
    short = graph("ReduceMin", sides, keepdims=1)
    wanted = graph.constant([px])
    if longer_only:
        wanted = graph("Min", short, wanted)
    size = graph("Div", graph("Mul", sides, wanted), short)
    for axis in (1, 0):  # rows first, as Pillow and torch have it
        at = graph.constant([axis])
        old, new = graph("Gather", sides, at), graph("Gather", size, at)
        if interpolation == "nearest":
            images = graph("Gather", images, _nearest(graph, old, new), axis=axis + 2)
            continue
        weights = _weights(graph, old, new, interpolation)
        if axis:
            images = graph("MatMul", images, graph("Transpose", weights, perm=[1, 0]))
        else:
            images = graph("MatMul", weights, images)
        whole = graph("Floor", graph.floats("Add", images, 0.5))
        images = graph("Clip", whole, graph.constant(0, np.float32), graph.constant(255, np.float32))
    return images, size


def _count(graph: _Graph, length: str) -> str:
    """0, 1, ..., as many as `length`, (1,), says."""
    scalar = graph("Squeeze", length)
    return graph("Range", graph.constant(0), scalar, graph.constant(1))


def _nearest(graph: _Graph, old: str, new: str) -> str:
    """Which of `old` pixels stands for each of `new` ones: floor((i + 1/2) old / new) in float32, as in torch."""
    ratio = graph("Div", graph.number(old), graph.number(new))
    places = graph("Mul", graph.floats("Add", graph.number(_count(graph, new)), 0.5), ratio)
    return graph("Cast", graph("Floor", places), to=7)


def _weights(graph: _Graph, old: str, new: str, interpolation: str) -> str:
    """What each of `old` pixels adds to each of `new` ones: (new, old) float32, rows summing to 1."""
    ratio = graph("Div", graph.number(old), graph.number(new))
    spread = graph.floats("Max", ratio, 1.0)  # the filter widens where there is less room
    places = graph("Mul", graph.floats("Add", graph.number(_count(graph, new)), 0.5), ratio)
    pixels = graph.floats("Add", graph.number(_count(graph, old)), 0.5)
    apart = graph("Sub", graph("Unsqueeze", places, graph.constant([1])), pixels)
    x = graph("Abs", graph("Div", apart, spread))
    if interpolation == "bilinear":
        weight = graph.floats("Max", graph("Sub", graph.constant(1, np.float32), x), 0.0)
    else:
        near = graph.floats("Add", graph("Mul", graph("Mul", _line(graph, x, _CUBIC + 2, -_CUBIC - 3), x), x), 1)
        far = _line(graph, graph("Mul", _line(graph, x, _CUBIC, -5 * _CUBIC), x), 1, 8 * _CUBIC)
        far = graph.floats("Add", graph("Mul", far, x), -4 * _CUBIC)
        beyond = graph("Where", graph.floats("Less", x, 2), far, graph.constant(0, np.float32))
        weight = graph("Where", graph.floats("Less", x, 1), near, beyond)
    return graph("Div", weight, graph("ReduceSum", weight, graph.constant([1]), keepdims=1))


def _line(graph: _Graph, x: str, slope: float, offset: float) -> str:
    return graph.floats("Add", graph.floats("Mul", x, slope), offset)


def _start(graph: _Graph, size: str, px: int, shift: int) -> str:
    """Where the shown part begins, per axis: as `geometry.centre_start`, `shift` earlier."""
    room = graph("Sub", size, graph.constant([px]))
    inside = graph("Cast", graph("Round", graph.floats("Mul", graph.number(room), 0.5)), to=7)
    outside = graph("Div", room, graph.constant([2]))  # whole numbers are cut off towards 0
    start = graph("Where", graph("Less", room, graph.constant([0])), outside, inside)
    return graph("Sub", start, graph.constant([shift]))
