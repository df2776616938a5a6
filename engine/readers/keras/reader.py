"""Keras models in, networks out: from the configuration, without Keras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from rfscale.engine.errors import EXAMPLE_INPUT, INPUT_SIZE, InputError, Parameter, nearest, shown
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import listed, whole
from rfscale.engine.readers.keras import array_ops, attention_ops, function_ops, ops, recurrent_ops, window_ops
from rfscale.engine.readers.keras.calls import Graph, LayerCall, Output, graph_of
from rfscale.engine.readers.keras.model_file import checked, model_of
from rfscale.engine.readers.keras.ops import activated
from rfscale.engine.readers.keras.registry import KERAS, Call
from rfscale.engine.readers.tensors.calls import guarded
from rfscale.engine.readers.tensors.finished import finished
from rfscale.engine.readers.tensors.layout import UnreadableError
from rfscale.engine.readers.tensors.naming import Returned
from rfscale.engine.readers.tensors.operators.settled import settle
from rfscale.engine.readers.tensors.tracking import Constant, Tracked, Tracker, Unknown, image_tracker
from rfscale.engine.readers.tensors.unknowns import Unknowns

_FILLED_BY = array_ops, attention_ops, function_ops, ops, recurrent_ops, window_ops  # importing them fills the table
DEFAULT_PIXELS = {1: 4096, 2: 224, 3: 96}  # by number of axes, where the model leaves the size open
MAX_DEPTH = 32  # of models inside models
MODELS = ("Functional", "Sequential", "Model")


def read_keras(
    model: Any,
    *,
    example_input: Any = None,
    input_size: int | Sequence[int] | None = None,
    name: str | None = None,
    unknown: str | Mapping[str, Any] | None = None,
    axes: Sequence[int] | None = None,
    image: str | None = None,
) -> Network:
    """Return the network of a Keras model.

    Parameters
    ----------
    model : str, mapping or keras.Model
        Path of a .keras or .h5 file, a configuration with its class, or a functional or sequential model.
    example_input : sequence of int, optional
        Shape of the image, batch and channels included; by default what the model says.
    input_size : int or sequence of int, optional
        Pixels per axis instead.
    name : str, optional
    unknown : {"pointwise", "everything"} or mapping, optional
        What to take layers for that are not known, by class or by name.
    axes : sequence of int, optional
        Dims of the image that are spatial; by default those that the layers' data format says.
    image : str, optional
        Name of the input that is the image; by default the first of at least three dims.

    Raises
    ------
    InputError
        For a model whose layers are not listed, or every layer that is not known, with its name.
    """
    if isinstance(model, str):
        label, found = model, model_of(model)
    elif isinstance(model, Mapping):
        label, found = str(model.get("class_name")), checked(model, "the configuration")
    else:
        label = type(model).__name__
        found = checked({"class_name": label, "config": model.get_config()}, label)
    graph = graph_of(found, label)
    name = name or (Path(model).stem if isinstance(model, str) else str(found["config"].get("name") or label))
    entries = {call.name: call for call in graph.calls if call.layer.get("class_name") == "InputLayer"}
    chosen = _image(graph, entries, image, label)
    shape, dims = _shape(found, entries[chosen.layer], example_input, input_size, axes, label)
    tracker, first, channels = image_tracker(shape, dims)
    walk = _Walk(tracker, Unknowns(unknown, "Keras"), resized=example_input is not None or input_size is not None)
    given = {o: first if o == chosen else Constant(_declared(entries[o.layer])) for o in graph.inputs}
    returned = walk.run(graph, given, "", 0)
    ends = []
    for (key, output), value in zip(graph.outputs, returned, strict=True):
        tracker.path = output.layer
        ends.append(settle(tracker, value) if isinstance(value, Tracked) else value)
        if isinstance(ends[-1], Tracked):
            walk.returned.append(Returned("", 0, key, ends[-1].layer))
    return finished(tracker, name, ends, channels, walk.unknowns, walk.returned)


class _Walk:
    """Goes over the calls of a model; a model inside a model is walked where it is called."""

    def __init__(self, tracker: Tracker, unknowns: Unknowns, *, resized: bool) -> None:
        self.tracker = tracker
        self.unknowns = unknowns
        self.resized = resized  # the shapes that the model notes are not those at hand
        self.returned: list[Returned] = []
        self.calls: dict[str, int] = {}

    def run(self, graph: Graph, given: Mapping[Output, Any], path: str, depth: int) -> list[Any]:
        """Make all calls and return the values of the model's outputs."""
        if depth > MAX_DEPTH:
            raise InputError(f"{path} lies more than {MAX_DEPTH} models deep")
        values: dict[Output, Any] = dict(given)
        for call in graph.calls:
            if Output(call.name, call.number, 0) in values:
                continue
            inputs = [_value(values, i, path) for i in call.inputs]
            where = f"{path}.{call.name}" if path else call.name
            out = self._made(call, inputs, where, graph, depth)
            results = out if isinstance(out, list) else [out]
            for index, value in enumerate(results):
                values[Output(call.name, call.number, index)] = value
            self._note(where, results)
        return [_value(values, o, path) for _, o in graph.outputs]

    def _note(self, where: str, results: Sequence[Any]) -> None:
        number = self.calls[where] = self.calls.get(where, -1) + 1
        for index, value in enumerate(results):
            if isinstance(value, Tracked) and value.layer >= 0:
                key = str(index) if len(results) > 1 else ""
                self.returned.append(Returned(where, number, key, value.layer))

    def _made(self, call: LayerCall, inputs: list[Any], where: str, graph: Graph, depth: int) -> Any:
        """What a call returns: a value, or a list of several."""
        layer = call.layer
        kind, config = str(layer.get("class_name")), layer.get("config") or {}
        noted = graph.noted(call)
        if any(isinstance(v, Unknown) for v in inputs):
            return Unknown(tuple(inputs))
        if not any(isinstance(v, Tracked) for v in inputs):
            return Constant(tuple(1 if n is None else n for n in noted[0]) if noted else ())
        self.tracker.path = where
        if kind in MODELS and isinstance(config.get("layers"), list):
            inner = graph_of(layer, where)
            if len(inner.inputs) != len(inputs):
                raise InputError(f"{where} has {len(inner.inputs)} inputs and is called with {len(inputs)}")
            out = self.run(inner, dict(zip(inner.inputs, inputs, strict=True)), where, depth + 1)
            return out[0] if len(out) == 1 else out
        return self._layer(call, kind, config, inputs, where, noted)

    def _layer(
        self, call: LayerCall, kind: str, config: Mapping[str, Any], inputs: list[Any], where: str, noted: list[Any]
    ) -> Any:
        same = next(v.shape for v in inputs if isinstance(v, Tracked))
        try:
            if _is_custom(call.layer):
                raise UnreadableError("a class of the user's own")
            made = dict(zip(call.inputs, inputs, strict=True))
            arguments = [made.get(a) if isinstance(a, Output) else a for a in call.arguments]
            out = self._handled(Call(kind, config, inputs, call.numbers, call.options, call.named, arguments))
            for value in out if isinstance(out, list) else [out]:
                if isinstance(value, Tracked) and not self.resized and len(noted) == 1:
                    _check_noted(value.shape, noted[0])
            return out
        except UnreadableError as reason:
            shape = None if self.resized or not noted else tuple(1 if n is None else n for n in noted[0])
            self.tracker.shape = shape or same
            return self.unknowns.replace(self.tracker, kind, where, inputs, str(reason), shape is not None)

    def _handled(self, call: Call) -> Any:
        if call.kind == "TimeDistributed":
            inner = call.get("layer", {})
            if _is_custom(inner) or inner.get("class_name") in MODELS:
                raise UnreadableError("its layer is a model, or a class of the user's own")
            return ops.over_time(call, lambda x: self._handled(Call(inner["class_name"], inner["config"], [x])))
        if call.kind == "SpectralNormalization":
            inner = call.get("layer", {})
            return self._handled(Call(inner["class_name"], inner["config"], call.inputs))
        handler = KERAS.get(call.kind)
        if handler is None:
            raise UnreadableError("")
        out = guarded(handler, self.tracker, call)
        if call.kind in ("Activation", "Softmax"):
            return out
        return activated(self.tracker, out, call.config.get("activation"))


def _value(values: Mapping[Output, Any], output: Output, path: str) -> Any:
    """What a call made; each output of a layer that is not known is unknown."""
    if output in values:
        return values[output]
    first = values.get(output._replace(output=0))
    if not isinstance(first, Unknown):
        raise InputError(f"{path or 'the model'} reads an output of {shown(output.layer)} that it does not make")
    return first


def _is_custom(layer: Mapping[str, Any]) -> bool:
    """Whether a layer is not Keras's own: registered by a user, or from another package."""
    module, registered = layer.get("module"), layer.get("registered_name")
    if module is None:  # Keras 2, and Keras 3 where the class is not its own
        return ">" in str(layer.get("class_name")) or bool(registered and ">" in str(registered))
    return str(module).partition(".")[0] != "keras"


def _check_noted(shape: Sequence[int], noted: Sequence[int | None]) -> None:
    """Hold a result against the shape that the file notes for it."""
    if len(shape) != len(noted) or any(m is not None and m != n for n, m in zip(shape, noted, strict=True)):
        was, should = ("×".join(map(str, s)) for s in (shape, ["?" if m is None else m for m in noted]))
        raise UnreadableError(f"it was read as a tensor of {was} where the model has {should}")


# the image ------------------------------------------------------------------------------------------------------------


def _image(graph: Graph, entries: Mapping[str, LayerCall], image: str | None, label: str) -> Output:
    """The input that is the image: the one named, or the first of at least three dims."""
    inputs = [o for o in graph.inputs if o.layer in entries]
    if image is not None:
        named = next((o for o in inputs if o.layer == image), None)
        if named is None:
            raise InputError(argument=Parameter("image"), value=image, remedy=nearest(image, [o.layer for o in inputs]))
        return named
    found = next((o for o in inputs if len(_declared(entries[o.layer])) >= 3), inputs[0] if len(inputs) == 1 else None)
    if found is None:
        raise InputError(f"{label} has no input of at least 3 dims (inputs: {', '.join(o.layer for o in inputs)})")
    return found


def _declared(entry: LayerCall) -> tuple[int, ...]:
    """Shape that an input layer declares; 0 for sizes that are open, and a batch of one."""
    config = entry.layer["config"]
    shape = config.get("batch_shape") or config.get("batch_input_shape") or ()
    return tuple((n if type(n) is int and n > 0 else 0) if d else 1 for d, n in enumerate(shape))


def _shape(
    model: Mapping[str, Any],
    entry: LayerCall,
    example: Any,
    size: int | Sequence[int] | None,
    axes: Sequence[int] | None,
    label: str,
) -> tuple[tuple[int, ...], list[int]]:
    """Shape of the image and its spatial dims: as given, or as declared with the sizes that are given."""
    declared = list(_declared(entry))
    if isinstance(example, Integral):
        size, example = int(example), None
    row = None if example is None else listed(example if not hasattr(example, "shape") else tuple(example.shape))
    if example is not None:
        if row is None or (declared and len(row) != len(declared)):
            needs = f"the shape of the image, {len(declared) or 4} numbers" if declared else "the shape of the image"
            raise InputError(argument=EXAMPLE_INPUT, value=example, remedy=f"give {needs}")
        declared = [whole(n, EXAMPLE_INPUT) for n in row]
    if not declared:
        if axes is not None or size is None:
            raise InputError(f"{label} does not say the shape of its input", remedy=("give ", EXAMPLE_INPUT))
        declared = [1, 0, 0, 3]
    dims = _spatial_dims(model, len(declared)) if axes is None else [a % len(declared) for a in axes]
    if size is not None:
        sizes = [whole(n, INPUT_SIZE) for n in listed(size) or [size]]
        sizes *= len(dims) if len(sizes) == 1 else 1
        if len(sizes) != len(dims):
            raise InputError(argument=INPUT_SIZE, value=size, remedy=f"give one number, or {len(dims)}")
        for d, n in zip(dims, sizes, strict=True):
            declared[d] = n
    default = DEFAULT_PIXELS.get(len(dims), 224)
    return tuple(n or (default if d in dims else 3) for d, n in enumerate(declared)), dims


def _spatial_dims(model: Mapping[str, Any], rank: int) -> list[int]:
    """Dims of the image that are spatial, by the data format of the layers."""
    todo: list[Mapping[str, Any]] = [model]
    formats: list[str] = []
    while todo and not formats:
        config = todo.pop(0).get("config") or {}
        layers = config.get("layers") if isinstance(config, Mapping) else None
        for layer in layers if isinstance(layers, list) else ():
            found = (layer.get("config") or {}).get("data_format") if isinstance(layer.get("config"), Mapping) else None
            formats += [found] if found else []
            todo.append(layer)
    first = formats[0] == "channels_first" if formats else False
    if rank == 2:  # numbers of words
        return [1]
    return list(range(2, rank)) if first else list(range(1, rank - 1))
