"""Halo: the margin that tiled inference needs so that a tile's outputs equal those of the whole image.

A tile is a box of image pixels; its outputs are the entries at its place. The network is run on a *crop*: the tile and
a margin on each side that does not touch the border of the image. Two things decide the margin. The outputs' footprints
reach out of the tile (`reach`), and at the edges of a crop every layer pads with zeros where the whole image has
entries; what depends on such an entry is spoilt. Both are followed exactly through the axis maps of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import lcm, prod
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from rfscale.engine.errors import SKIP_GLOBAL_OPS, InputError, Parameter
from rfscale.engine.footprints.plan import GlobalOps, Plan, resolve
from rfscale.engine.network.axis_maps import AxisMap
from rfscale.engine.network.layer import IMAGE
from rfscale.engine.network.network import Network, Size, check_size
from rfscale.engine.network.ops import OPS
from rfscale.engine.readers.load import as_network
from rfscale.engine.readers.reading import NetworkLike, SizedReading

if TYPE_CHECKING:
    import xarray as xr

LONGEST = 1 << 22  # entries of a map along one axis, while margins are searched


Box = tuple[slice, ...]


@dataclass(frozen=True)
class Side:
    """What one axis needs: tiles and crops begin at multiples of `period`.

    Attributes
    ----------
    period : int
    reach : tuple of int
        Pixels before and after a tile that its outputs depend on; the farthest of them does matter.
    margin : tuple of int
        Pixels before and after a tile that its crop must have, unless the image ends there: the least with which every
        layer's entries keep their places. Multiples of the period, except after the tile where the network takes no
        crop of such a length.
    scale : dict
        For each output (entries, pixels): so many entries on so many pixels.
    """

    period: int
    reach: tuple[int, int]
    margin: tuple[int, int]
    scale: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Tile:
    """One tile: the box of the image to run the network on (`crop`), and where its outputs are.

    Per output, `inner` is the part of the crop's map that is right, and `outer` where it belongs in the map of the
    whole image; one slice per axis.
    """

    crop: Box
    inner: dict[str, Box]
    outer: dict[str, Box]


def halo(
    network: NetworkLike,
    tile: int | Sequence[int] | None = None,
    *,
    layers: Sequence[str] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> xr.Dataset:
    """Return the margin per side that tiles of a network need, and what it costs.

    Parameters
    ----------
    network : Network, or what `load` takes
    tile : int or sequence of int, optional
        Pixels of a tile per axis, margins not counted: a multiple of the period.
    layers : sequence of str, optional
        The maps that must be right; by default the network's outputs.
    global_ops : {"include", "skip"}
        Layers that see the whole image cannot be tiled. "skip" leaves them out where they merge with others: the result
        holds for what is left.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Returns
    -------
    xr.Dataset
        Over (axis, side): `reach`, the pixels out of the tile that outputs depend on, and `margin`, the pixels that a
        crop needs, which keep the phase of every layer. Over axis: `period`; with `tile` also `tile`, `crop` and
        `useful`, the pixels of a tile whose crop is as large as `tile`. Scalars `waste`, pixels computed for each pixel
        of the tile (1 is none), and `waste_as_crop`, the same if `tile` is the size of the crop (inf where nothing of
        it is useful).

    Raises
    ------
    InputError
        For layers that see everything or whose map depends on the size of the image, and for tiles that are no multiple
        of the period; the message names the layer, or the nearest tile sizes.

    Examples
    --------
    >>> import rfscale as rf
    >>> found = halo(rf.Network.sequential({"kernel": 3, "padding": 1}, {"kernel": 5, "padding": 2}), 10)
    >>> found.margin.values.tolist(), found.crop.values.tolist(), float(found.waste)
    ([[3, 3], [3, 3]], [16, 16], 2.56)
    """
    import xarray as xr

    from rfscale.engine import __version__

    network = as_network(network, reading)
    sides, dropped = _sides(network, layers, global_ops)
    per_side = ("axis", "side")
    data: dict[str, Any] = {
        "reach": (per_side, [s.reach for s in sides], _attrs("pixel", "pixels beyond the tile that outputs depend on")),
        "margin": (per_side, [s.margin for s in sides], _attrs("pixel", "pixels beyond the tile that a crop needs")),
        "period": ("axis", [s.period for s in sides], _attrs("pixel", "tiles and margins are multiples of it")),
    }
    if tile is not None:
        size = _check_tile(tile, sides, network)
        crop = [t + sum(s.margin) for t, s in zip(size, sides, strict=True)]
        useful = [max(0, t - sum(s.margin)) for t, s in zip(size, sides, strict=True)]
        data["tile"] = ("axis", list(size), _attrs("pixel", "pixels of a tile"))
        data["crop"] = ("axis", crop, _attrs("pixel", "pixels of a tile with its margins"))
        data["useful"] = ("axis", useful, _attrs("pixel", "pixels of a tile whose crop has the size given as tile"))
        data["waste"] = ((), prod(crop) / prod(size), _attrs("1", "pixels computed for each pixel of the tile"))
        as_crop = prod(size) / prod(useful) if prod(useful) else float("inf")
        data["waste_as_crop"] = ((), as_crop, _attrs("1", "the same, where tile is the size of the crop"))
    out = xr.Dataset(data, {"axis": list(network.axes), "side": ["start", "end"]})
    out.attrs = {"network": network.name, "network_hash": network.hash, "layers": list(sides[0].scale)}
    out.attrs |= {"global_ops": global_ops, "software": f"rfscale {__version__}"}
    if dropped:
        out.attrs["dropped"] = list(dropped)
    return out


def _attrs(units: str, long_name: str) -> dict[str, str]:
    return {"units": units, "long_name": long_name}


def tiles(
    network: NetworkLike,
    image_size: int | Sequence[int],
    tile: int | Sequence[int],
    *,
    layers: Sequence[str] | None = None,
    global_ops: GlobalOps = "include",
    **reading: Unpack[SizedReading],
) -> Iterator[Tile]:
    """Yield the tiles that cover an image: what to cut, and where the outputs go.

    Parameters
    ----------
    network : Network, or what `load` takes
    image_size, tile : int or sequence of int
        Pixels per axis. A tile is a multiple of the period; those at the end of the image may be smaller.
    layers, global_ops
        As in `halo`.
    **reading
        How a model is read, as in `load`: example_input, input_size, unknown, axes, image, name, arguments.

    Yields
    ------
    Tile

    Raises
    ------
    InputError
        As `halo`; and where some layer reads a crop otherwise than the whole image, as a resize to a fixed size does.

    Examples
    --------
    >>> net = Network.sequential({"kernel": 3, "padding": 1}, axes=1)
    >>> [(t.crop, t.inner["conv1"], t.outer["conv1"]) for t in tiles(net, 6, 4)]
    [((slice(0, 5, None),), (slice(0, 4, None),), (slice(0, 4, None),)),
     ((slice(3, 6, None),), (slice(1, 3, None),), (slice(4, 6, None),))]
    """
    network = as_network(network, reading, image_size)
    image = check_size(image_size, len(network.axes), "image_size")
    whole = network.map_sizes(image)
    sides, _ = _sides(network, layers, global_ops, image)
    size = _check_tile(tile, sides, network)
    checked: set[Size] = set()
    for corner in product(*(range(0, n, t) for n, t in zip(image, size, strict=True))):
        boxes = [_crop(a, t, n, s) for a, t, n, s in zip(corner, size, image, sides, strict=True)]
        crop = tuple(slice(low, high) for low, high in boxes)
        inner, outer = {}, {}
        for name in sides[0].scale:
            spans = [
                _span(side.scale[name], a, t, box[0], (n, out))
                for side, a, t, box, n, out in zip(sides, corner, size, boxes, image, whole[name], strict=True)
            ]
            inner[name] = tuple(slice(low - off, high - off) for low, high, off in spans)
            outer[name] = tuple(slice(low, high) for low, high, _ in spans)
        if all(any(s.start == s.stop for s in box) for box in outer.values()):
            continue  # without padding, the end of the image has no entries of its own
        lengths = tuple(high - low for low, high in boxes)
        if lengths not in checked:
            _check_alike(network, lengths, global_ops, image)
            checked.add(lengths)
        yield Tile(crop, inner, outer)


def _span(scale: tuple[int, int], start: int, tile: int, crop: int, whole: tuple[int, int]) -> tuple[int, int, int]:
    """From and to which entry a tile goes along one axis, and the number of the crop's first entry."""
    entries, pixels = scale
    stop = whole[1] if start + tile >= whole[0] else min(whole[1], (start + tile) * entries // pixels)
    return min(whole[1], start * entries // pixels), stop, crop * entries // pixels


def _crop(start: int, tile: int, image: int, side: Side) -> tuple[int, int]:
    """Bounds of the crop of one tile along one axis; a rest of the image that is less than a period goes along."""
    low, high = max(0, start - side.margin[0]), start + tile + side.margin[1]
    return low, high if high + side.period <= image else image


def _check_alike(network: Network, lengths: Size, global_ops: GlobalOps, image: Size) -> None:
    """Raise an InputError unless every layer reads a crop as it reads the image."""
    whole = resolve(network, image, global_ops)
    for step, other in zip(resolve(network, lengths, global_ops).steps, whole.steps, strict=True):
        mine, its = ([(m.up, m.down, m.taps, m.border) for m in s.maps or ()] for s in (step, other))
        if mine != its:
            raise InputError(
                f"layer {step.layer.name!r} ({step.layer.op}) reads a crop of {'×'.join(map(str, lengths))} pixels "
                "other than the whole image: its map depends on the size; give an image of a multiple of the period"
            )


def _check_tile(tile: int | Sequence[int], sides: Sequence[Side], network: Network) -> Size:
    size = check_size(tile, len(sides), "tile")
    for axis, t, side in zip(network.axes, size, sides, strict=True):
        if t % side.period:
            near = sorted({max(1, t // side.period) * side.period, -(-t // side.period) * side.period})
            raise InputError(
                f"tile is {t} pixels along {axis}, which is no multiple of the period {side.period} of {network.name}; "
                f"give {' or '.join(map(str, near))}"
            )
    return size


# margins ------------------------------------------------------------------------------------------------------------


def _sides(
    network: Network, layers: Sequence[str] | None, global_ops: GlobalOps, image: Size | None = None
) -> tuple[list[Side], tuple[str, ...]]:
    """What each axis needs, and the layers that were left out."""
    plan = resolve(network, None, global_ops)
    names = _outputs(plan, layers, global_ops)
    needed = _needed(plan, [network.index(n) for n in names])
    _check_tileable(plan, needed)
    reaches = [s.intervals for i, s in enumerate(plan.steps) if i in needed and s.intervals]
    periods = [lcm(*(r[axis].shift for r in reaches)) for axis in range(len(network.axes))]
    blocks = [4 + 4 * (max(r[axis].extent for r in reaches) // p) for axis, p in enumerate(periods)]
    while True:
        size = _fitting(network, global_ops, blocks, periods, image)
        crop = resolve(network, size, global_ops)
        sizes = network.map_sizes(size)
        sides = [_side(crop, sizes, needed, names, axis, period) for axis, period in enumerate(periods)]
        short = [a for a, s in enumerate(sides) if max(s.margin) + s.period > size[a] // 2]
        if not short:
            return sides, plan.dropped
        for axis in short:
            blocks[axis] *= 2


def _fitting(
    network: Network, global_ops: GlobalOps, blocks: Sequence[int], periods: Sequence[int], image: Size | None
) -> Size:
    """A long crop that the network takes: a multiple of the period, and a rest where it must be (unpadded U-Nets)."""
    if max(b * p for b, p in zip(blocks, periods, strict=True)) > LONGEST:
        raise InputError(f"{network.name} spoils more than {LONGEST} pixels at the edges of a crop; it cannot be tiled")
    rests = [tuple(r % p for p in periods) for r in range(max(periods))]
    if image is not None:
        rests.insert(1, tuple(n % p for n, p in zip(image, periods, strict=True)))
    trouble: InputError | None = None
    for rest in rests:
        size = tuple(b * p + r for b, p, r in zip(blocks, periods, rest, strict=True))
        try:
            network.map_sizes(size)
            if image is not None:
                _check_alike(network, size, global_ops, image)
        except InputError as error:
            trouble = trouble or error
            continue
        return size
    raise InputError(f"no crop fits {network.name}: {trouble}")


def _side(crop: Plan, sizes: dict[str, Size], needed: set[int], names: list[str], axis: int, period: int) -> Side:
    """What one axis needs, read off a long crop whose one end or other is open."""
    size = sizes[IMAGE][axis]
    spoilt = [_spoilt(crop, sizes, axis, needed, end) for end in ("start", "end")]
    reach, margin, scale = [0, 0], [0, 0], {}
    for name in names:
        intervals = crop.steps[crop.network.index(name)].intervals
        assert intervals is not None
        bounds, shift = intervals[axis].bounds, intervals[axis].shift
        reach[0] = max([reach[0], *(-b[0] for b in bounds if b)])
        reach[1] = max([reach[1], *(b[1] - shift + 1 for b in bounds if b)])
        scale[name] = entries, pixels = len(bounds), shift
        at = np.flatnonzero(spoilt[0][name])
        if len(at):  # the tile begins at the first multiple of the period from which all is right
            margin[0] = max(margin[0], -(-(int(at[-1]) + 1) * pixels // (entries * period)) * period)
        at = np.flatnonzero(spoilt[1][name])
        right = int(at[0]) if len(at) else len(spoilt[1][name])
        margin[1] = max(margin[1], size - min(size, right * pixels // entries) // period * period)
    return Side(period, (reach[0], reach[1]), (margin[0], margin[1]), scale)


def _outputs(plan: Plan, layers: Sequence[str] | None, global_ops: GlobalOps) -> list[str]:
    """Names of the maps that must be right; none that sees everything."""
    network = plan.network
    names = list(layers) if layers is not None else list(network.outputs)
    if layers is None and global_ops == "skip":
        local = [n for n in names if not plan.steps[network.index(n)].is_global]
        names = local or names
    for name in names:
        if plan.steps[network.index(name)].is_global:
            cause = _cause(network, name)
            raise InputError(
                f"layer {name!r} cannot be tiled: {cause!r} ({network[cause].op}) has a global receptive field",
                remedy=(
                    "name the maps before it as ", Parameter("layers"), ", or give ", SKIP_GLOBAL_OPS,
                    " where it is only one branch of a merge",
                ),
            )  # fmt: skip
    if not names:
        raise InputError("layers is empty; name at least one map")
    return names


def _cause(network: Network, name: str) -> str:
    """The first global op behind a layer."""
    behind = {name}
    for layer in reversed(network.layers):
        if layer.name in behind:
            behind.update(layer.inputs)
    return next(x.name for x in network.layers if x.name in behind and OPS[x.op].kind == "global")


def _needed(plan: Plan, ends: Sequence[int]) -> set[int]:
    needed = set(ends)
    for i in range(max(ends), -1, -1):
        if i in needed:
            needed.update(s for s in plan.steps[i].sources if s >= 0)
    return needed


def _check_tileable(plan: Plan, needed: set[int]) -> None:
    for i in sorted(needed):
        layer = plan.steps[i].layer
        same = isinstance(layer.params.get("padding"), str)
        if OPS[layer.op].needs_size(layer.params) and not same:
            raise InputError(
                f"layer {layer.name!r} ({layer.op}) cannot be tiled: its map depends on the size of the image; write "
                "it with a fixed scale or amount"
            )
        if layer.params.get("mode") == "circular":
            raise InputError(f"layer {layer.name!r} (pad) cannot be tiled: it wraps around the image")


def _spoilt(plan: Plan, sizes: dict[str, Size], axis: int, needed: set[int], end: str) -> dict[str, np.ndarray]:
    """Per layer, which entries along one axis differ from those of an image that goes on beyond one end of the crop."""
    out = {IMAGE: np.zeros(sizes[IMAGE][axis], bool)}
    known: dict[tuple[int, int, int], np.ndarray] = {}
    for i, step in enumerate(plan.steps):
        if i not in needed:
            continue
        name = step.layer.name
        sources = [out[plan.steps[s].layer.name if s >= 0 else IMAGE] for s in step.sources]
        if step.maps is None:
            out[name] = np.logical_or.reduce(sources) if len(sources) > 1 else sources[0]
            continue
        key = id(sources[0]), id(step.maps[axis]), sizes[name][axis]
        if key not in known:
            known[key] = _behind(sources[0], step.maps[axis], sizes[name][axis], end)
        out[name] = known[key]
    return out


def _behind(spoilt: np.ndarray, axis_map: AxisMap, size: int, end: str) -> np.ndarray:
    """Which of `size` entries behind one layer read a spoilt entry, or one beyond the open end."""
    n = len(spoilt)
    o = np.arange(size)
    block, phase = o // axis_map.up, o % axis_map.up
    taps, counts = axis_map.table.taps, axis_map.table.counts
    out = np.zeros(size, bool)
    for t in range(taps.shape[1]):
        reads = axis_map.down * block + taps[phase, t]
        beyond = reads < 0 if end == "start" else reads >= n
        inside = (reads >= 0) & (reads < n)
        bad = beyond | (inside & spoilt[np.clip(reads, 0, n - 1)])
        if axis_map.border != "zeros":
            bad |= ~inside & ~beyond & _copied(reads, axis_map.border, spoilt)
        out |= bad & (t < counts[phase])
    return out


def _copied(reads: np.ndarray, border: str, spoilt: np.ndarray) -> np.ndarray:
    """Whether the entry that a read beyond the closed end copies is spoilt."""
    n = len(spoilt)
    if border == "reflect":
        reads = np.where(reads < 0, -reads, np.where(reads >= n, 2 * (n - 1) - reads, reads))
    out: np.ndarray = spoilt[np.clip(reads, 0, n - 1)]
    return out
