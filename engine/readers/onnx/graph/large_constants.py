"""Constants with more values than are kept: computed where an operator may have one for a mask, and only there."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from rfscale.engine.readers.onnx.graph.constants import MAX_MASK, may_be_mask, values_of
from rfscale.engine.readers.tensors.tracking import Constant

MAX_NODES = 200  # that make one constant
BY_CHANCE = ("Random", "Bernoulli", "Multinomial", "Dropout")
INSIDE = ("If", "Loop", "Scan", "SequenceMap")  # graphs inside nodes


class LargeConstants:
    """Initializers, and nodes that make constants, by the names of what they make."""

    def __init__(self) -> None:
        self._tensors: dict[str, Any] = {}
        self._makers: dict[str, Any] = {}

    def add_tensor(self, name: str, tensor: Any) -> None:
        """Note an initializer, or the tensor of a constant."""
        if may_be_mask(tensor):
            self._tensors[name] = tensor

    def add_node(self, node: Any) -> None:
        """Note a node that reads constants alone."""
        self._makers.update(dict.fromkeys(node.output, node))

    def of(self, name: str, constant: Any, values: Mapping[str, Any], opset: int) -> Any:
        """Return a constant with its values, if it may be a mask of a map or sequence; otherwise as it is."""
        if not isinstance(constant, Constant) or constant.value is not None or not name:
            return constant
        shape = constant.shape
        if len(shape) < 2 or not shape[-1] > 1 < shape[-2] or prod(shape) > MAX_MASK:
            return constant
        try:
            found = values_of(self._tensors[name]) if name in self._tensors else self._computed(name, values, opset)
        except Exception:  # damaged, or an operator that is not there
            return constant
        if found is None or found.shape != shape:
            return constant
        return Constant(shape, found, varies=found.dtype.kind == "f" and not found.any())  # weights before training

    def _computed(self, name: str, values: Mapping[str, Any], opset: int) -> Any:
        """The values of a constant, by the nodes that make it."""
        from onnx import helper, numpy_helper
        from onnx.reference import ReferenceEvaluator

        nodes: list[Any] = []
        given: dict[str, Any] = {}
        todo, met = [name], set[str]()
        while todo:
            at = todo.pop()
            if not at or at in met:
                continue
            met.add(at)
            constant = values.get(at)
            if not isinstance(constant, Constant) or constant.shape is None or prod(constant.shape) > MAX_MASK:
                return None
            node = self._makers.get(at)
            if constant.value is not None:
                given[at] = numpy_helper.from_array(constant.value, at)
            elif at in self._tensors:
                given[at] = numpy_helper.from_array(values_of(self._tensors[at]), at)
            elif node is None or node.domain or node.op_type.startswith(BY_CHANCE) or node.op_type in INSIDE:
                return None
            else:
                nodes.append(node)
                todo += node.input
        if len(nodes) > MAX_NODES:
            return None
        wanted = {node.output[0] for node in nodes}
        nodes = [node for at, node in self._makers.items() if at in wanted]  # in the order of the file
        result = helper.make_empty_tensor_value_info(name)
        graph = helper.make_graph(nodes, "constant", [], [result], list(given.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        results: Any = ReferenceEvaluator(model).run(None, {})
        return results[0]
