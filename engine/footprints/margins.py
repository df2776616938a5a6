"""Margins: what each axis of a tiled image needs, read off one long crop.

Two things decide a margin. The outputs' footprints reach out of the tile (`reach`), and at the edges of a crop every
layer pads with zeros where the whole image has entries; what depends on such an entry is *affected*. Both are followed
exactly through the axis maps of the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np

from rfscale.engine.errors import INPUT_SIZE, SKIP_GLOBAL_OPS, InputError, Parameter
from rfscale.engine.footprints.plan import GlobalOps, Plan, resolve
from rfscale.engine.kernels.borders import border_entry
from rfscale.engine.network.axis_maps import BORDERS, AxisMap
from rfscale.engine.network.layer import IMAGE, Layer
from rfscale.engine.network.modules import layers_of
from rfscale.engine.network.network import Network, Size
from rfscale.engine.network.ops import OPS
from rfscale.engine.network.spec import MAX_VALUE

MAX_CROP = 1 << 22  # pixels along one axis, while margins are searched


@dataclass(frozen=True)
class Side:
    """What one axis needs: tiles and crops begin at multiples of `period`.

    Attributes
    ----------
    period : int
    reach : tuple of int
        Pixels before and after a tile that its outputs depend on; the farthest of them changes the output.
    margin : tuple of int
        Pixels before and after a tile that its crop must have, unless the image ends there: the least with which every
        layer's entries keep their places. Multiples of the period, except after the tile where the network takes no
        crop of such a length.
    scale : dict
        For each output (entries, pixels): so many entries on so many pixels.
    least : tuple of int
        Pixels that a crop from the start of the image must have at least, and whole periods of one to its end: padding
        that copies entries makes those at the border depend on others than the margins count on. Only tiles of few
        pixels have crops so short.
    """

    period: int
    reach: tuple[int, int]
    margin: tuple[int, int]
    scale: dict[str, tuple[int, int]]
    least: tuple[int, int] = (0, 0)


def find_sides(
    network: Network, layers: Sequence[str] | None, global_ops: GlobalOps, image: Size | None = None
) -> tuple[list[Side], tuple[str, ...]]:
    """What each axis needs, and the layers that were left out."""
    try:
        plan = resolve(network, None, global_ops)
    except InputError as error:
        if isinstance(error.remedy, tuple) and INPUT_SIZE in error.remedy:  # tiles are not of one size of the image
            error.remedy = "to be tiled, it needs a fixed scale or amount"
            error.args = (str(error),)
        raise
    names = _outputs(plan, layers, global_ops)
    needed = _needed(plan, names)
    _check_tileable(plan, needed, image)
    reaches = [s.intervals for i, s in enumerate(plan.steps) if i in needed and s.intervals]
    periods = [lcm(*(r[axis].shift for r in reaches)) for axis in range(len(network.axes))]
    blocks = [4 + 4 * (max(r[axis].extent for r in reaches) // p) for axis, p in enumerate(periods)]
    while True:
        size = _fitting(network, names, global_ops, blocks, periods, image)
        crop = resolve(network, size, global_ops)
        sizes = network.map_sizes(size)
        sides = [_side(crop, sizes, needed, names, axis, period) for axis, period in enumerate(periods)]
        short = [a for a, s in enumerate(sides) if max(s.margin) + s.period > size[a] // 2]
        if not short:
            return sides, plan.dropped
        for axis in short:
            blocks[axis] *= 2


def _fitting(
    network: Network,
    names: Sequence[str],
    global_ops: GlobalOps,
    blocks: Sequence[int],
    periods: Sequence[int],
    image: Size | None,
) -> Size:
    """A long crop that the network takes: a multiple of the period, and a rest where it must be (unpadded U-Nets)."""
    if max(b * p for b, p in zip(blocks, periods, strict=True)) > MAX_CROP:
        raise InputError(
            f"{network.name} is affected by more than {MAX_CROP} pixels at the edges of a crop; it cannot be tiled"
        )
    rests = [tuple(r % p for p in periods) for r in range(max(periods))]
    if image is not None:
        rests.insert(1, tuple(n % p for n, p in zip(image, periods, strict=True)))
    first_error: InputError | None = None
    for rest in rests:
        size = tuple(b * p + r for b, p, r in zip(blocks, periods, rest, strict=True))
        try:
            network.map_sizes(size)
            if image is not None:
                check_alike(network, names, size, global_ops, image)
        except InputError as error:
            first_error = first_error or error
            continue
        return size
    raise InputError(f"no crop fits {network.name}: {first_error}")


def _side(crop: Plan, sizes: dict[str, Size], needed: set[int], names: list[str], axis: int, period: int) -> Side:
    """What one axis needs, read off a long crop whose one end or other is open."""
    reach, scale = [0, 0], {}
    for name in names:
        intervals = crop.steps[crop.network.index(name)].intervals
        assert intervals is not None
        bounds, shift = intervals[axis].bounds, intervals[axis].shift
        reach[0] = max([reach[0], *(-b[0] for b in bounds if b)])
        reach[1] = max([reach[1], *(b[1] - shift + 1 for b in bounds if b)])
        scale[name] = len(bounds), shift
    rest = sizes[IMAGE][axis] % period
    (before, to_end), (after, from_start) = (
        _periods_of_crops(_wanted(crop, sizes, axis, needed, period, end), sizes, axis, scale, period, end)
        for end in ("start", "end")
    )
    least = from_start * period + rest if from_start else 0, to_end * period
    return Side(period, (reach[0], reach[1]), (before * period, after * period + rest), scale, least)


def _periods_of_crops(
    wanted: dict[str, np.ndarray],
    sizes: dict[str, Size],
    axis: int,
    scale: dict[str, tuple[int, int]],
    period: int,
    end: str,
) -> tuple[int, int]:
    """Periods of the margin at the open end, and of the shortest crop that has the other end of the image."""
    periods = sizes[IMAGE][axis] // period
    margin, rows = 0, []
    for name, (entries, pixels) in scale.items():
        every = entries * period // pixels
        own = np.arange(len(wanted[name])) // every
        lacking = wanted[name] - (periods - own if end == "start" else own + 1)  # beside the crop without a margin
        affected = wanted[name] > periods
        missing = periods - len(own) // every if end == "end" else 0  # entries that a longer image has
        margin = max(margin, missing, int(lacking[affected].max(initial=0)))
        rows.append((wanted[name][~affected], lacking[~affected]))
    return margin, max(int(most[lacking > margin].max(initial=0)) for most, lacking in rows)


def _outputs(plan: Plan, layers: Sequence[str] | None, global_ops: GlobalOps) -> list[str]:
    """Names of the maps that must be exact; none with a global receptive field."""
    network = plan.network
    names = list(dict.fromkeys(network.outputs)) if layers is None else layers_of(network, layers)
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
    return names


def _cause(network: Network, name: str) -> str:
    """The first global op upstream of a layer."""
    upstream = {name}
    for layer in reversed(network.layers):
        if layer.name in upstream:
            upstream.update(layer.inputs)
    return next(x.name for x in network.layers if x.name in upstream and OPS[x.op].kind in ("global", "one_way"))


def _needed(plan: Plan, names: Iterable[str]) -> set[int]:
    """Positions of the layers that some maps depend on, and their own."""
    needed = {plan.network.index(name) for name in names}
    for i in range(max(needed), -1, -1):
        if i in needed:
            needed.update(s for s in plan.steps[i].sources if s >= 0)
    return needed


def _check_tileable(plan: Plan, needed: set[int], image: Size | None) -> None:
    sizes = None if image is None else plan.network.map_sizes(image)
    for i in sorted(needed):
        layer = plan.steps[i].layer
        same = isinstance(layer.params.get("padding"), str)
        if OPS[layer.op].needs_size(layer.params) and not same:
            raise InputError(
                f"layer {layer.name!r} ({layer.op}) cannot be tiled: its map depends on the size of the image; write "
                "it with a fixed scale or amount"
            )
        source = None if sizes is None else sizes[layer.inputs[0]]
        stops = enumerate(layer.params.get("stop", ()))
        if any(stop is not None and stop > 0 and (source is None or stop < source[axis]) for axis, stop in stops):
            raise InputError(
                f"layer {layer.name!r} ({layer.op}) cannot be tiled: it ends at a fixed entry of the image's map",
                remedy="write a stop below 0, which counts from the end",
            )
        maps = enumerate(plan.steps[i].maps or ())
        # a map that only adds entries at its end reads entry o for entry o, like one that adds none
        if any(m.border == "circular" and not (m.is_identity and _size_kept(layer, a)) for a, m in maps):
            raise InputError(f"layer {layer.name!r} ({layer.op}) cannot be tiled: it wraps around the image")


def _size_kept(layer: Layer, axis: int) -> bool:
    return OPS[layer.op].size(layer.params, axis, MAX_VALUE) == MAX_VALUE


def _wanted(
    plan: Plan, sizes: dict[str, Size], axis: int, needed: set[int], period: int, end: str
) -> dict[str, np.ndarray]:
    """Per layer, how many whole periods a crop must have beside one end of the image for an entry to be the image's.

    The crop is open at `end`; an entry that is not the image's even in this long one wants one period more than it has.
    """
    periods, rest = divmod(sizes[IMAGE][axis], period)
    pixels = np.arange(sizes[IMAGE][axis], dtype=np.int32)
    out = {IMAGE: periods - pixels // period if end == "start" else (pixels - rest) // period + 1}
    known: dict[tuple[int, int, int], np.ndarray] = {}
    for i, step in enumerate(plan.steps):
        if i not in needed:
            continue
        name = step.layer.name
        sources = [out[plan.steps[s].layer.name if s >= 0 else IMAGE] for s in step.sources]
        if step.maps is None:
            out[name] = np.maximum.reduce(sources) if len(sources) > 1 else sources[0]
            continue
        key = id(sources[0]), id(step.maps[axis]), sizes[name][axis]
        if key not in known:
            known[key] = next_wanted(sources[0], step.maps[axis], sizes[name][axis], end, periods + 1)
            assert step.intervals is not None
            every = len(step.intervals[axis].bounds) * period // step.intervals[axis].shift
            own = np.arange(sizes[name][axis]) // every  # the entry itself
            np.maximum(known[key], periods - (own if end == "start" else own[::-1]), out=known[key])
        out[name] = known[key]
    return out


def next_wanted(wanted: np.ndarray, axis_map: AxisMap, size: int, end: str, beyond: int) -> np.ndarray:
    """The most that anything wants that each of `size` entries after one layer reads; `beyond` past the open end."""
    n, taps = len(wanted), axis_map.table.taps
    block, phase = np.divmod(np.arange(size), axis_map.up)
    first = min(0, int(taps.min()))
    past_end = max(0, axis_map.down * int(block[-1]) + int(taps.max()) + 1 - n)
    around = [np.full(-first, beyond, np.int32), wanted, np.full(past_end, beyond, np.int32)]
    closed = 2 if end == "start" else 0
    around[closed] = np.zeros(len(around[closed]), np.int32)
    if axis_map.border != "zeros":  # a read beyond the closed end copies an entry
        outside = range(n, n + past_end) if closed else range(first, 0)
        entries = [border_entry(entry, n, BORDERS[axis_map.border]) for entry in outside]
        around[closed] = wanted[np.clip(np.array(entries, np.int64), 0, n - 1)]
    row, at = np.concatenate(around), axis_map.down * block - first
    out = np.zeros(size, np.int32)
    for t in range(taps.shape[1]):
        if axis_map.up > 1:
            np.maximum(out, row[at + taps[phase, t]], out=out, where=t < axis_map.table.counts[phase])
        elif t < axis_map.table.counts[0]:
            np.maximum(out, row[at + int(taps[0, t])], out=out)
    return out


def check_alike(network: Network, names: Iterable[str], lengths: Size, global_ops: GlobalOps, image: Size) -> None:
    """Raise an InputError unless every layer that some maps depend on reads a crop as it reads the image."""
    crop, whole = resolve(network, lengths, global_ops), resolve(network, image, global_ops)
    for i in sorted(_needed(crop, names)):
        step, other = crop.steps[i], whole.steps[i]
        of_crop, of_image = ([(m.up, m.down, m.taps, m.border) for m in s.maps or ()] for s in (step, other))
        if of_crop != of_image:
            raise InputError(
                f"layer {step.layer.name!r} ({step.layer.op}) reads a crop of {'×'.join(map(str, lengths))} pixels "
                "other than the whole image: its map depends on the size; give an image of a multiple of the period"
            )
