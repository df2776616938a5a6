"""One line for each output of a network: extent, stride, padding, holes, overlap, and the effective box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.errors import InputError
from engine.network import Network
from engine.plan import Globals

if TYPE_CHECKING:
    import xarray as xr


def output_lines(
    network: Network, input_size: int | Sequence[int] | None = None, globals: Globals = "skip", mass: float = 0.95
) -> list[str]:
    """Return one line per output, in pixels; an output that sees everything is followed by the last map that does not.

    Parameters
    ----------
    network : Network
    input_size : int or sequence of int, optional
        Pixels per axis: figures of the centre entry. Without it they are interior, where the network has such.
    globals : {"include", "skip"}
    mass : float
        Share of the path weights that the effective box holds.

    Examples
    --------
    >>> output_lines(Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 3, "stride": 2, "padding": 1}))
    ['conv2: extent 5, stride 2, padding 2, no holes, overlap 0.6, effective 95 % box 5']
    """
    from engine.profiles import profile

    try:
        dataset = profile(network, input_size, globals=globals)
    except InputError:
        if input_size is not None or network.input_size is None:
            raise
        input_size = network.input_size  # branches of different jumps: the network has no interior figures
        dataset = profile(network, input_size, globals=globals)
    local = [str(name) for name in dataset.layer.values[~dataset.everything.values]]
    lines: dict[str, None] = {}
    for output in network.outputs:
        if not dataset.everything.sel(layer=output):
            lines[_line(network, dataset, output, input_size, globals, mass)] = None
            continue
        lines[f"{output}: sees everything"] = None
        if local:
            lines[_line(network, dataset, local[-1], input_size, globals, mass)] = None
    return list(lines)


def _line(
    network: Network,
    dataset: xr.Dataset,
    layer: str,
    input_size: int | Sequence[int] | None,
    globals: Globals,
    mass: float,
) -> str:
    from engine.weights import effective_field, path_weights

    row = dataset.sel(layer=layer)
    gap = int(row.max_gap.max())
    density = float(row.density)
    holes = "no holes" if density == 1 else f"holes (density {density:.3g}, longest gap {gap})"
    place = "first pixel " if input_size is not None else "padding "
    start = row.start.values if input_size is not None else 0.0 - row.start.values
    parts = [f"extent {_axes(row.extent.values)}", f"stride {_axes(row.jump.values)}", place + _axes(start), holes]
    parts.append(f"overlap {_axes(row.overlap.values)}")
    try:
        box = effective_field(path_weights(network, layer, input_size=input_size, globals=globals), mass)
        parts.append(f"effective {mass:.0%} box {_axes(box.box_extent.values)}".replace("%", " %"))
    except InputError as error:
        parts.append(f"no effective box: {error}")
    return f"{layer}: {', '.join(parts)}"


def _axes(values: Iterable[float]) -> str:
    """One number where all axes are alike, else one per axis."""
    shown = ["–" if v != v else f"{v:.0f}" if float(v).is_integer() else f"{v:.3g}" for v in values]
    return shown[0] if len(set(shown)) == 1 else "×".join(shown)
