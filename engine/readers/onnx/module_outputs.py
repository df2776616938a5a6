"""What the modules of a torch model return, read off an ONNX file: its exporters note the modules around each node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rfscale.engine.readers.tensors.naming import Returned
from rfscale.engine.readers.tensors.tracking import single_maps

_SCOPES = "pkg.torch.onnx.name_scopes"
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm")
_OF_SHAPE = ("Shape", "Size")  # they read no entry


class ModuleCalls:
    """The modules around each node, outermost first, where the exporter noted them at every node."""

    def __init__(self, graph: Any) -> None:
        weights = {t.name for t in graph.initializer}
        found = [_scopes(node, weights) for node in graph.node]
        self.known = bool(found) and None not in found and any(found)
        modules = {path for stack in found for path in stack or ()}
        self._around = {
            _output(node): _with_weights(node, [_first_call(path, modules) for path in stack or ()], modules)
            for node, stack in zip(graph.node, found, strict=True)
        }

    def path(self, node: Any) -> str:
        """Module that a node comes from: that of its weights, the innermost around it, or the node's own name."""
        if weights := _weights_path(node):
            return weights
        if self.known:
            return next(reversed(self._around[_output(node)]), "")
        if scopes := _noted(node):
            return scopes[-1] if scopes else ""
        return (node.name or next(iter(node.output), "")).strip("/").replace("/", ".")

    def returned(self, graph: Any, values: Mapping[str, Any]) -> list[Returned] | None:
        """What is computed inside a module and read outside; None where modules are not known.

        Files do not tell the calls of a module apart: all are one.
        """
        if not self.known:
            return None
        readers: dict[str, list[list[str]]] = {o.name: [[]] for o in graph.output}
        for node in graph.node:
            if node.op_type not in _OF_SHAPE:
                for name in node.input:
                    readers.setdefault(name, []).append(self._around[_output(node)])
        leaving: dict[str, list[int]] = {}
        for node in graph.node:
            for name in node.output:
                layers = [t.layer for t in single_maps(values.get(name))]
                for module in self._around[_output(node)] if layers else ():
                    if any(module not in around for around in readers.get(name, ())):
                        leaving.setdefault(module, []).extend(layers)
        found = {module: list(dict.fromkeys(layers)) for module, layers in leaving.items()}
        return [
            Returned(module, 0, str(position) if len(layers) > 1 else "", layer)
            for module, layers in found.items()
            for position, layer in enumerate(layers)
        ]


def _output(node: Any) -> str:
    """What tells a node: the first value that it makes."""
    return next(iter(node.output), "")


def _noted(node: Any) -> list[str] | None:
    """Paths of the modules around a node that torch's exporter noted."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            return [path for path in re.findall(r"'([^']*)'", entry.value)[:-1] if path]
    return None


def _scopes(node: Any, weights: set[str]) -> list[str] | None:
    """Paths of the modules around a node, or None: as noted, or from a name such as /layer1/layer1.0/conv1/Conv.

    What reads weights only is in no module.
    """
    noted = _noted(node)
    if noted is not None or not node.name.startswith("/"):
        return [] if noted is None and weights.issuperset(node.input) else noted
    paths: list[str] = []
    before = ""
    for part in node.name.split("/")[1:-1]:
        inner = part.removeprefix(f"{before}.")  # children of a Sequential are called by their parent's name, too
        paths.append(f"{paths[-1]}.{inner}" if paths else part)
        before = part
    return paths


def _first_call(path: str, modules: set[str]) -> str:
    """The path without the number that torch's older exporter puts after the name of a further call."""
    first = re.sub(r"_\d+(?=\.|$)", "", path)
    return first if first in modules else path


def _with_weights(node: Any, around: list[str], modules: set[str]) -> list[str]:
    """The module of the weights last, and those around it: a convolution that took in a batch norm is noted there."""
    weights = _weights_path(node)
    if not weights:
        return around
    dots = [i for i, c in enumerate(weights) if c == "."]
    outer = [weights[:i] for i in dots if weights[:i] in modules]
    return [*(m for m in around if m != weights and m not in outer), *outer, weights]


def _weights_path(node: Any) -> str:
    weights = next((i for i in node.input[1:2] if i.endswith(".weight")), "")
    return weights.removesuffix(".weight") if node.op_type in _WEIGHTED else ""
