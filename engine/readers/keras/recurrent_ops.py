"""Recurrent layers of Keras: over rows of a batch, and over maps.

Their layers have no channels, so that nothing counts weights: gates have several for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rfscale.engine.readers.keras.registry import KERAS, Call, keras, per_axis
from rfscale.engine.readers.keras.window_ops import widened, without
from rfscale.engine.readers.tensors.layout import Dim, UnreadableError, length, spatial, whole_axis, with_dim
from rfscale.engine.readers.tensors.operators.joins import concatenate
from rfscale.engine.readers.tensors.operators.moves import cumulate, flip
from rfscale.engine.readers.tensors.operators.products import weighted
from rfscale.engine.readers.tensors.operators.spatial_ops import select
from rfscale.engine.readers.tensors.tracking import Tracked, Tracker

CELLS = {"LSTMCell": 2, "GRUCell": 1, "SimpleRNNCell": 1}  # states of each
_LAYERS = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
MAX_STEPS = 64  # of a recurrence over maps: each is layers of its own


@keras("LSTM", "GRU", "SimpleRNN", "RNN")
def _recurrent(k: Tracker, call: Call) -> Any:
    """The last state reads the whole sequence; of a sequence of states each reads those before it."""
    if any(isinstance(v, Tracked) for v in call.inputs[1:]):
        raise UnreadableError("its states depend on the image")
    units, states = _cell(call) if call.kind == "RNN" else (per_axis(call.get("units"), 1)[0], _LAYERS[call.kind])
    x = call.x
    if len(x.dims) != 3:
        raise UnreadableError(f"it is called with a tensor of {len(x.dims)} dims")
    last = _of_units(k, without(k.reduce(x, [1]), 1), units)
    out = last
    if call.get("return_sequences", False):
        backwards = bool(call.get("go_backwards", False))
        out = _of_units(k, cumulate(k, x, 1, backwards), units)
        out = flip(k, out, 1) if backwards else out  # the states are in the order of the steps
    return [out, *[last] * states] if call.get("return_state", False) else out


def _of_units(k: Tracker, t: Tracked, units: int) -> Tracked:
    """The units at each entry, each of which reads all its channels."""
    first = len(k.drafts)
    out = weighted(k, t, -1, t.shape[-1], units)
    _uncounted(k, first)
    return out


def _uncounted(k: Tracker, first: int) -> None:
    """Take the channels from layers that were written since."""
    for draft in k.drafts[first:]:
        draft.params.pop("channels", None)


def _cell(call: Call) -> tuple[int, int]:
    """Units and states of the cells of a layer that is called with them: the last is the output."""
    cells = call.get("cell", {})
    cells = cells if isinstance(cells, list | tuple) else [cells]
    if len(cells) == 1 and cells[0].get("class_name") == "StackedRNNCells":
        cells = cells[0].get("config", {}).get("cells", [])
    if not cells or any(c.get("class_name") not in CELLS or not _is_keras(c) for c in cells):
        raise UnreadableError("its cell is a class of the user's own")
    return per_axis(cells[-1]["config"].get("units"), 1)[0], sum(CELLS[c["class_name"]] for c in cells)


def _is_keras(layer: Mapping[str, Any]) -> bool:
    return str(layer.get("module") or "keras").partition(".")[0] == "keras" and not layer.get("registered_name")


@keras("Bidirectional")
def _both_ways(k: Tracker, call: Call) -> Tracked:
    inner = call.get("layer", {}).get("config", {})
    if inner.get("return_state") or call.get("layer", {}).get("class_name") not in _LAYERS:
        raise UnreadableError("its layer returns states, or is not known")
    x, units = call.x, per_axis(inner.get("units"), 1)[0]
    units *= 2 if call.get("merge_mode", "concat") == "concat" else 1
    if not inner.get("return_sequences", False):
        return _of_units(k, without(k.reduce(x, [1]), 1), units)
    return _of_units(k, k.mix(x, spatial(x.dims[1])) if spatial(x.dims[1]) else x, units)


@keras("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def _of_maps(k: Tracker, call: Call) -> Any:
    """Each step reads the map of that time, and the state before it through a convolution of its own."""
    if len(call.inputs) > 1:
        raise UnreadableError("its states are given")
    x, steps = call.x, length(call.x.dims[1])
    if steps > MAX_STEPS:
        raise UnreadableError(f"it has {steps} steps, and more than {MAX_STEPS} are not followed")
    kind = call.kind.replace("LSTM", "")
    own = {**call.config, "groups": 1}
    rank = int(kind[-2])
    again = {**own, "strides": [1] * rank, "padding": "same", "dilation_rate": [1] * rank, "use_bias": False}
    states: list[Tracked] = []
    first = len(k.drafts)
    order = range(steps)[::-1] if call.get("go_backwards", False) else range(steps)
    for step in order:
        here = KERAS[kind](k, Call(kind, own, [select(k, x, 1, step)]))
        if states:
            before = KERAS[kind](k, Call(kind, again, [states[-1]]))
            here = k.elementwise([here, before], shape=here.shape)
        states.append(here)
    _uncounted(k, first)
    out = states[-1]
    if call.get("return_sequences", False):
        k.shape = (out.shape[0], steps, *out.shape[1:])
        out = concatenate(k, [_at_its_time(widened(s, 1), x.dims[1]) for s in states], 1)
    return [out, states[-1], states[-1]] if call.get("return_state", False) else out


def _at_its_time(t: Tracked, time: Dim) -> Tracked:
    """One step on the axis of time, if that is an axis of the image."""
    axes = [f.axis for f in spatial(time)]
    return replace(t, dims=with_dim(t.dims, 1, whole_axis(axes[0], 1))) if len(set(axes)) == 1 else t
