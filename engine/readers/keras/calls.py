"""The graph of a Keras model as its configuration writes it: which layer is called on what, in Keras 3 and 2."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rfscale.engine.errors import InputError, shown

MAX_CALLS = 100_000


class Output(NamedTuple):
    """One tensor: which output of which call of which layer."""

    layer: str
    number: int
    output: int


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes
    ----------
    layer : mapping
        The layer's entry in the configuration.
    name : str
    number : int
        Of the call, from 0.
    inputs : list of Output
    numbers : list
        What else it is called with by position.
    options : dict
        What else it is called with by name.
    named : dict
        Which of the inputs are given by the name of a parameter.
    arguments : list
        What it is called with by position, in order: an Output for one tensor, or as the file has it.
    """

    layer: Mapping[str, Any]
    name: str
    number: int
    inputs: list[Output] = field(default_factory=list)
    numbers: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    arguments: list[Any] = field(default_factory=list)


class Graph(NamedTuple):
    """Calls in the order in which they can be made, inputs and outputs of the model, and the shapes that it notes."""

    calls: list[LayerCall]
    inputs: list[Output]
    outputs: list[tuple[str, Output]]
    shapes: dict[Output, tuple[int | None, ...]]

    def noted(self, call: LayerCall) -> list[tuple[int | None, ...]]:
        """Shapes that the model notes for what a call makes, those of the first outputs that it notes."""
        found: list[tuple[int | None, ...]] = []
        while (output := Output(call.name, call.number, len(found))) in self.shapes:
            found.append(self.shapes[output])
        return found


def graph_of(model: Mapping[str, Any], label: str) -> Graph:
    """Return the graph of a functional or sequential model.

    Raises
    ------
    InputError
        For a configuration that breaks Keras's rules.
    """
    try:
        config = model["config"]
        shapes: dict[Output, tuple[int | None, ...]] = {}
        if model.get("class_name") == "Sequential" or "output_layers" not in config:
            return _sequential(config)
        calls = [call for layer in config["layers"] for call in _calls(layer, shapes)]
        if len(calls) > MAX_CALLS:
            raise InputError(f"{label} calls its layers {len(calls)} times; at most {MAX_CALLS} are read")
        inputs = [output for _, output in _outputs(config["input_layers"])]
        ends = list(_outputs(config["output_layers"]))
        built = _with_a_call_of_their_own(config["layers"])
        ends = [(key, _from_zero(output, built)) for key, output in ends]
        if not any(
            isinstance(node, Mapping) for layer in config["layers"] for node in layer.get("inbound_nodes") or ()
        ):
            calls = [replace(call, inputs=[_from_zero(i, built) for i in call.inputs]) for call in calls]
        return Graph(_ordered(calls, label), inputs, ends, shapes)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = f"{type(error).__name__}: {shown(str(error), 80)}"
        raise InputError(f"{label} holds a configuration that is not one of Keras ({reason})") from None


def _with_a_call_of_their_own(layers: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of models inside a model whose calls count from 1: the call that built them is 0, and is not in the file.

    Keras 2 counts so wherever it names a call, Keras 3 where it names the outputs of a model.
    """
    found = set()
    for layer in layers:
        inner = layer["config"].get("layers") if isinstance(layer.get("config"), Mapping) else None
        nodes = layer.get("inbound_nodes") or ()
        of_keras_2 = any(not isinstance(node, Mapping) for node in nodes)
        if not isinstance(inner, list) or not inner:
            continue
        first = inner[0]
        begun = first.get("class_name") == "InputLayer" or bool((first.get("config") or {}).get("batch_input_shape"))
        if layer.get("class_name") in ("Functional", "Model") or (of_keras_2 and begun):
            found.add(layer_name(layer))
    return found


def _from_zero(output: Output, built: Container[str]) -> Output:
    """An output whose call is counted from 0."""
    return output._replace(number=output.number - 1) if output.layer in built and output.number else output


def layer_name(layer: Mapping[str, Any]) -> str:
    """Name of a layer's entry."""
    return str(layer.get("name") or layer["config"]["name"])


def _sequential(config: Mapping[str, Any]) -> Graph:
    """One layer after another; the first says the shape of the image, or the model does."""
    layers = list(config["layers"])
    if not layers or layers[0]["class_name"] != "InputLayer":
        first = layers[0]["config"] if layers else {}
        shape = config.get("build_input_shape") or first.get("batch_input_shape") or first.get("batch_shape")
        entry = {"class_name": "InputLayer", "config": {"name": "input_layer", "batch_shape": shape}}
        layers.insert(0, entry)
    calls: list[LayerCall] = []
    for number, layer in enumerate(layers):
        before = [Output(calls[-1].name, 0, 0)] if calls else []
        taken = {call.name for call in calls}
        name = layer_name(layer)
        calls.append(LayerCall(layer, f"{name}_{number}" if name in taken else name, 0, before))
    return Graph(calls, [Output(calls[0].name, 0, 0)], [("", Output(calls[-1].name, 0, 0))], {})


def _calls(layer: Mapping[str, Any], shapes: dict[Output, tuple[int | None, ...]]) -> Iterator[LayerCall]:
    """The calls of one layer."""
    name = layer_name(layer)
    nodes = layer.get("inbound_nodes") or []
    if not nodes:
        yield LayerCall(layer, name, 0)
    for number, node in enumerate(nodes):
        call = LayerCall(layer, name, number)
        if isinstance(node, Mapping):  # Keras 3
            for argument in node.get("args", ()):
                before = len(call.inputs)
                _sort(argument, call.inputs, call.numbers, shapes)
                alone = isinstance(argument, Mapping) and len(call.inputs) > before
                call.arguments.append(call.inputs[before] if alone else argument)
            for key, argument in (node.get("kwargs") or {}).items():
                rest: list[Any] = []
                before = len(call.inputs)
                _sort(argument, call.inputs, rest, shapes)
                later = range(before, len(call.inputs))
                call.named.update({key if i == before else f"{key}[{i - before}]": i for i in later})
                if rest:
                    call.options[key] = rest[0]
        else:  # [[name, call, index, {options}], …]
            for entry in node if isinstance(node[0], list | tuple) else [node]:
                call.inputs.append(Output(str(entry[0]), int(entry[1]), int(entry[2])))
                options = entry[3] if len(entry) > 3 and isinstance(entry[3], Mapping) else {}
                for key, argument in options.items():
                    if _is_history(argument):
                        call.named[key] = len(call.inputs)
                        call.inputs.append(Output(argument[0], argument[1], argument[2]))
                    else:
                        call.options[key] = argument
                        if argument is not None and not isinstance(argument, str):
                            call.numbers.append(argument)
        yield call


def _sort(argument: Any, inputs: list[Output], rest: list[Any], shapes: dict[Output, tuple[int | None, ...]]) -> None:
    """Tensors of an argument to `inputs`, anything else to `rest`."""
    if isinstance(argument, Mapping) and argument.get("class_name") == "__keras_tensor__":
        config = argument["config"]
        name, call, index = config["keras_history"]
        output = Output(str(name), int(call), int(index))
        inputs.append(output)
        if config.get("shape"):
            shapes[output] = tuple(config["shape"])
    elif isinstance(argument, list | tuple) and any(
        isinstance(a, Mapping) and "keras_history" in a.get("config", {}) for a in argument
    ):
        for a in argument:
            _sort(a, inputs, rest, shapes)
    else:
        rest.append(argument)


def _is_history(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) in (3, 4) and isinstance(value[0], str) and type(value[1]) is int
    )


def _outputs(structure: Any, key: str = "") -> Iterator[tuple[str, Output]]:
    """Tensors of nested lists and dicts, each written [name, call, index], with their keys."""
    if _is_history(structure):
        yield key, Output(structure[0], structure[1], structure[2])
        return
    items = structure.items() if isinstance(structure, Mapping) else enumerate(structure)
    for part, value in items:
        yield from _outputs(value, f"{key}.{part}" if key else str(part))


def _ordered(calls: Sequence[LayerCall], label: str) -> list[LayerCall]:
    """Calls so that each comes after those that make its inputs."""
    made = {(call.name, call.number): call for call in calls}
    done: set[tuple[str, int]] = set()
    order: list[LayerCall] = []
    for start in calls:
        stack, open_calls = [start], set()
        while stack:
            call = stack[-1]
            key = (call.name, call.number)
            missing = next((i for i in call.inputs if (i.layer, i.number) not in done), None)
            if missing is None:
                stack.pop()
                if key not in done:
                    done.add(key)
                    order.append(call)
                continue
            open_calls.add(key)
            after = made.get((missing.layer, missing.number))
            if after is None or (missing.layer, missing.number) in open_calls:
                what = "which no layer makes" if after is None else "which depends on it"
                raise InputError(f"{label}: layer {shown(call.name)} reads {shown(missing.layer)}, {what}")
            stack.append(after)
    return order
