"""Every architecture of a space, labelled: `sweeps.run`. The block API it is made of is in sweeps/states/blocks.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import __version__
from engine.errors import InputError, nearest, shown
from sweeps.spaces.space import NetworkSpace, Space
from sweeps.states.blocks import MEMORY, Blocks

if TYPE_CHECKING:
    import xarray as xr
    from distributed import Client

    from sweeps.spaces.templates import NetworkBlocks

MAX_DIMS = 64  # of a numpy array
PIECE = 1 << 26  # architectures from one call of `progress` to the next
NETWORK_PIECE = 64  # and networks


def run(
    space: Space | NetworkSpace,
    *,
    stages: Sequence[str] | None = None,
    costs: bool | None = None,
    formulas: bool = False,
    memory: int = MEMORY,
    progress: Callable[[int], object] | None = None,
    store: str | PathLike[str] | None = None,
    client: Client | None = None,
) -> xr.DataTree:
    """Return the exact figures of every architecture of a space, in memory or from a store.

    Parameters
    ----------
    space : Space or NetworkSpace
    stages : sequence of str, optional
        Stages to give; by default all.
    costs : bool, optional
        Whether to give params and macs; by default where the space has channels (for macs, and an input size).
    formulas : bool
        Whether to give the published and closed-form figures as well.
    memory : int
        Bytes that the states of one axis may take; beyond, the rest is enumerated depth first.
    progress : callable, optional
        Called again and again with the number of architectures that were done since.
    store : path, optional
        Folder of a Zarr store to write, or to go on with: the result is then read from it lazily. See docs/stores.md.
    client : distributed.Client, optional
        Dask workers that write the store.

    Returns
    -------
    xr.DataTree
        One Dataset for each stage, whose dims are the factors met so far and whose coordinates are their labels.
        `pixels`, `extent`, `jump` and `shared` (int32) are those of one axis where the space is square, and have the
        dim `axis` otherwise. `params` and `macs` (int64) are those of all layers so far. `sweeps.derive` adds area,
        width, density and overlap. For a `NetworkSpace` there is one Dataset, "networks", with the figures of the last
        output of each network.

    Raises
    ------
    InputError
        If the result does not fit the memory, or figures would overflow.

    Examples
    --------
    >>> stages = [{"name": "s1", "kernel": [3, 5]}, {"name": "s2", "kernel": 3, "dilation": [1, 2]}]
    >>> space = Space.from_dict({"stages": stages})
    >>> run(space)["s2"].extent.sel(s1_kernel=5, s2_dilation=2).item()
    9
    """
    import xarray as xr

    if store is not None:
        from sweeps.stores.store import run_stored

        options: dict[str, Any] = {"stages": stages, "costs": costs, "formulas": formulas, "memory": memory}
        return run_stored(space, store, client, progress, **options)
    if client is not None:
        raise InputError("client writes stores; give `store`, a path that the workers see as well")
    blocks = blocks_of(space, costs=costs, formulas=formulas, memory=memory)
    wanted = wanted_stages(blocks, stages)
    if len(space.factors) + bool(blocks.axis_labels) > MAX_DIMS:
        raise InputError(
            f"space {space.name!r} has {len(space.factors)} factors; at most {MAX_DIMS} dims can be labelled. "
            "Ask sweeps.count, best, pareto or sample"
        )
    check_memory(sum(blocks.size(s) * blocks.row_bytes(s) for s in wanted))
    coords = coordinates(blocks)
    piece = PIECE if isinstance(space, Space) else NETWORK_PIECE
    tree = {}
    for stage in wanted:
        out = blocks.empty(stage, 0, blocks.size(stage))
        for start in range(0, blocks.size(stage), piece):
            stop = min(start + piece, blocks.size(stage))
            blocks.fill(stage, start, stop, {name: values[start:stop] for name, values in out.items()})
            if progress:
                progress(stop - start)
        tree[stage] = label(blocks, stage, out, coords)
    result = xr.DataTree(xr.Dataset(attrs=attributes(space, "run")), name=space.name)
    result.children = {name: xr.DataTree(ds) for name, ds in tree.items()}  # twice as fast as DataTree.from_dict
    return result


def blocks_of(
    space: Space | NetworkSpace, *, costs: bool | None = None, formulas: bool = False, memory: int = MEMORY
) -> Blocks | NetworkBlocks:
    """Return the blocks of a space."""
    if isinstance(space, NetworkSpace):
        from sweeps.spaces.templates import NetworkBlocks

        return NetworkBlocks(space)
    if not isinstance(space, Space):
        raise InputError(f"space is {shown(space)}; it must be a sweeps.Space or NetworkSpace")
    return Blocks(space, costs=costs, formulas=formulas, memory=memory)


def wanted_stages(blocks: Blocks | NetworkBlocks, stages: Sequence[str] | None) -> tuple[str, ...]:
    """Return the stages that are asked for, in the order of the space; by default all."""
    known = blocks.stages
    if stages is None:
        return known
    if isinstance(stages, str) or not stages:
        raise InputError(f"stages is {shown(stages)}; give a list of at least one, such as [{known[0]!r}]")
    for name in stages:
        if name not in known:
            raise InputError(f"space {blocks.space.name!r} has no stage {shown(name)}; {nearest(name, known)}")
    return tuple(s for s in known if s in stages)


def label(blocks: Blocks | NetworkBlocks, stage: str, out: dict[str, np.ndarray], coords: xr.Coordinates) -> xr.Dataset:
    """Return the flat arrays of a whole stage as a dataset over its factors; `coords` are those of all stages."""
    import xarray as xr

    dims, shape, axes = tuple(blocks.dims(stage)), blocks.shape(stage), len(blocks.axis_labels)
    data = {}
    for name, spec in blocks.variables(stage).items():
        per_axis = spec.per_axis and axes > 0
        array = out[name].reshape((*shape, axes) if per_axis else shape)
        attrs = {"units": spec.units, "long_name": spec.long_name}
        data[name] = xr.Variable((*dims, "axis") if per_axis else dims, array, attrs, fastpath=True)
    met = (*dims, "axis") if axes else dims
    own = xr.Coordinates({d: coords.variables[d] for d in met}, {d: coords.xindexes[d] for d in met})
    return xr.Dataset(data, own, attrs=blocks.attrs(stage))


def coordinates(blocks: Blocks | NetworkBlocks) -> xr.Coordinates:
    """Return the labels of all factors, and the axes where the space is not square, indexed once for all stages."""
    import xarray as xr

    labels: dict[str, Any] = {name: np.array(labels) for name, labels in blocks.space.dims.items()}
    if blocks.axis_labels:
        labels["axis"] = list(blocks.axis_labels)
    return xr.Dataset(coords=labels).coords


def attributes(space: Space | NetworkSpace, call: str) -> dict[str, Any]:
    """Return the attrs of an answer: where it comes from, so that it can be made again."""
    described = space.to_dict() if isinstance(space, Space) else {"name": space.name, "factors": dict(space.dims)}
    return {
        "space": json.dumps(described, default=str),
        **({"space_hash": space.hash} if isinstance(space, Space) else {}),
        "architectures": str(space.size),
        "software": f"rfscale {__version__}",
        "call": call,
    }


def check_memory(needed: int) -> None:
    """Refuse results that do not fit the free memory."""
    free = free_memory()
    if needed > free:
        raise InputError(
            f"the result needs {size_text(needed)} of memory and {size_text(free)} are free; "
            "write it to a store, give `stages`, or ask sweeps.count, best, pareto or sample, which list nothing"
        )


def free_memory() -> int:
    """Return the bytes of memory that are available, or a large number where that is not known."""
    try:
        with open("/proc/meminfo") as file:
            rows = dict(line.split(":") for line in file)
        return int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 62


def size_text(size: int) -> str:
    """Return a number of bytes as people write it."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if size < 999.5:  # 999.6 is 1e+03 in three digits
            return f"{size:.3g} {unit}"
        size = size // 1000 if size >= 10**9 else size / 1000  # type: ignore[assignment]
    return f"{size:.3g} EB" if size < 10**6 else "more than 10^24 bytes"
