"""The maps of a network on which objects can be detected: its outputs, level by level, or the ends of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, log2, nan, prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rfscale.engine.analysis.profile import profile
from rfscale.engine.errors import InputError, UnequalJumpsError
from rfscale.engine.network.modules import layers_of, level_name, modules_around
from rfscale.engine.network.network import Network, Size
from rfscale.engine.network.ops import OPS

if TYPE_CHECKING:
    import xarray as xr

FINEST_STRIDE = 4.0  # pixels: of P2, the finest level of the detectors in use; stages before it are the stem
POOLS = ("max_pool", "avg_pool", "lp_pool", "adaptive_pool")


class Level(NamedTuple):
    """A map that objects can be detected on.

    Attributes
    ----------
    name : str
        P3 for one entry in every 2^3 pixels, with its size where several have that stride; the layer's name where the
        network has no such levels.
    layer : str
    stride, extent : float
        In pixels: mean of both axes on a log scale.
    is_output : bool
    whole_image : bool
        A branch of it, such as attention, brings in the whole image; the extent is that of the others. Branches that
        only scale a map, such as those of norms and of squeeze-and-excitation, do not count.
    """

    name: str
    layer: str
    stride: float
    extent: float
    is_output: bool
    whole_image: bool


class Levels(NamedTuple):
    """The maps of a network that objects can be detected on.

    Attributes
    ----------
    levels : list of Level
        Finest first.
    of_detector : bool
        They are those of a pyramid, or of a backbone for one.
    stages : dict
        The layers at the ends of stages, by stride.
    input_size : tuple of int or None
        The size that figures are for.
    """

    levels: list[Level]
    of_detector: bool
    stages: dict[float, str]
    input_size: Size | None


def find_levels(
    network: Network, layers: Sequence[str] | None = None, input_size: int | Sequence[int] | None = None
) -> Levels:
    """Return the levels of a network.

    Outputs of one stride and size are one level, of which the widest output stands for all. A network whose outputs
    are several levels is a pyramid, and these are its levels. Of any other the levels are the ends of stages, a stage
    being the layers of one stride from `FINEST_STRIDE` on, and the output in the place of its stage's end. Branches
    with a global receptive field are left out.

    Parameters
    ----------
    network : Network
    layers : sequence of str, optional
        The maps to take, instead.
    input_size : int or sequence of int, optional
        Figures of the centre entries for images of this size; by default without borders, where the network has such
        figures.

    Raises
    ------
    InputError
        For unknown layers, layers without a local receptive field, and where nothing is left.
    """
    ds = _profile(network, input_size)
    size = tuple(ds.attrs["input_size"]) if ds.attrs.get("input_size") else None
    rows = {name: i for i, name in enumerate(ds.layer.values.tolist())}
    local = ~ds.is_global.values & (ds.area.values > 0)
    strides = _strides(ds, size or network.input_size)
    stages = _stages(network, ds, local, strides)
    outputs = _outputs(network, ds, [rows[n] for n in network.outputs if local[rows[n]]], strides)
    if layers is not None:
        chosen = [rows[name] for name in _asked(network, layers, rows, local)]
    else:
        chosen = outputs if len(outputs) > 1 else _with_stages(outputs, stages, strides)
    if not chosen:
        raise InputError(f"every layer of {network.name} has a global receptive field; there is nothing to match")
    chosen.sort(key=lambda row: (prod(strides[row]), row))
    of_detector = _of_detector(network, ds, outputs, strides, stages)
    names = _level_names(ds, chosen, strides) if of_detector else ds.layer.values[chosen].tolist()
    extents = np.sqrt(ds.extent.values.prod(axis=1))
    reaching = _with_whole_image(network)
    levels = [
        Level(name, layer, _side(strides[row]), float(extents[row]), layer in network.outputs, layer in reaching)
        for name, row in zip(names, chosen, strict=True)
        for layer in [str(ds.layer.values[row])]
    ]
    ends = {stride: str(ds.layer.values[row]) for stride, row in stages.items()}
    return Levels(levels, of_detector, ends, size)


def _profile(network: Network, input_size: int | Sequence[int] | None) -> xr.Dataset:
    """The profile; of the network's own size where it has no figures without borders."""
    try:
        return profile(network, input_size, global_ops="skip")
    except UnequalJumpsError:
        if input_size is not None or network.input_size is None:
            raise
        return profile(network, network.input_size, global_ops="skip")


def _with_whole_image(network: Network) -> set[str]:
    """Layers that a global op brings the whole image to, other than by a factor for the whole map."""
    pure = network.global_layers[1]  # nothing but the results of global ops
    found: set[str] = set()
    for layer in network.layers:
        sources = list(layer.inputs)
        if layer.op == "multiply":
            sources = [source for source in sources if source not in pure] or sources
        if OPS[layer.op].kind == "global" or any(source in found for source in sources):
            found.add(layer.name)
    return found


def _strides(ds: xr.Dataset, image: Size | None) -> np.ndarray:
    """Pixels between entries per axis; where they differ within a map, pixels for each entry on average."""
    strides = np.abs(ds.jump.values.astype(float))  # of a mirrored map it is negative
    if image is not None and "map_size" in ds:
        strides = np.where(np.isnan(strides), np.array(image) / ds.map_size.values, strides)
    return strides


def _side(strides: np.ndarray) -> float:
    return float(np.sqrt(prod(strides.tolist())))


def _stages(network: Network, ds: xr.Dataset, local: np.ndarray, strides: np.ndarray) -> dict[float, int]:
    """The layer at the end of every stage, by stride; strides that only pools have are no stages.

    It is the last one that no connection passes by (within a residual block others are later, but have not all of it),
    and that is in no module that leads to the next stride, such as the first layers of a block with a stride.
    """
    side = [_side(stride) if of else nan for stride, of in zip(strides, local.tolist(), strict=True)]
    ops, names = ds.op.values.tolist(), ds.layer.values.tolist()
    furthest = _last_readers(network, names)
    leading = _modules_to_coarser_strides(names, side)
    found: dict[float, int] = {}
    for stride in sorted({s for s in side if isfinite(s)}):
        members = [row for row, s in enumerate(side) if s == stride]
        if all(ops[row] in POOLS for row in members):
            continue
        reach, ends = -1, []
        for row in members:
            if reach <= row:
                ends.append(row)
            reach = max(reach, furthest[row])
        plain = [row for row in ends if ops[row] not in (*POOLS, "pad")]
        outside = [row for row in plain if all(leading.get(m) != stride for m in modules_around(names[row]))]
        found[stride] = (outside or plain or ends)[-1]
    return found


def _last_readers(network: Network, names: list[str]) -> list[int]:
    """The position of the last layer that reads each; its own where none does."""
    rows = {name: row for row, name in enumerate(names)}
    last = list(range(len(names)))
    for layer in network.layers:
        for source in layer.inputs:
            if source in rows:
                last[rows[source]] = max(last[rows[source]], rows[layer.name])
    return last


def _modules_to_coarser_strides(names: list[str], side: list[float]) -> dict[str, float]:
    """Modules that begin at a stride and end at a coarser one, with the first stride.

    Not those that contain a module of two layers or more of the first stride alone: they contain a stage.
    """
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        for module in (*modules_around(name), name):
            rows.setdefault(module, []).append(row)
    leading = {module: side[at[0]] for module, at in rows.items() if side[at[-1]] > side[at[0]]}
    for module, at in rows.items():
        if len(at) > 1 and all(side[row] == side[at[0]] for row in at):
            for around in modules_around(module):
                if leading.get(around) == side[at[0]]:
                    del leading[around]
    return leading


def _outputs(network: Network, ds: xr.Dataset, rows: Sequence[int], strides: np.ndarray) -> list[int]:
    """One output for every stride and size: the widest.

    Where a model gives some of its outputs the names of levels, the others are none, such as prototypes of masks.
    """
    named = [row for row in rows if level_name(network, str(ds.layer.values[row]))]
    groups: dict[tuple[object, ...], list[int]] = {}
    for row in named or rows:
        size = ds.map_size.values[row].tolist() if "map_size" in ds else []
        groups.setdefault((*strides[row].tolist(), *size), []).append(row)
    extent = ds.extent.values.prod(axis=1)
    return [max(group, key=lambda row: float(extent[row])) for group in groups.values()]


def _with_stages(outputs: list[int], stages: dict[float, int], strides: np.ndarray) -> list[int]:
    """The ends of stages from `FINEST_STRIDE` on, or of all where none is so coarse, and the outputs."""
    taken = {_side(strides[row]) for row in outputs}
    ends = {stride: row for stride, row in stages.items() if stride not in taken}
    coarse = [row for stride, row in ends.items() if stride >= FINEST_STRIDE]
    return outputs + (coarse if coarse or outputs else list(ends.values()))


def _asked(network: Network, layers: Sequence[str], rows: dict[str, int], local: np.ndarray) -> list[str]:
    names = layers_of(network, layers)
    for name in names:
        if not local[rows[name]]:
            raise InputError(f"layer {name!r} has a global receptive field or none; it has no width to match")
    return names


def _of_detector(
    network: Network, ds: xr.Dataset, outputs: Sequence[int], strides: np.ndarray, stages: Iterable[float]
) -> bool:
    """Whether the maps of a network are levels: those of a pyramid, and of a backbone for one.

    The maps of a backbone grow coarser up to its output; a network for masks goes back to a finer one, or is all fine.
    """
    sides = {_side(strides[row]) for row in outputs}
    if len(sides) > 1 or any(level_name(network, str(ds.layer.values[row])) for row in outputs):
        return True
    coarsest = max(stages, default=0.0)
    return min(sides, default=coarsest) >= max(coarsest, FINEST_STRIDE)


def _level_names(ds: xr.Dataset, rows: Sequence[int], strides: np.ndarray) -> list[str]:
    """P3 for a stride of 2^3; P6 5×5 where several levels have that stride; else the layer's name."""
    levels = [_power(strides[row]) for row in rows]
    names = []
    for row, level in zip(rows, levels, strict=True):
        name = level
        if name and levels.count(level) > 1:
            size = "×".join(map(str, ds.map_size.values[row].tolist())) if "map_size" in ds else ""
            name = f"{level} {size}" if size else ""
        names.append(name or str(ds.layer.values[row]))
    layers = [str(ds.layer.values[row]) for row in rows]
    return [n if names.count(n) == 1 else layer for n, layer in zip(names, layers, strict=True)]


def _power(strides: np.ndarray) -> str:
    """The name of a stride that is a power of two and the same on both axes."""
    first = float(strides[0])
    if not (strides == first).all() or first < 1 or not log2(first).is_integer():
        return ""
    return f"P{round(log2(first))}"
