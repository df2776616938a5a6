"""Past and future context of a network along time: how far back it reads, how far ahead, and what that delays."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor, inf, nan
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from rfscale.engine.errors import InputError, Parameter
from rfscale.engine.footprints.plan import GlobalOps, Step, attributes, resolve
from rfscale.engine.network.modules import layers_of
from rfscale.engine.network.network import Network
from rfscale.engine.network.spec import is_number
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading
from rfscale.engine.variables import CONTEXT, annotate

if TYPE_CHECKING:
    import xarray as xr

RATE = Parameter("rate")
TIMED = ("past", "lookahead", "hop", "latency", "extent")  # the figures that are times too


class _Context(NamedTuple):
    """The context of one map, in samples."""

    past: float
    lookahead: float
    hop: float
    latency: float
    extent: float
    block: float


def context(
    network: NetworkLike,
    rate: float | None = None,
    *,
    layers: Sequence[str] | None = None,
    axis: str | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Return how many samples before and after its own an output of a network depends on.

    Entry o of a map stands for the samples from o·hop up to, not including, (o + 1)·hop. Without padding, too: entry 0
    of a layer of kernel 3 stands for sample 0, and looks ahead by 2. Of a map with several phases (after upsampling)
    the figures are the largest of all phases.

    Parameters
    ----------
    network : Network, or what `load` takes
    rate : float, optional
        Samples per second: figures in milliseconds are given too.
    layers : sequence of str, optional
        Layers, or modules: what they return. By default the network's outputs.
    axis : str, optional
        The axis that is time, of networks with several.
    global_ops : {"include", "skip"}
        Whether merges take in branches with a global receptive field, such as statistics over all time.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over layer, in samples: `past` before the samples that an entry stands for, and `lookahead` after them; `hop`
        from one entry to the next, the jump; `latency` from the first that an entry stands for until all that it needs
        have arrived, hop + lookahead; `extent`, the receptive field; `block`, after which entries repeat: pieces of a
        stream are multiples of it. `causal`: no entry needs a later sample. Of layers that read everything before
        (recurrent ones, cumulative sums) `past` is infinite. Below 0: the samples nearest to an entry are not read.
        With `rate` the first five also in milliseconds, `past_ms` and so on.

    Raises
    ------
    InputError
        For a network of several axes without `axis`, a rate that is not above 0, an unknown layer, and as `profile`.

    Examples
    --------
    >>> import rfscale as rf
    >>> causal = [{"kernel": 3, "dilation": d, "padding": [2 * d, 0]} for d in (1, 2, 4, 8)]
    >>> found = rf.context(rf.Network.sequential(*causal, axes=1), rate=16000)
    >>> int(found.past[0]), int(found.lookahead[0]), bool(found.causal[0]), float(found.past_ms[0])
    (30, 0, True, 1.875)
    """
    import xarray as xr

    net = as_network(network, reading)
    along = _axis(net, axis)
    samples_per_ms = None if rate is None else _checked_rate(rate) / 1000
    plan = resolve(net, None, global_ops)
    names = list(dict.fromkeys(net.outputs)) if layers is None else layers_of(net, layers)
    rows = [_context(plan.steps[net.index(name)], along) for name in names]
    data: dict[str, Any] = {
        name: ("layer", np.array(column, float))
        for name, column in zip(_Context._fields, zip(*rows, strict=True), strict=True)
    }
    data["causal"] = "layer", data["lookahead"][1] <= 0
    if samples_per_ms is not None:
        data |= {f"{name}_ms": ("layer", data[name][1] / samples_per_ms) for name in TIMED}
    out = xr.Dataset(data, {"layer": np.array(names, str)})
    out.attrs = attributes(plan, "context", None, global_ops) | {"axis": net.axes[along]}
    if rate is not None:
        out.attrs["rate"] = float(rate)
    return annotate(out, CONTEXT)


def _axis(net: Network, axis: str | None) -> int:
    """Position of the axis that is time."""
    if axis is None and len(net.axes) == 1:
        return 0
    if axis in net.axes:
        return net.axes.index(axis)
    argument, known = Parameter("axis"), " or ".join(net.axes)
    if axis is None:
        raise InputError(f"{net.name} has the axes {', '.join(net.axes)}", remedy=("say which is time, ", argument))
    raise InputError(argument=argument, value=axis, remedy=f"give {known}")


def _checked_rate(rate: float) -> float:
    if not is_number(rate) or not 0 < rate < inf:
        raise InputError(argument=RATE, value=rate, remedy="give samples per second, a number above 0")
    return float(rate)


def _context(step: Step, axis: int) -> _Context:
    reach = step.intervals or step.half_lines
    if reach is None:
        return _Context(inf, inf, nan, inf, inf, nan)
    intervals = reach[axis]
    hop = Fraction(*intervals.jump)
    ends = [(o, *intervals.ends(o)) for o in range(len(intervals.bounds))]
    read = [(o, first, last) for o, first, last in ends if first == first]
    if not read or hop <= 0:
        return _Context(nan, nan, float(hop), nan, 0 if not read else intervals.extent, nan)
    past = max(floor(o * hop) - first for o, first, _ in read)
    ahead = max(last + 1 - ceil((o + 1) * hop) for o, _, last in read)
    latency = max(last + 1 - floor(o * hop) for o, _, last in read)
    extent = max(last - first + 1 for _, first, last in read)
    return _Context(past, ahead, float(hop), latency, extent, intervals.shift)
