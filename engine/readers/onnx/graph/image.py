"""Which input of an ONNX graph is the image, and which of its dims are pixels, channels and batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError, shown
from rfscale.engine.readers.onnx.graph.constants import is_kept, values_of
from rfscale.engine.readers.onnx.graph.model_file import one_line
from rfscale.engine.readers.onnx.graph.node import attributes
from rfscale.engine.readers.tensors.tracking import Constant, Shape

MAX_STEPS = 40  # operators between the image and the first that says what its dims are
FEW_CHANNELS = (1, 2, 3, 4)
KEEPS = """
Abs Add BatchNormalization Cast Clip Concat DequantizeLinear Div Dropout DynamicQuantizeLinear Floor Identity
ImageScaler InstanceNormalization LayerNormalization LeakyRelu Log Max Min Mul Neg Pad Pow PRelu QuantizeLinear Relu
Resize Round Sigmoid Slice Softmax Split Sqrt Sub Tanh Upsample Where LRN ReduceMean Mod Equal
""".split()
CHANNELS_FIRST = """
Conv ConvInteger QLinearConv FusedConv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool
DepthToSpace SpaceToDepth GridSample DeformConv
""".split()
NHWC = "com.ms.internal.nhwc"
CHANNELS_LAST = ("NhwcConv", "NhwcFusedConv", "NhwcMaxPool")
RECURRENT = ("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM")
CHANNELS_AT_THE_END = """
MatMul MatMulInteger Gemm FusedMatMul DynamicQuantizeMatMul MatMulIntegerToFloat MatMulNBits QLinearMatMul Attention
QAttention
""".split()
STATES = ("h", "c", "h0", "c0", "hn", "cn", "state", "mask", "attention_mask", "pixel_mask")


class Roles(NamedTuple):
    """Dims of the image: those that are spatial, the one of channels (None: there is none), and its length if known."""

    spatial: tuple[int, ...]
    channel: int | None = None
    channels: int = 0


def initializer(tensor: Any, label: str) -> Constant:
    """A weight: its shape, and its values where they are few; zeros alone are weights before training, and no mask."""
    shape = tuple(tensor.dims)
    if any(n < 0 for n in shape):
        raise InputError(
            f"{label}: the initializer {shown(tensor.name)} has the shape {shape}; sizes must not be negative"
        )
    if not is_kept(tensor):
        return Constant(shape)
    try:
        value = values_of(tensor)
    except Exception as error:
        raise InputError(f"{label}: the initializer {shown(tensor.name)} cannot be read: {one_line(error)}") from None
    return Constant(shape, value, varies=value.dtype.kind == "f" and not value.any())


def declared_dims(info: Any) -> Shape:
    """Sizes of a type; 0 for those that are open: without a number, named, or below 1, as some exporters have it."""
    return tuple(max(0, d.dim_value) for d in info.type.tensor_type.shape.dim)


def image_input(graph: Any, weights: Mapping[str, Any], image: str | None, label: str) -> Any:
    """Return the input that is the image: the one named, or the first of the likeliest rank."""
    inputs = [i for i in graph.input if i.name not in weights]
    if image:
        named = next((i for i in inputs if i.name == image), None)
        if named is not None:
            return named
        known = ", ".join(i.name for i in inputs) or "none"
        raise InputError(f"{label} has no input {shown(image)} (inputs: {known})")
    likely = [i for i in inputs if _likelihood(i) == max(map(_likelihood, inputs))]
    if not likely or not _likelihood(likely[0]):
        known = ", ".join(i.name for i in inputs) or "none"
        raise InputError(f"{label} has no input that could be an image (inputs: {known})")
    return likely[0]


def _likelihood(info: Any) -> int:
    """How likely an input is the image: an image or a volume, then a sequence, then the state of a recurrence."""
    rank = len(info.type.tensor_type.shape.dim)
    state = info.name.lower() in STATES or info.name.lower().startswith(("past", "cache", "state"))
    return (4 if rank >= 4 else 3 if rank >= 2 else 1 if rank else 0) - (state and rank > 0)


def roles(graph: Any, image: Any, weights: Mapping[str, Any]) -> Roles:
    """Which dims are spatial: as the first operator that knows its dims reads them, or else by their lengths."""
    shape = declared_dims(image)
    shown_by_graph = _followed(list(graph.node), 0, image.name, tuple(range(len(shape))), weights, MAX_STEPS)
    if shown_by_graph is not None and 1 <= len(shown_by_graph.spatial) <= 3:
        return shown_by_graph
    if len(shape) < 3:
        return Roles((len(shape) - 1,))
    last_are_channels = shape[-1] in FEW_CHANNELS and shape[-1] != 2
    if last_are_channels and (len(shape) == 3 or shape[1] not in FEW_CHANNELS):
        first = 0 if len(shape) == 3 else 1
        return Roles(tuple(range(first, len(shape) - 1)), len(shape) - 1)
    if len(shape) == 3 and shape[0] == 3:
        return Roles((1, 2), 0)
    if len(shape) == 3 and not shape[1] and shape[2]:  # a sequence of any length
        return Roles((1,), 2)
    return Roles(tuple(range(2, len(shape))), 1)


def _followed(
    nodes: Sequence[Any], start: int, name: str, labels: tuple[int | None, ...], weights: Mapping[str, Any], steps: int
) -> Roles | None:
    """Follow a tensor, each dim labelled by the dim of the image that it is, to an operator that knows its dims."""
    for i in range(start, len(nodes)) if steps else ():
        node = nodes[i]
        if name not in node.input:
            found = next((g for g in _inside(node, name)), None)
            if found is not None and (out := _followed(list(found.node), 0, name, labels, weights, steps - 1)):
                return out
            continue
        if node.op_type in ("Shape", "Size"):
            continue
        position = list(node.input).index(name)
        if (out := _roles_at(node, position, labels, weights)) is not None:
            return out
        after = _labels_after(node, position, labels, weights, nodes)
        if after is not None and node.output:
            out = _followed(nodes, i + 1, node.output[0], after, weights, steps - 1)
            if out is not None:
                return out
    return None


def _inside(node: Any, name: str) -> Iterator[Any]:
    """Branches of a node that read a tensor from outside."""
    for a in node.attribute:
        if a.type == 5 and any(name in n.input for n in a.g.node):
            yield a.g


def _roles_at(node: Any, position: int, labels: Sequence[int | None], weights: Mapping[str, Any]) -> Roles | None:
    """What an operator that knows its dims says of the image's."""
    op, rank = node.op_type, len(labels)
    last = op in CHANNELS_LAST or node.domain == NHWC
    if position == 0 and (op in CHANNELS_FIRST or op in CHANNELS_LAST) and rank > 2:
        at = rank - 1 if last else 1
        w = weights.get(node.input[3 if op == "QLinearConv" else 1]) if len(node.input) > 1 else None
        channels = 0
        if w is not None and not last and "Pool" not in op and len(w.shape) == rank:
            channels = w.shape[0] if op == "ConvTranspose" else w.shape[1] * attributes(node).get("group", 1)
        places = [d for d in range(1, rank) if d != at]
        return Roles(_held([labels[d] for d in places]), labels[at], channels)
    if position == 0 and op in RECURRENT and rank == 3:
        time = 1 if attributes(node).get("layout") else 0
        w = weights.get(node.input[1])
        return Roles(_held([labels[time]]), labels[2], w.shape[-1] if w is not None else 0)
    if position == 0 and op in CHANNELS_AT_THE_END and rank == 3:
        return Roles(_held(labels[1:-1]), labels[-1])
    if op in ("Gather", "OneHot") and position == (1 if op == "Gather" else 0):  # an embedding of tokens
        return Roles(_held(labels)[-1:])
    return None


def _held(labels: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(sorted(d for d in labels if d is not None))


def _labels_after(
    node: Any, position: int, labels: tuple[int | None, ...], weights: Mapping[str, Any], nodes: Sequence[Any]
) -> tuple[int | None, ...] | None:
    """Labels of what a node makes of the tensor; None where they are lost."""
    op, attrs, rank = node.op_type, attributes(node), len(labels)
    if op in KEEPS:
        others = [len(weights[i].shape) for i in node.input if i in weights and op not in ("Pad", "Slice", "Resize")]
        return labels if max(others, default=0) <= rank else None
    if position:
        return None
    if op == "Transpose":
        order = attrs.get("perm", range(rank)[::-1])
        return tuple(labels[d] for d in order) if sorted(order) == list(range(rank)) else None
    if op in ("Squeeze", "Unsqueeze"):
        axes = attrs.get("axes") or _constant(nodes, node.input[1] if len(node.input) > 1 else "", weights)
        if axes is None:
            return None
        if op == "Squeeze":
            gone = {a % rank for a in axes}
            return tuple(x for d, x in enumerate(labels) if d not in gone)
        new, rest = {a % (rank + len(axes)) for a in axes}, iter(labels)
        return tuple(None if d in new else next(rest, None) for d in range(rank + len(axes)))
    if op == "Gather":
        index = weights.get(node.input[1])
        value = index.value if index is not None else _constant(nodes, node.input[1], weights)
        axis = attrs.get("axis", 0) % rank
        many = value is not None and getattr(value, "shape", (1,)) != ()
        return labels if many else labels[:axis] + labels[axis + 1 :]
    return None


def _constant(nodes: Sequence[Any], name: str, weights: Mapping[str, Any]) -> Any:
    """Value of an initializer or of a Constant node; None if it is neither."""
    if name in weights:
        return weights[name].value
    node = next((n for n in nodes if n.op_type == "Constant" and name in n.output), None) if name else None
    if node is None or not len(node.attribute) or node.attribute[0].name != "value":
        return None
    return values_of(node.attribute[0].t) if is_kept(node.attribute[0].t) else None
