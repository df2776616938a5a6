"""One line for each output of a network: extent, stride, padding, holes, overlap, and the effective box."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, nan, prod
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from rfscale.engine.columns import Columns, columns_of
from rfscale.engine.errors import InputError
from rfscale.engine.footprints.plan import Entry, GlobalOps, resolve
from rfscale.engine.network.modules import level_name
from rfscale.engine.network.network import Network
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, Reading

if TYPE_CHECKING:
    import xarray as xr


class _Asked(NamedTuple):
    network: Network
    input_size: int | Sequence[int] | None
    entry: Entry
    global_ops: GlobalOps
    mass: float


def output_lines(
    network: NetworkLike,
    input_size: int | Sequence[int] | None = None,
    entry: Entry = "center",
    global_ops: GlobalOps = "skip",
    mass: float = 0.95,
    *,
    dataset: xr.Dataset | Columns | None = None,
    **reading: Unpack[Reading],
) -> list[str]:
    """Return one line per output, in pixels; one with a global receptive field is followed by the last map without.

    Parameters
    ----------
    network : Network, or what `load` takes
    input_size : int or sequence of int, optional
        Pixels per axis: figures of `entry`. Without it they are interior, where the network has such.
    entry : "center" or sequence of int
        Which entry of every map, with an input size.
    global_ops : {"include", "skip"}
        "skip" leaves out branches with a global receptive field, where they merge with others.
    mass : float
        Share of the path counts that the effective box holds. It is left out where the outputs together would need
        more than 2^26 path counts.
    dataset : xr.Dataset, optional
        The profile, if there is one already that has the layers of the lines.
    **reading
        How a model is read, as in `load`: example_input, unknown, axes, image, name, arguments.

    Examples
    --------
    >>> output_lines(Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 3, "stride": 2, "padding": 1}))
    ['conv2: extent 5, stride 2, padding 2, no holes, overlap 0.6, effective 95 % box 5']
    """
    from rfscale.engine.analysis.profile import profile_columns

    network = as_network(network, reading, input_size)
    try:
        steps = resolve(network, input_size, global_ops).steps
    except InputError:
        if input_size is not None or network.input_size is None:
            raise
        input_size = network.input_size  # branches of different jumps: the network has no interior figures
        steps = resolve(network, input_size, global_ops).steps
    local = [step.layer.name for step in steps if not step.is_global]
    told = {network.layers[network.index(name)].name for name in network.outputs}
    if any(step.is_global for step in steps if step.layer.name in told):
        told |= set(local[-1:])
    known = dataset if dataset is None or isinstance(dataset, Columns) else columns_of(dataset)
    if known is None or not told <= set(known.coords["layer"]):  # the entry need not lie in other maps
        known = profile_columns(network, input_size, entry, global_ops, sorted(told))
    rows = {name: {k: v[i] for k, v in known.values.items()} for i, name in enumerate(known.coords["layer"])}
    asked = _Asked(network, input_size, entry, global_ops, mass)
    lines: dict[str, None] = {}
    for output in network.outputs:
        layer = output
        row = rows[output]
        if row["is_global"]:
            area, image = float(row["area"]), prod(known.attrs.get("input_size", ()))
            missed = f", {area:.0f} of the image's {image} pixels" if area < image else ""
            one_way = _one_way(network.axes, row)
            lines[f"{_shown(network, output)}: global receptive field{missed}{one_way}"] = None
            if not local:
                continue
            layer = local[-1]
        lines[_line(asked, rows[layer], layer)] = None
    return list(lines)


def _one_way(axes: Sequence[str], row: Mapping[str, Any]) -> str:
    """Of a footprint that has an end on one side: which, and where."""
    found = []
    for axis, start, end in zip(axes, row["start"], row["end"], strict=True):
        if start == -inf and end < inf:
            found.append(f"{axis}: everything before, up to pixel {end:.0f}")
        elif end == inf and start > -inf:
            found.append(f"{axis}: from pixel {start:.0f}, everything after")
    return "".join(f"; {text} of entry 0" for text in found)


def _line(asked: _Asked, row: Mapping[str, Any], layer: str) -> str:
    name = _shown(asked.network, layer)
    if not row["area"]:
        return f"{name}: reads only padding"
    finite = asked.input_size is not None
    gap, density = int(row["max_gap"].max()), float(row["density"])
    holes = f"holes (density {density:.3g}, longest gap {gap})" if gap else f"no gaps, density {density:.3g}"
    where = f"first pixel {_axes(row['start'])}" if finite else f"padding {_axes(_padding(asked, layer))}"
    parts = [
        f"extent {_axes(row['extent'])}",
        f"stride {_axes(row['jump'])}",
        where,
        "no holes" if density == 1 else holes,  # a union of boxes lacks corners, without a gap on either axis
        f"overlap {_axes(row['overlap'])}",
        _effective(asked, layer),
    ]
    return f"{name}: {', '.join(parts)}"


def _shown(network: Network, layer: str) -> str:
    """A layer with its name as a level of a pyramid, if it has one."""
    level = level_name(network, layer)
    return f"{level} ({layer})" if level else layer


def _padding(asked: _Asked, layer: str) -> list[float]:
    """Pixels by which entry 0 reaches beyond the image, which need not be the entry of the largest footprint."""
    step = resolve(asked.network, None, asked.global_ops).steps[asked.network.index(layer)]
    return [nan if i.start is None else 0.0 - i.start for i in step.intervals or ()]


def _effective(asked: _Asked, layer: str) -> str:
    """The box that holds most paths; its cost is that of a grid of path counts for each map upstream of the entry."""
    from rfscale.engine.analysis.paths.terms import MAX_CELLS, TooManyCountsError, effective_box

    network, size, entry, how, mass = asked
    try:
        box = effective_box(resolve(network, size, how), layer, entry, mass, MAX_CELLS // len(network.outputs), how)
    except TooManyCountsError as error:
        return str(error)
    except InputError as error:
        return f"no effective box: {error}"
    return f"effective {100 * mass:.3g} % box {_axes(box)}"


def _axes(values: Iterable[float]) -> str:
    """One number where all axes are alike, else one per axis."""
    shown = ["–" if v != v else f"{v:.0f}" if float(v).is_integer() else f"{v:.3g}" for v in values]
    return shown[0] if len(set(shown)) == 1 else "×".join(shown)
