"""Recurrent layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rfscale.engine.readers.onnx.graph.node import Node
from rfscale.engine.readers.onnx.operators.registry import Ends, onnx
from rfscale.engine.readers.tensors.layout import UnreadableError, neutral, spatial, with_dim
from rfscale.engine.readers.tensors.operators.moves import cumulate
from rfscale.engine.readers.tensors.operators.products import weighted
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker


@onnx("LSTM", "GRU", "RNN")
def _recurrent(k: Tracker, node: Node) -> list[Any]:
    """Read both ways, every entry reads all along the axis of time, one way all before it; the last state reads all."""
    x = node.inputs[0]
    if not isinstance(x, Tracked) or any(isinstance(v, Tracked) for v in node.inputs[1:]):
        raise UnreadableError("its states or weights depend on the image")
    time, batch = (1, 0) if node.attrs.get("layout") else (0, 1)
    hidden = node.attrs.get("hidden_size") or node.inputs[2].shape[-1]
    count = 2 if node.attrs.get("direction", "forward") == "bidirectional" else 1
    if spatial(x.dims[-1]):
        k.shape = (*x.shape[:-1], hidden)
        x = weighted(k, x, -1, x.shape[-1], hidden)
    last = k.reduce(x, [time])

    def laid_out(t: Tracked, *, ends: bool) -> Tracked:
        dims = [neutral(count), t.dims[batch], neutral(hidden)]
        if batch == 0:
            dims[:2] = dims[1::-1]
        if not ends:
            dims.insert(time, t.dims[time])
        return replace(t, dims=tuple(dims))

    out: Any
    if count == 2:
        t = k.reduce(x, [time], shrink=False)
        entries = x.dims[time] if t.map == x.map else neutral(x.shape[time])
        out = laid_out(replace(t, dims=with_dim(x.dims, time, entries)), ends=False)
    else:
        try:
            out = laid_out(cumulate(k, x, time, node.attrs.get("direction") == "reverse"), ends=False)
        except UnreadableError as error:
            out = Ends(str(error))
    return [out, *(laid_out(last, ends=True) for _ in node.shapes[1:])]
